"""Formulas of the chapter on compositional generalization against runs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import flow, measure, nets, train
from learndyn.theory import compositional_generalization as theory

LAW = "compositional_generalization-test"
SIZE = 7
INSIDE = np.array([False, True, True, True, False, True, False])
HOLE = np.ix_(INSIDE, INSIDE)


def pairs():
    x, y = np.divmod(np.arange(SIZE**2), SIZE)
    return x, y, ~(INSIDE[x] & INSIDE[y])


def one_hot():
    x, y, _ = pairs()
    return jnp.concatenate([jnp.eye(SIZE)[x], jnp.eye(SIZE)[y]], -1)


def random_images(pixels=3):
    return np.asarray(jax.random.normal(jax.random.key(1), (SIZE, SIZE, pixels)))


def bump_images():
    a = theory.bumps(SIZE)
    return np.einsum("xj,yi->xyij", a, a).reshape(SIZE, SIZE, -1)


def kernel_machine(images, kernel):
    """Solve for all coefficients and read off the held-out square."""
    x, y, seen = map(jnp.asarray, pairs())
    shared = sum((v[:, None] == v[None]).astype(int) for v in (x, y))
    K, T = jnp.asarray(kernel)[shared], jnp.asarray(images).reshape(SIZE**2, -1)
    out = K[:, seen] @ jnp.linalg.solve(K[seen][:, seen], T[seen])
    return out.reshape(images.shape)[HOLE]


def relative(out, truth):
    return jnp.sum((out - truth) ** 2) / jnp.sum(truth**2)


def test_bumps_are_the_image_on_its_axes():
    def image(x, y):
        i, j = jnp.mgrid[:SIZE, :SIZE]
        return jnp.exp(-((j - x) ** 2 + (i - y) ** 2) / (2 * 1.5**2))

    a = theory.bumps(SIZE, 1.5)
    claims.equal(
        np.outer(a[4], a[2]), image(2, 4), atol=1e-14, because="rounding", theorem=LAW
    )
    assert np.abs(theory.bumps(4, 1e-2) - np.eye(4)).max() < 1e-12


@pytest.mark.parametrize("images", [random_images(), bump_images()])
def test_a_linear_decoder_superposes(images):
    _, _, seen = pairs()
    codes, T = one_hot(), jnp.asarray(images).reshape(SIZE**2, -1)

    def loss(w, key):
        return 0.5 * jnp.mean(jnp.sum((codes[seen] @ w - T[seen]) ** 2, -1))

    run = train.descend(
        loss,
        jnp.zeros((2 * SIZE, T.shape[1])),
        optax.sgd(3.0),
        steps=1000,
        every=1000,
        observe=lambda p, s: (),
        key=jax.random.key(0),
    )
    found = (codes @ run.params).reshape(images.shape)[HOLE]
    predicted = theory.additive_rendering(images, INSIDE)
    claims.limit(predicted, found, atol=1e-9, because="converged", theorem=LAW)


def test_errors_of_products():
    a, images = theory.bumps(SIZE), bump_images()
    found = relative(jnp.asarray(theory.additive_rendering(images, INSIDE)),
                     jnp.asarray(images[HOLE]))  # fmt: skip
    predicted = theory.superposition_error(a, INSIDE)
    claims.equal(predicted, found, rtol=1e-12, because="rounding", theorem=LAW)
    T = jnp.asarray(images[HOLE])
    best = T.mean(0)[None] + T.mean(1)[:, None] - T.mean((0, 1))[None, None]
    floor = theory.additive_floor(a, INSIDE)
    claims.equal(floor, relative(best, T), rtol=1e-12, because="rounding", theorem=LAW)
    draw = jax.random.normal(jax.random.key(2), (20, 2, *best.shape[1:]))

    def error(shift):  # of another additive model
        return relative(best + shift[0][:, None] + shift[1][None], T)

    claims.bound(floor, jax.vmap(error)(draw), theorem=LAW)


@pytest.mark.parametrize("kernel", [(1, 2, 3.5), (0, 1, 3), (0.3, 0.5, 1)])
def test_the_kernel_machine(kernel):
    kernel = np.array(kernel, dtype=float)
    for images in (random_images(), bump_images()):
        predicted = theory.lazy_rendering(images, INSIDE, kernel)
        found = kernel_machine(images, kernel)
        claims.equal(predicted, found, atol=1e-12, because="rounding", theorem=LAW)


def test_without_memory_the_kernel_machine_is_additive_least_squares():
    images, gammas = random_images(), 10.0 ** -np.arange(2, 6)
    limit = theory.additive_rendering(images, INSIDE)
    gaps = jnp.array([
        np.abs(theory.lazy_rendering(images, INSIDE, np.array([1, 2, 3 + g])) - limit)
        .max() for g in gammas
    ])  # fmt: skip
    claims.order(gammas, gaps, order=1, atol=0.02, because="next is γ²", theorem=LAW)


def test_tangent_kernels_of_wide_networks():
    codes = one_hot()[jnp.array([0, 1, SIZE + 1])]

    def kernels(key, init, apply):
        def scaled(p, x):
            return apply(jax.tree.map(lambda k: k * jnp.sqrt(2 / k.shape[0]), p), x)

        return measure.ntk(scaled, init(key), codes)[:, 0, :, 0] * SIZE / 2

    for depth in (1, 3):
        init, apply = nets.pure(
            lambda rngs, d=depth: nets.MLP(
                (2 * SIZE, *[256] * d, 1),
                bias=False,
                kernel_init=jax.nn.initializers.normal(1.0),
                rngs=rngs,
            )
        )
        found = train.sweep(
            lambda key, i=init, a=apply: kernels(key, i, a),
            key=jax.random.split(jax.random.key(0), 20),
        )
        none, one, both = theory.relu_kernel(depth)
        claims.mean(both, found[:, 0, 0], theorem=LAW)
        claims.mean(one, found[:, 0, 1], theorem=LAW)
        claims.mean(none, found[:, 0, 2], theorem=LAW)


def test_deep_kernels_forget_what_is_shared():
    shallow, deep = theory.relu_kernel(1), theory.relu_kernel(2000)
    assert deep[1] / deep[2] < shallow[1] / shallow[2]
    assert abs(deep[1] / deep[2] - 0.25) < 0.01  # the known limit of this recursion


def test_components_by_powers_of_the_adjacency():
    seen = jax.random.bernoulli(jax.random.key(3), 0.15, (8, 6))
    x, y = theory.components(np.asarray(seen))
    blank = jnp.zeros((8, 8)), jnp.zeros((6, 6))
    step = jnp.block([[blank[0], seen], [seen.T, blank[1]]]) + jnp.eye(14)
    reach = jnp.linalg.matrix_power(step, 14) > 0
    assert ((x[:, None] == y) == np.asarray(reach[:8, 8:])).all()


def test_labels_are_small_integers():
    x, y = theory.components(np.eye(3, dtype=bool))
    assert x.tolist() == y.tolist() == [0, 1, 2]


def test_scales_of_components_under_gradient_flow():
    a = jnp.asarray(theory.bumps(5)) * 0.6
    left = jnp.arange(5) < 2
    seen = jnp.where(left[:, None], left, ~left) * jnp.array([1, 1, 1, 1, 0])[:, None]
    T = jnp.einsum("xj,yi->xyij", a, a)

    def loss(p):
        out = jnp.einsum("xj,yi->xyij", p["a"], p["b"])
        return 0.5 * jnp.sum(seen * jnp.sum((out - T) ** 2, (-1, -2)))

    start = {"a": 0.2 + 0.3 * a, "b": jnp.full((5, 5), 0.1)}
    end = flow.gradient_flow(loss, start, jnp.linspace(0.0, 60.0, 2)).state
    for group in ([0, 1], [2, 3]):
        x = np.array(group)
        y = np.array([0, 1] if group[0] == 0 else [2, 3, 4])
        charge = (np.asarray(start["a"])[x] ** 2).sum()
        charge -= (np.asarray(start["b"])[y] ** 2).sum()
        norms = [(np.asarray(a)[v] ** 2).sum() for v in (x, y)]
        scale = theory.component_scale(*norms, charge)
        found = jnp.sum(end["a"][x] * a[x]) / jnp.sum(a[x] ** 2)
        claims.equal(scale, found, rtol=1e-6, because="solver", theorem=LAW)


def test_limits_of_the_scale():
    scale = theory.component_scale
    assert scale(2.0, 2.0) == 1
    assert abs(scale(1.0, 1.0, 1e6) / 1e3 - 1) < 1e-6
    assert abs(scale(1.0, 1.0, -1e6) * 1e3 - 1) < 1e-6
    assert np.allclose(scale(np.ones(2), np.array([1.0, 16.0])), [1, 2])


def test_coverage_by_drawing_and_by_inclusion_and_exclusion():
    draw = jax.random.randint(jax.random.key(4), (4000, 2, 20), 0, 6)
    shown = jnp.sort(draw, -1)
    distinct = 1 + (shown[..., 1:] != shown[..., :-1]).sum(-1)
    claims.mean(theory.coverage(6, 20), (distinct == 6).all(-1) * 1.0, theorem=LAW)
    k = np.arange(7)
    choose = np.array([1, 6, 15, 20, 15, 6, 1])
    other = ((-1.0) ** k * choose * (1 - k / 6) ** 20).sum() ** 2
    assert abs(theory.coverage(6, 20) - other) < 1e-12
    assert theory.coverage(6, 5) == 0
    assert theory.coverage(1, 1) == 1
    assert theory.coverage(30, 10_000) > 1 - 1e-9


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: theory.bumps(1), "size"),
        (lambda: theory.bumps(4, 0.0), "width"),
        (
            lambda: theory.additive_rendering(random_images(), ~(INSIDE | ~INSIDE)),
            "inside",
        ),
        (lambda: theory.superposition_error(np.eye(2), np.ones(2, bool)), "inside"),
        (lambda: theory.additive_floor(np.eye(2), np.zeros(2, bool)), "inside"),
        (lambda: theory.relu_kernel(0), "depth"),
        (
            lambda: theory.lazy_rendering(
                random_images(), INSIDE, np.array([1, 1, 2.0])
            ),
            "kernel",
        ),
        (lambda: theory.components(np.ones((0, 3), bool)), "seen"),
        (lambda: theory.component_scale(0.0, 1.0), "rows"),
        (lambda: theory.component_scale(1.0, np.inf), "columns"),
        (lambda: theory.component_scale(1.0, 1.0, np.nan), "charge"),
        (lambda: theory.coverage(0, 1), "size"),
        (lambda: theory.coverage(2, -1), "samples"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
