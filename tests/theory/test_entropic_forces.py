"""Formulas of the chapter on entropic forces against gradients, flows and limits."""

from functools import reduce
from inspect import signature
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learndyn import claims
from learndyn.simulation import flow, train
from learndyn.theory import entropic_forces as theory
from learndyn.theory import noise_equilibrium

LAW = {"theorem": "entropic_forces-test"}
NEXT = {"atol": 0.15, "because": "next term, of relative size ηλ", **LAW}
SOLVER = {"atol": 1e-6, "because": "solver: 1e-9 a step", **LAW}
ROOT = {"atol": 1e-10, "because": "root-finding", **LAW}
ETAS = 0.01 / 2.0 ** np.arange(4)
V = np.array([[1.0, 0.2, -0.5], [0.3, 0.8, 0.4]])
X = np.array([[2.0, 0.4, 0.0], [0.4, 1.0, 0.1], [0.0, 0.1, 0.5]])
E = np.array([[1.0, 0.3], [0.3, 0.4]])
Z = np.array([[1.0, 0.4, 0.0], [-0.3, 1.2, 0.2], [0.1, 0.0, 0.8]])
POWER = float(np.trace(Z @ X @ Z.T))
WIDTHS, DEPTH = (3, 2), 3  # of the hidden layers


def batch_loss(v, k):
    """Loss of a network with five weights on a batch, one of three samples."""
    x = jnp.array([[1.0, -0.5], [0.3, 1.2], [-0.8, 0.7]])[k]
    y = jnp.array([0.5, -1.0, 1.5])[k]
    return 0.5 * (v[4] * jnp.tanh(v[:2] @ x) + v[2] * v[3] * x[0] - y) ** 2


SLOPES = jax.jit(jax.vmap(jax.vmap(jax.grad(batch_loss)), (0, None)))
START = jnp.array([0.9, -0.6, 0.8, -1.1, 0.7])
BATCHES = jnp.arange(3)
MIX = jnp.vstack([jnp.eye(3), jnp.ones((1, 3)) / 3])  # one batch, or the mean of all
COUNT = jnp.array([1, 1, 1, 3])  # steps


@jax.jit
@jax.vmap
def derivatives(k):
    """Gradient, Hessian, its derivative along the gradient; Jacobian of the field."""

    def parts(v):
        g, hessian = jax.grad(batch_loss)(v, k), jax.hessian(batch_loss)
        return g, *jax.jvp(lambda u: hessian(u, k), (v,), (g,))

    def field(v, eta=0.3):
        g, h, t = parts(v)
        return -g - eta / 2 * h @ g - eta**2 * (h @ h @ g / 3 + t @ g / 12)

    return *parts(START), jax.jacfwd(field)(START)


def flowed(eta, k, order):
    """Flow of a loss, with `order` 2 of the entropic loss."""

    def loss(v):
        values, slopes = jax.vmap(jax.value_and_grad(batch_loss), (None, 0))(v, BATCHES)
        return MIX[k] @ (values + (order - 1) * eta / 4 * jnp.sum(slopes**2, 1))

    times = jnp.stack([0.0, COUNT[k] * eta])
    return flow.gradient_flow(loss, START, times, rtol=1e-12, atol=1e-15).state


@pytest.fixture(scope="module")
def local():
    return [np.asarray(each) for each in derivatives(BATCHES)]


@pytest.fixture(scope="module")
def flows():
    grid = {"k": jnp.arange(4), "order": jnp.array([1, 2])}
    return train.sweep(flowed, eta=jnp.asarray(ETAS), **grid)


def test_the_leading_error_of_a_step(local, flows):
    for k, order in product(range(3), (1, 2)):
        g, h, t, _ = (each[k] for each in local)
        gap = np.asarray(START) - np.outer(ETAS, g) - flows[:, k, order - 1]
        lead = np.stack([theory.step_error(g, h, t, eta, order) for eta in ETAS])
        rest, size = (jnp.linalg.norm(v, axis=1) for v in (gap - lead, gap))
        claims.order(ETAS, rest, order=order + 2, **NEXT)
        claims.order(ETAS, size, order=order + 1, **NEXT)
        assert not np.any(theory.step_error(g, h, t, 0.0, order))


def test_the_curl_is_that_of_the_field_of_third_order(local):
    for _, h, t, slope in zip(*local, strict=True):
        curl = theory.curl(h, t, 0.3)
        claims.equal(curl, (slope - slope.T) / 2, rtol=1e-12, because="rounding", **LAW)
        assert np.abs(curl).max() > 1e-4
        assert not np.any(theory.curl(h, t, 0.0))


def test_resampling_shifts_the_mean_and_shuffling_does_not(local, flows):
    draws = np.array(list(product(range(3), repeat=3)))
    every = np.broadcast_to(START, (4, 27, 5))
    for batch in draws.T:
        every = every - ETAS[:, None, None] * SLOPES(every, batch)
    shuffles = np.array([len(set(each)) == 3 for each in draws.tolist()])
    end = flows[:, 3, 1]
    drawn, shuffled = every.mean(1) - end, every[:, shuffles].mean(1) - end
    g, h = local[:2]
    shift = np.stack([theory.resampling_shift(g, h, eta) for eta in ETAS])
    for gap, order in ((drawn - shift, 3), (drawn, 2), (shuffled, 3)):
        claims.order(ETAS, jnp.linalg.norm(gap, axis=1), order=order, **NEXT)
    assert not np.any(theory.resampling_shift(g, h, 0.0))
    assert np.abs(theory.resampling_shift(g[:1], h[:1], 0.1)).max() < 1e-16


DRAW = np.random.default_rng(0).normal
LAYERS = [DRAW(size=s) for s in ((6, 5), (4, 6), (3, 4))]
INPUTS, OUTPUTS = DRAW(size=(20, 5)), DRAW(size=(20, 3))


@jax.jit
def entropic(logs, eta, decay):
    """The part of the entropic loss that factors change, energies, norms; gradient."""

    def loss(layers, x, y):
        a, b, c = layers
        return 0.5 * jnp.sum((c @ jax.nn.relu(b @ jax.nn.relu(a @ x)) - y) ** 2)

    def value(logs):
        scales = jnp.exp(logs - logs.mean()) * jnp.array([0.3, 2.0, 1.0])
        layers = [scale * w for scale, w in zip(scales, LAYERS, strict=True)]
        g = jax.vmap(jax.grad(loss), (None, 0, 0))(layers, INPUTS, OUTPUTS)
        e, n = (jnp.stack([jnp.sum(w**2) for w in each]) for each in (g, layers))
        return decay / 2 * n.sum() + eta / 4 * e.sum() / 20, (e / 20, n)

    return jax.value_and_grad(value, has_aux=True)(logs)


@pytest.mark.parametrize(
    ("eta", "decay"), [(0.1, 0.0), (0.01, 10.0), (0.1, 1e-6), (0.0, 0.3)]
)
def test_layers_rest_at_the_least_entropic_loss(eta, decay):
    e, n = map(np.asarray, entropic(jnp.zeros(3), eta, decay)[0][1])
    scales = theory.layer_scales(e, n, eta, decay)
    assert np.prod(scales) == pytest.approx(1, rel=1e-10)
    at = jnp.log(scales)
    (least, _), slope = entropic(at, eta, decay)
    claims.limit(0.0, slope / least, **ROOT)
    near = [entropic(at + d, eta, decay)[0][0] for d in DRAW(size=(30, 3)) / 9]
    claims.bound(float(least), jnp.stack(near), **LAW)


def test_scales_without_decay_without_steps_and_between():
    e, n = np.array([1e-9, 3.0, 1e12, 5.0]), np.array([1e8, 1.0, 1e-6, 2.0])
    energies = e / theory.layer_scales(e, n, 0.1) ** 2
    np.testing.assert_allclose(energies, np.exp(np.log(e).mean()))
    norms = n * theory.layer_scales(e, n, 0.0, 0.1) ** 2
    np.testing.assert_allclose(norms, np.exp(np.log(n).mean()))
    for near, limit in (((0.1, 1e-14), (0.1, 0.0)), ((1e-14, 0.1), (0.0, 0.1))):
        pair = [theory.layer_scales(e[1::2], n[1::2], *each) for each in (near, limit)]
        np.testing.assert_allclose(*pair, rtol=1e-10)
    assert theory.layer_scales(np.ones(1), np.ones(1), 1.0, 1.0) == pytest.approx(1)


def samples(noise):
    """Twelve samples, whose covariances are exactly X and that of the noise."""
    x = jnp.sqrt(3) * jnp.linalg.cholesky(jnp.asarray(X)).T
    e = jnp.sqrt(2) * jnp.linalg.cholesky(jnp.asarray(noise)).T
    return jnp.repeat(x, 4, 0), jnp.tile(jnp.concatenate([e, -e]), (3, 1))


def risk(layers, x, e):
    a, b, c = layers
    return 0.5 * jnp.sum((c @ b @ a @ Z @ x - V @ x - e) ** 2)


def energies(layers, noise):
    g = jax.vmap(jax.grad(risk), (None, 0, 0))(layers, *samples(noise))
    return jnp.stack([jnp.sum(w**2) / 12 for w in g])


@jax.jit
def measured(layers, noise):
    """Kernels of the hidden layers, energies, trace of the Hessian of a perfect fit."""
    first, second = layers[0] @ Z, layers[1] @ layers[0] @ Z
    inputs = Z @ samples(noise)[0].T
    slopes = jax.jacobian(lambda w: w[2] @ w[1] @ w[0] @ inputs)(layers)
    trace = sum(jnp.sum(each**2) / 12 for each in slopes)
    kernels = first.T @ first, second.T @ second
    return jnp.stack(kernels), energies(layers, noise), trace


def minimum(seed):
    """A point on the manifold of minima: random layers of the rank of V."""
    normal = np.random.default_rng(seed).normal
    into, out, layers = V @ np.linalg.inv(Z), np.eye(2), []
    for h in WIDTHS:
        base = np.linalg.qr(normal(size=(h, 2)))[0]
        mix = np.eye(2) + 0.3 * normal(size=(2, 2))
        layers.append(base @ mix @ into)
        into, out = base.T, out @ np.linalg.inv(mix)
    return [jnp.asarray(w) for w in (*layers, out @ into)]


@jax.jit
def descend(noise, decay):
    """Follow the force along the orbits of all hidden layers; no loss changes."""

    def force(layers):
        a, b, c = layers

        def turned(turn):
            first, second = turn
            return [a + first @ a, b + second @ b - b @ first, c - c @ second]

        def total(turn):
            w = turned(turn)
            norms = sum(jnp.sum(each**2) for each in w)
            return -4 * jnp.log(jnp.where(decay, norms, energies(w, noise).sum()))

        zero = [jnp.zeros((h, h)) for h in WIDTHS]
        return jax.jvp(turned, (zero,), (jax.grad(total)(zero),))[1]

    return flow.solve(force, minimum(0), jnp.array([0.0, 60.0]), rtol=1e-9).state


@pytest.mark.parametrize("noise", [E, np.eye(2)])
def test_all_hidden_layers_end_with_one_kernel(noise):
    kernels, energy, flat = measured(descend(noise, False), noise)
    problem = (V, X, noise, DEPTH, POWER)
    kernel = theory.platonic_kernel(V, X, noise)
    scale = theory.layer_constants(*problem)[:, None, None]
    claims.limit(scale * kernel, kernels, **SOLVER)
    claims.limit(theory.least_energy(*problem) / DEPTH, energy, **SOLVER)
    claims.limit(theory.curvature(*problem), flat, **SOLVER | {"atol": 1e-5})


def test_no_minimum_has_less_energy_or_with_white_noise_a_smaller_trace():
    for noise in (E, np.eye(2)):
        found = [measured(minimum(seed), noise) for seed in range(30)]
        least = theory.least_energy(V, X, noise, DEPTH, POWER)
        claims.bound(least, jnp.stack([energy.sum() for _, energy, _ in found]), **LAW)
    white = theory.curvature(V, X, np.eye(2), DEPTH, POWER)
    claims.bound(white, jnp.stack([trace for *_, trace in found]), **LAW)
    assert white == pytest.approx(least)  # the energy of white noise is the trace
    assert theory.curvature(V, X, E, DEPTH, POWER) > 1.01 * white


@pytest.mark.parametrize("depth", [2, 3, 6])
@pytest.mark.parametrize("target", [V, V[:1], np.outer([1.0, 2.0], V[0]), V.T @ V])
def test_equilibrium_layers_are_a_second_route(target, depth):
    noise = np.diag([1.5, 0.3, 0.8])[: len(target), : len(target)]
    layers = noise_equilibrium.equilibrium_layers(target, X, noise, depth)
    problem = (target, X, noise, depth, np.trace(X))
    kernel = theory.platonic_kernel(target, X, noise)
    scale = theory.layer_constants(*problem)
    h, found = np.eye(3), 0.0
    for i, w in enumerate(layers):
        ahead = reduce(np.matmul, layers[:i:-1], np.eye(len(target)))
        sizes = [np.sum(ahead * (noise @ ahead)), np.sum(ahead**2)]
        found += np.trace(h @ X @ h.T) * np.array(sizes)
        h = w @ h
        if i < depth - 1:
            np.testing.assert_allclose(h.T @ h, scale[i] * kernel, atol=1e-7)
    ours = theory.least_energy(*problem), theory.curvature(*problem)
    np.testing.assert_allclose(ours, found, rtol=1e-6)


def test_depth_two_and_infinite_depth_and_units_of_noise():
    two = np.sqrt(POWER / np.trace(E))
    assert theory.layer_constants(V, X, E, 2, POWER) == pytest.approx(two, rel=1e-12)
    white = theory.curvature(V, X, np.eye(2), 2, np.trace(X))
    assert white == pytest.approx(noise_equilibrium.flattest_trace(V, X))
    kernel = theory.platonic_kernel(V, X, E)
    deep = theory.least_energy(V, X, E, 10**7, POWER) / 10**7
    assert deep == pytest.approx(np.trace(kernel @ X) ** 2, rel=1e-5)
    np.testing.assert_allclose(theory.platonic_kernel(V, X, 9 * E), 3 * kernel)
    one, nine = (theory.layer_constants(V, X, e, 4, POWER) for e in (E, 9 * E))
    np.testing.assert_allclose(one, 3 * nine)


def test_vanishing_decay_leaves_a_kernel_that_depends_on_the_view():
    predicted = np.stack([theory.decayed_kernel(V, Z, DEPTH, i) for i in (1, 2)])
    claims.limit(predicted, measured(descend(E, True), E)[0], **SOLVER)
    one, two = (theory.decayed_kernel(V, np.eye(3), 3, i) for i in (1, 2))
    np.testing.assert_allclose(one @ one @ one, V.T @ V, atol=1e-12)
    np.testing.assert_allclose(one @ one, two, atol=1e-12)
    half = theory.decayed_kernel(V, np.eye(3), 2, 1)
    plain = theory.platonic_kernel(V, np.eye(3), np.eye(2))
    np.testing.assert_allclose(half, plain, atol=1e-7)
    assert np.abs(theory.decayed_kernel(V, Z, 2, 1) - half).max() > 0.1


G, H, CUBE = np.ones(2), np.eye(2), np.ones((2, 2, 2))
GOOD = {
    **{"gradient": G, "energies": G, "norms": G, "target": V, "transform": Z},
    **{"hessian": H, "third": H, "gradients": H, "hessians": CUBE, "sx": X, "se": E},
    **{"eta": 0.0, "decay": 1.0, "power": 1.0, "order": 1, "depth": 2, "layer": 1},
}
BAD = {
    **{"energies": [G - 1], "norms": [-G], "target": [V.T], "transform": [0 * Z]},
    **{"sx": [Z, -X], "se": [0 * E, -E], "eta": [-0.1, np.inf], "decay": [-1.0, 0.0]},
    **{"power": [0.0], "order": [3], "depth": [1], "layer": [0, 2]},
}
LINEAR = (theory.layer_constants, theory.least_energy, theory.curvature)
OTHERS = (theory.step_error, theory.curl, theory.resampling_shift, theory.layer_scales)
KERNELS = (theory.platonic_kernel, theory.decayed_kernel)


@pytest.mark.parametrize("formula", LINEAR + OTHERS + KERNELS)
def test_bad_input_is_refused(formula):
    good = {name: GOOD[name] for name in signature(formula).parameters}
    formula(**good)
    for name, value in good.items():
        unknown = [] if isinstance(value, int) else [value * np.nan]
        for bad in BAD.get(name, []) + unknown:
            with pytest.raises(ValueError, match=rf"\b{name}\b"):
                formula(**good | {name: bad})


def test_a_target_of_zero_has_no_kernel():
    with pytest.raises(ValueError, match="target"):
        theory.platonic_kernel(0 * V, X, E)
