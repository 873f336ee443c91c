"""Formulas of the chapter on lazy and rich training against networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import erf

from learndyn import claims
from learndyn.simulation import flow, measure
from learndyn.theory import lazy_and_rich as theory

LAW = "lazy_and_rich-test"
KEY = jax.random.key(5)
PROBES = jnp.array([[1.0, 1, 1], [1, -1, 0.5], [-1, 0, 2.0]])
X = jax.random.normal(KEY, (4, 7))
Y = jnp.array([1.0, -0.5, 0.3, 0.8])
SCALES = np.array([0.03, 0.3, 3.0])


def network(p, x, unit):
    hidden = unit(x @ p["w"].T / jnp.sqrt(x.shape[1]))
    return hidden @ p["a"][:, None] / jnp.sqrt(len(p["a"]))


def kernels(unit, width=4, seeds=4000):
    def one(key):
        first, second = jax.random.split(key)
        p = {
            "w": jax.random.normal(first, (width, 3)),
            "a": jax.random.normal(second, (width,)),
        }
        return measure.ntk(lambda p, x: network(p, x, unit), p, PROBES)[:, 0, :, 0]

    return jax.jit(jax.vmap(one))(jax.random.split(KEY, seeds))


@pytest.fixture(scope="module")
def relu_kernels():
    return kernels(jax.nn.relu)


def test_the_mean_kernel_of_relu_at_width_four(relu_kernels):
    probes = np.asarray(PROBES)
    claims.mean(theory.limit_kernel(probes, probes), relu_kernels, theorem=LAW)


def test_the_mean_kernel_of_erf_at_width_four():
    probes = np.asarray(PROBES)
    mean = theory.limit_kernel(probes, probes, "erf")
    claims.mean(mean, kernels(erf), theorem=LAW)


def test_the_variance_of_the_kernel(relu_kernels):
    probes = np.asarray(PROBES)
    mean = theory.limit_kernel(probes, probes)
    squares = 4 * (relu_kernels - mean[None]) ** 2
    claims.mean(theory.kernel_variance(probes, probes), squares, theorem=LAW)


def test_limits_of_the_kernels():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert np.allclose(np.diag(theory.limit_kernel(x, x)), [12.5, 0])
    assert np.allclose(np.diag(theory.kernel_variance(x, x)), [3 * 12.5**2, 0])
    assert abs(theory.limit_kernel(x[:1], -x[:1])[0, 0]) < 1e-12  # opposite points
    tiny = 1e-5 * x[:1]  # erf is linear there: K = 2 x²/d (2/√π)²
    linear = 8 / np.pi * np.mean(tiny**2)
    assert np.isclose(theory.limit_kernel(tiny, tiny, "erf")[0, 0], linear)


def test_the_linear_model_is_followed_exactly():
    features = jnp.array([[1.0, 2, 0], [0, 1, 1]])
    target, start = jnp.array([1.0, -1]), jnp.array([0.5, -0.2, 0.1])
    times = jnp.linspace(0, 3, 7)
    run = flow.gradient_flow(
        lambda w: 0.5 * jnp.mean((features @ w - target) ** 2),
        start,
        times,
        observe=lambda w: (features @ w, jnp.linalg.norm(w - start)),
    )
    gram, first = np.asarray(features @ features.T), np.asarray(features @ start)
    predicted = theory.kernel_flow(gram, first, np.asarray(target), np.asarray(times))
    claims.equal(predicted, run.records[0], atol=1e-8, because="solver", theorem=LAW)


def test_the_bound_of_the_motion_holds_and_is_sharp():
    """One weight of slope s: the bound is attained to first order in t s² → 0."""
    times = jnp.array([0.0, 1.0, 2.0])

    def moved(slope):
        return flow.gradient_flow(
            lambda w: 0.5 * (slope * w - 1) ** 2, jnp.array(0.0), times
        ).records

    bound = theory.motion_bound(np.ones(1), np.asarray(times), 1.0)
    slopes = jnp.linspace(0.1, 3, 30)
    reach = jax.vmap(moved)(slopes)
    claims.bound(None, reach, bound, theorem=LAW)
    assert 0.89 < float(reach[:, 2].max()) / bound[2] < 0.91  # (1-e^-z²)/(z/√2)


@pytest.fixture(scope="module")
def diagonal():
    """End points of three networks, trained in the dual variable and in u, v."""

    def run(alpha):
        def field(p):
            u, v, _ = p
            g = X.T @ (X @ (u**2 - v**2) - Y) / len(Y)
            return -2 * u * g, 2 * v * g, -g

        start = alpha * jnp.ones(7), alpha * jnp.ones(7), jnp.zeros(7)
        times = jnp.linspace(0, 1, 5) * 1200 / (1 + alpha**2)
        u, v, s = flow.solve(field, start, times, rtol=1e-8, atol=1e-10).records
        return u**2 - v**2, s

    return jax.jit(jax.vmap(run))(jnp.asarray(SCALES))


def test_the_path_is_a_mirror(diagonal):
    beta, pushed = diagonal
    predicted = theory.mirror_point(np.asarray(pushed), SCALES[:, None, None])
    claims.equal(predicted, beta, atol=1e-6, because="solver", theorem=LAW)


def test_the_end_is_the_minimiser(diagonal):
    ends = [theory.minimiser(np.asarray(X), np.asarray(Y), a) for a in SCALES]
    claims.limit(
        np.array(ends), diagonal[0][:, -1], atol=1e-6, because="solver", theorem=LAW
    )


def test_the_end_has_the_least_penalty(diagonal):
    null = np.linalg.svd(np.asarray(X))[2][4:]
    for alpha, end in zip(SCALES, np.asarray(diagonal[0][:, -1]), strict=True):
        others = end + 0.1 * np.random.default_rng(0).normal(size=(50, 3)) @ null
        assert (theory.penalty(others, alpha) > theory.penalty(end, alpha)).all()


def test_the_penalty_is_the_integral_of_the_mirror():
    z = np.linspace(0, 5, 20001)
    slope = np.arcsinh(z / 2)
    area = np.trapezoid(slope, z)
    assert np.isclose(theory.penalty(np.array([-5 * 0.3**2]), 0.3), area, rtol=1e-7)


def test_limits_of_the_penalty():
    assert np.isclose(theory.penalty(np.array([1e-6]), 1.0), 0.25e-12, rtol=1e-9)
    big = 1e12
    assert np.isclose(theory.penalty(np.array([big]), 1.0), big * (np.log(big) - 1))


def test_the_order_of_the_lazy_limit():
    x, y, scales = np.asarray(X), np.asarray(Y), np.array([4.0, 8, 16])
    lazy = theory.minimiser(x, y, np.inf)
    gaps = [np.linalg.norm(theory.minimiser(x, y, a) - lazy) for a in scales]
    claims.order(scales, gaps, order=-4, atol=0.02, because="next order", theorem=LAW)


def test_the_exponent_of_the_sparse_limit():
    x, y, scales = np.asarray(X), np.asarray(Y), 10.0 ** np.array([-5.5, -5, -4.5])
    sparse, exponent = theory.sparse_limit(x, y)
    assert np.allclose(x @ sparse, y)
    assert np.sum(np.abs(sparse) > 1e-9) <= 4
    gaps = [np.linalg.norm(theory.minimiser(x, y, a) - sparse) for a in scales]
    claims.order(
        scales, gaps, order=exponent, atol=0.03, because="next order", theorem=LAW
    )


def test_no_unique_sparse_answer_has_exponent_zero():
    twice = np.array([[1.0, 1.0, 0.5]])
    assert theory.sparse_limit(twice, np.ones(1))[1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: theory.limit_kernel(np.eye(3), np.eye(3), "tanh"), "activation"),
        (
            lambda: theory.kernel_flow(-np.eye(1), np.ones(1), np.ones(1), np.ones(1)),
            "kernel",
        ),
        (
            lambda: theory.kernel_flow(np.eye(1), np.ones(1), np.ones(1), -np.ones(1)),
            "times",
        ),
        (lambda: theory.motion_bound(np.ones(2), 1.0, 0.0), "alpha"),
        (lambda: theory.motion_bound(np.ones(2), -1.0, 1.0), "times"),
        (lambda: theory.mirror_point(1.0, -1.0), "alpha"),
        (lambda: theory.penalty(np.ones(2), np.nan), "alpha"),
        (lambda: theory.minimiser(np.ones((2, 3)), np.ones(2), 1.0), "x"),
        (lambda: theory.minimiser(np.ones((1, 3)), np.ones(1), 0.0), "alpha"),
        (lambda: theory.sparse_limit(np.asarray(X), np.zeros(4)), "y"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
