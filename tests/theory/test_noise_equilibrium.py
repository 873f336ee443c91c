"""Formulas of the chapter on noise equilibrium against gradients, runs and limits."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.scipy.linalg import expm

from learndyn import claims
from learndyn.simulation import flow, train
from learndyn.theory import noise_equilibrium as theory

LAW = "noise_equilibrium-test"
KEY = jax.random.key(0)
MU = np.array([1.0, -1.0])
X, E = np.diag([2.0, 1.0, 0.5]), np.array([[1.0, 0.3], [0.3, 0.6]])
V = np.array([[1.0, 0.2, -0.5], [0.3, 0.8, 0.4]])


def sample(key):
    z = jax.random.normal(key, (5,))
    x = jnp.sqrt(jnp.diag(jnp.asarray(X))) * z[:3]
    return x, V @ x + jnp.linalg.cholesky(jnp.asarray(E)) @ z[3:]


def one(p, x, y):
    r = p["U"] @ p["W"] @ x - y
    return 0.5 * r @ r


def gradients(p, n=40_000):
    x, y = jax.vmap(sample)(jax.random.split(KEY, n))
    return jax.vmap(jax.grad(one), (None, 0, 0))(p, x, y)


def minimum(layers):
    return {"W": jnp.asarray(layers[0]), "U": jnp.asarray(layers[1])}


def squares(g):
    return jnp.sum(g["U"] ** 2, (1, 2)), jnp.sum(g["W"] ** 2, (1, 2))


def test_the_entropic_loss_drifts_the_charge_as_a_step_does():
    p = {"W": jnp.array([[1.0, 0.3, 0.2]]), "U": jnp.array([[0.7], [-0.4]])}
    x, y = jax.vmap(sample)(jax.random.split(KEY, 50))
    eta = 0.1

    def parts(shift):
        q = {"W": p["W"] * jnp.exp(-shift), "U": p["U"] * jnp.exp(shift)}
        g = jax.vmap(jax.grad(one), (None, 0, 0))(q, x, y)
        return jax.vmap(one, (None, 0, 0))(q, x, y).mean(), sum(squares(g)).mean()

    at = 1e-4 * np.array([-1, 1])
    loss, square = (np.array([float(parts(s)[i]) for s in at]) for i in (0, 1))
    slope = np.diff(theory.entropic_loss(loss, square, eta))[0] / 2e-4
    g = jax.vmap(jax.grad(one), (None, 0, 0))(p, x, y)
    drift = eta * jnp.mean(squares(g)[0] - squares(g)[1])
    claims.equal(
        -2 * slope, drift, rtol=1e-6, because="h² of a difference", theorem=LAW
    )
    assert theory.entropic_loss(2.0, 8.0, 0.5) == 3.0


def test_potential_and_drift_are_those_of_gradients_on_the_orbit():
    a = jnp.array([[1.0, 0.4], [0.4, -0.5]])  # any generator; loss of exp(-λA) θ₀ form
    mu, vectors = np.linalg.eigh(np.asarray(a))
    theta, g = jax.random.normal(KEY, (2, 2))
    m, s = (vectors.T @ np.asarray(v) for v in (g, theta))
    for lam in (-0.7, 0.0, 0.4):
        moved, pushed = expm(lam * a) @ theta, expm(-lam * a) @ g
        square, size = pushed @ pushed, moved @ moved
        args = (lam, mu, m**2, s**2)
        claims.equal(
            theory.orbit_potential(*args, eta=0.1, decay=0.3),
            0.1 / 4 * square + 0.15 * size,
            rtol=1e-12, because="rounding", theorem=LAW,
        )  # fmt: skip
        drift = 0.1 * pushed @ a @ pushed - 0.6 * moved @ a @ moved
        claims.equal(
            theory.charge_drift(*args, eta=0.1, decay=0.3), drift,
            rtol=1e-12, because="rounding", theorem=LAW,
        )  # fmt: skip


def test_the_equilibrium_is_where_the_drift_vanishes_and_runaways_are_infinite():
    mu, m = np.array([2.0, 1.0, 0.0, -0.5]), np.array([3.0, 0.1, 5.0, 40.0])
    for decay in (0.0, 0.2):
        law = {"eta": 0.1, "decay": decay}
        shift = theory.equilibrium_shift(mu, m, np.ones(4), **law)
        assert abs(theory.charge_drift(shift, mu, m, np.ones(4), **law)) < 1e-11
        assert theory.charge_drift(shift - 1, mu, m, np.ones(4), **law) > 0
    two = theory.equilibrium_shift(MU, np.array([5.0, 2.0]), np.ones(2), eta=0.1)
    assert two == pytest.approx(np.log(2.5) / 4, rel=1e-12)
    far = theory.equilibrium_shift(MU, np.array([1e9, 1e-9]), np.ones(2), eta=0.1)
    assert far == pytest.approx(np.log(1e18) / 4, rel=1e-12)
    none = {"weight": np.ones(2), "eta": 0.1}
    assert theory.equilibrium_shift(MU, np.array([1.0, 0]), **none) == np.inf
    assert theory.equilibrium_shift(MU, np.array([0, 1.0]), **none) == -np.inf
    assert theory.relaxation_rate(MU, np.array([0, 1.0]), **none) == 0
    with pytest.raises(ValueError, match="noise must not vanish"):
        theory.equilibrium_shift(MU, np.zeros(2), **none)
    decayed = theory.equilibrium_shift(MU, np.zeros(2), **none, decay=0.1)
    assert decayed == pytest.approx(0)


def test_scale_invariance_runs_away_and_decay_stops_it():
    one_, k = np.ones(1), np.array([2.0])
    t = np.linspace(0, 50, 6)
    free = np.exp(4 * theory.relaxation(t, one_, k, one_, eta=0.1))
    np.testing.assert_allclose(free, 1 + 2 * 0.1 * 2 * t, rtol=1e-6)
    law = {"eta": 0.1, "decay": 0.05}
    fourth = np.exp(4 * theory.equilibrium_shift(one_, k, one_, **law))
    assert fourth == pytest.approx(0.1 * 2 / (2 * 0.05))
    held = np.exp(4 * theory.relaxation(t, one_, k, one_, **law))
    np.testing.assert_allclose(
        held, fourth + (1 - fourth) * np.exp(-0.2 * t), rtol=1e-6
    )
    assert theory.relaxation_rate(one_, k, one_, **law) == pytest.approx(0.2)


def test_sgd_relaxes_along_the_orbit():
    def run(eta, key):
        def loss(p, key):
            z = jax.random.normal(key, (4,))
            e = jnp.sqrt(jnp.array([0.4, 1.6])) * z[2:]
            r = p["u"] * (p["w"] @ z[:2]) - jnp.array([1.0, 0]) * z[0] - e
            return 0.5 * r @ r

        p = {"u": jnp.array([2.0, 0]), "w": jnp.array([0.5, 0])}
        return train.descend(
            loss, p, optax.sgd(eta), steps=1600, every=100, key=key,
            observe=lambda p, s: jnp.sum(p["u"] ** 2) - jnp.sum(p["w"] ** 2),
        ).records  # fmt: skip

    etas = 0.04 / 2.0 ** jnp.array([0, 0.5, 1])
    charge = train.sweep(run, eta=etas, key=jax.random.split(KEY, 64))
    ends = charge[jnp.arange(3), :, jnp.array([4, 8, 15])]  # η²n = 0.64, 0.64, 0.6
    m = theory.layer_noise(
        np.array([[0.5, 0]]), np.array([[2.0], [0]]), np.eye(2), np.diag([0.4, 1.6])
    )
    tau = {0: 400, 1: 800, 2: 1500}
    errors = []
    for i, n in tau.items():
        t = float(etas[i]) * np.array([0.0, n])
        path = theory.relaxation(t, MU, m, np.array([4.0, 0.25]), eta=float(etas[i]))
        lam = jnp.arcsinh(ends[i] / 2) / 2
        errors.append(jnp.abs(lam.mean() - np.log(2) - path[1]))
    claims.order(etas, jnp.stack(errors), order=1, atol=0.35,
                 because="64 seeds and the next order", theorem=LAW)  # fmt: skip
    assert errors[-1] < 0.06


def test_the_rate_is_that_of_a_small_displacement():
    m = np.array([1.0, 3.2])
    rate = theory.relaxation_rate(MU, m, np.array([4.0, 0.25]), eta=0.1)
    star = theory.equilibrium_shift(MU, m, np.array([4.0, 0.25]), eta=0.1)
    t, at = np.array([0.0, 1.0]), np.exp(2 * MU * (star + 1e-4))
    back = theory.relaxation(t, MU, m / at, np.array([4, 0.25]) * at, eta=0.1)
    assert rate == pytest.approx(-np.log(1 + back[1] / 1e-4), rel=1e-3)


def test_layer_noise_is_that_of_sampled_gradients():
    p = minimum(theory.equilibrium_layers(V, X, E))
    p = {"W": 2 * p["W"], "U": p["U"] / 2}
    predicted = theory.layer_noise(np.asarray(p["W"]), np.asarray(p["U"]), X, E)
    claims.mean(predicted, jnp.stack(squares(gradients(p)), 1), theorem=LAW)


def test_layers_are_in_equilibrium_at_every_depth():
    rank_one = np.outer([1.0, 2.0], [1.0, 0.0, -1.0])
    for target, depth in ((V, 2), (V, 3), (V, 5), (rank_one, 4)):
        layers = theory.equilibrium_layers(target, X, E, depth)
        x, forward = X, [X]
        for w in layers:
            forward.append(w @ forward[-1] @ w.T)
        backward = [E]
        for w in layers[::-1]:
            backward.append(w.T @ backward[-1] @ w)
        backward = backward[::-1]
        product = np.linalg.multi_dot(layers[::-1])
        np.testing.assert_allclose(product, target, atol=1e-12)
        for i in range(1, depth):
            left = np.trace(forward[i - 1]) * backward[i]
            right = np.trace(backward[i + 1]) * forward[i]
            np.testing.assert_allclose(left, right, atol=1e-12)
        assert len(x) == 3


def test_the_metric_carries_any_point_to_equilibrium():
    w0, u0 = theory.equilibrium_layers(V, X, E)
    g = np.array([[1.5, 0.3], [-0.2, 0.8]])
    p = minimum([g @ w0, u0 @ np.linalg.inv(g)])
    each = gradients(p)
    gu, gw = each["U"], each["W"]
    forward = jnp.einsum("nij,nik->jk", gu, gu) / len(gu)
    backward = jnp.einsum("nij,nkj->ik", gw, gw) / len(gw)
    metric = theory.orbit_metric(np.asarray(forward), np.asarray(backward))
    found = p["W"].T @ metric @ p["W"]
    claims.equal(w0.T @ w0, found, rtol=0.05, because="40,000 samples", theorem=LAW)


def test_trace_of_the_hessian_and_its_least_value():
    w, u = theory.equilibrium_layers(V, X, E)

    def population(p):
        d = p["U"] @ p["W"] - V
        return 0.5 * jnp.trace(d @ X @ d.T)

    flat, unravel = jax.flatten_util.ravel_pytree(minimum([w, u]))
    hessian = jax.hessian(lambda v: population(unravel(v)))(flat)
    claims.equal(theory.hessian_trace(w, u, X), jnp.trace(hessian), rtol=1e-12,
                 because="rounding", theorem=LAW)  # fmt: skip
    least = theory.flattest_trace(V, X)
    white = theory.equilibrium_layers(V, X, np.eye(2))
    assert theory.hessian_trace(*white, X) == pytest.approx(least)  # Σε ∝ I: flattest
    assert theory.hessian_trace(w, u, X) > least
    draw = np.random.default_rng(0).normal(size=(100, 2, 2))
    traces = [theory.hessian_trace(g @ w, u @ np.linalg.inv(g), X) for g in draw]
    claims.bound(least, jnp.array(traces), theorem=LAW)


def test_flow_conserves_the_charges():
    p = {"W": jnp.array([[1.0, 0.3, 0.2]]), "U": jnp.array([[0.7], [-0.4]])}
    x, y = jax.vmap(sample)(jax.random.split(KEY, 20))
    run = flow.gradient_flow(
        lambda p: jax.vmap(one, (None, 0, 0))(p, x, y).mean(), p,
        jnp.array([0.0, 3.0]), observe=lambda p: p["U"].T @ p["U"] - p["W"] @ p["W"].T,
    ).records  # fmt: skip
    claims.equal(np.asarray(run[0]), run[1], atol=1e-7, because="solver", theorem=LAW)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: theory.entropic_loss(np.inf, 1.0, 0.1), "loss"),
        (lambda: theory.entropic_loss(1.0, -1.0, 0.1), "gradient_square"),
        (lambda: theory.entropic_loss(1.0, 1.0, -0.1), "eta"),
        (lambda: theory.charge_drift(0.0, 0 * MU, MU**2, MU**2, eta=0.1), "charges"),
        (lambda: theory.charge_drift(0.0, MU, MU, MU**2, eta=0.1), "noise"),
        (lambda: theory.charge_drift(0.0, MU, MU**2, MU, eta=0.1), "weight"),
        (lambda: theory.relaxation_rate(MU, MU**2, MU**2, eta=0.0), "eta"),
        (lambda: theory.orbit_potential(0.0, MU, MU**2, MU**2, eta=1.0, decay=-1.0),
         "decay"),
        (lambda: theory.relaxation(np.array([1.0, 2]), MU, MU**2, MU**2, eta=1.0),
         "times"),
        (lambda: theory.orbit_metric(-np.eye(2), np.eye(2)), "forward"),
        (lambda: theory.orbit_metric(np.eye(2), np.ones((2, 2))), "backward"),
        (lambda: theory.equilibrium_layers(V, X, E, 1), "depth"),
        (lambda: theory.equilibrium_layers(V, X, np.zeros((2, 2))), "residuals"),
        (lambda: theory.flattest_trace(V, -X), "inputs"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, name):
    with pytest.raises(ValueError, match=name):
        call()
