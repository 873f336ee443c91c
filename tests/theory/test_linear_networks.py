"""The formulas of linear networks against gradient flow and descent."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import integrate

from learndyn import claims
from learndyn.simulation import flow, measure, nets, tasks, train
from learndyn.theory import linear_networks as theory

KEYS = jax.random.split(jax.random.key(7), 6)
S = np.array([2.0, 1.0, 0.5])
# One shape for all two-layer runs, so that the flow is compiled once.
INPUTS, HIDDEN, OUTPUTS, SAVES = 4, 3, 3, 61


def frame(key, rows, columns=3):
    return jnp.linalg.qr(jax.random.normal(key, (rows, columns)))[0]


V, R, U = map(frame, KEYS[:3], (INPUTS, HIDDEN, OUTPUTS))
APPLY = nets.pure(lambda rngs: nets.DeepLinear((INPUTS, HIDDEN, OUTPUTS), rngs=rngs))[1]


@jax.jit
def follow(task, params, times):
    data = tasks.whitened_linear(task)

    def loss(params):
        return tasks.squared_loss(APPLY(params, data.x), data.y)

    def look(params):
        return params["W"][0], params["W"][1], loss(params)

    return flow.gradient_flow(
        loss, params, times, observe=look, rtol=1e-9, atol=1e-13
    ).records


def task(s):
    return U @ jnp.diag(jnp.asarray(s)) @ V.T


def start(first, second, inner=R):
    return {"W": {0: inner @ jnp.diag(first) @ V.T, 1: U @ jnp.diag(second) @ inner.T}}


def balanced(balance, key):
    """λ-balanced weights that are not aligned with the task."""
    left, middle, right = (
        frame(k, n) for k, n in zip(jax.random.split(key, 3), (4, 3, 3), strict=True)
    )
    root = jnp.sqrt(balance**2 + 4 * jnp.array([0.4, 0.3, 0.2]) ** 2)
    first, second = jnp.sqrt((root - balance) / 2), jnp.sqrt((root + balance) / 2)
    return {
        "W": {
            0: middle @ jnp.diag(first) @ left.T,
            1: right @ jnp.diag(second) @ middle.T,
        }
    }


def kernels(weights):
    q = jnp.concatenate([jnp.swapaxes(weights[0], 1, 2), weights[1]], 1)
    return q, q @ jnp.swapaxes(q, 1, 2)


def modes(weights):
    return jnp.einsum("oa,toi,ia->ta", U, weights[1] @ weights[0], V)


def test_modes_and_loss_follow_the_sigmoid():
    a0 = np.array([1e-3, 1e-2, 1e-2])
    times = jnp.linspace(0, 12, SAVES)
    *weights, loss = follow(task(S), start(jnp.sqrt(a0), jnp.sqrt(a0)), times)
    predicted = theory.mode_strength(np.asarray(times)[:, None], S, a0)
    options = {"because": "solver", "theorem": "linear_networks-modes"}
    claims.equal(predicted, modes(weights), atol=1e-7, **options)
    claims.equal(theory.mode_loss(predicted, S), loss, atol=1e-7, **options)
    claims.differ(  # unbalanced: no plateau
        "equal",
        predicted,
        modes(follow(task(S), start(jnp.asarray(a0), jnp.ones(3)), times)),
        theorem="linear_networks-modes",
    )


def test_a_mode_is_half_learned_at_its_half_time():
    halves, name = theory.learning_time(0.5, S, 1e-3), "linear_networks-modes"
    times = jnp.concatenate([jnp.zeros(1), jnp.linspace(1, 4, SAVES - 1)])
    params = start(jnp.full(3, 1e-3**0.5), jnp.full(3, 1e-3**0.5))
    curve = modes(follow(task(S), params, times))[1:, 0]
    measured = jnp.interp(0.0, jnp.log(curve / (S[0] - curve)), times[1:])
    claims.equal(halves[0], measured, atol=1e-7, because="solver", theorem=name)


@pytest.mark.parametrize("depth", [1, 3])
def test_depth_law_against_a_chain_of_numbers(depth):
    times = jnp.linspace(0, 1.5 * theory.learning_time(0.5, 1.3, 0.01, depth), SAVES)

    def loss(w):
        return 0.5 * (1.3 - jnp.prod(w)) ** 2

    run = flow.gradient_flow(
        loss, jnp.full(depth, 0.01 ** (1 / depth)), times, observe=jnp.prod
    )
    predicted = theory.mode_strength(np.asarray(times), 1.3, 0.01, depth)
    claims.equal(
        predicted,
        run.records,
        atol=1e-7,
        because="solver",
        theorem="linear_networks-depth",
    )


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
@pytest.mark.parametrize("part", [0.02, 0.5, 1 - 1e-9])
def test_learning_time_is_the_integral(depth, part):
    s, a0 = 0.7, 1e-3

    def slowness(odds):  # the integral in the log-odds of a / s
        return (s / (1 + np.exp(-odds))) ** (2 / depth - 1) / (depth * s)

    ends = np.log(a0 / (s - a0)), np.log(part / (1 - part))
    expected = integrate.quad(slowness, *ends, epsabs=0, epsrel=1e-11)[0]
    assert theory.learning_time(part, s, a0, depth) == pytest.approx(expected, 1e-9)


def test_limits_of_a_mode():
    late = np.array([0.0, 1.0, 1e3, 1e6])
    forgotten = theory.mode_strength(late, 0.0, 0.5)
    np.testing.assert_allclose(forgotten, 0.5 / (1 + late), rtol=1e-14)
    assert theory.mode_strength(1e6, 1.0, 0.0) == 0
    assert theory.mode_strength(1e6, 1.0, 1e-8) == 1
    assert theory.mode_strength(1e6, 1.0, 1e-3, 5) == pytest.approx(1, abs=1e-12)
    # the wait at vanishing start: a logarithm, and powers
    assert theory.learning_time(0.5, 2.0, 1e-9) == pytest.approx(np.log(2e9) / 4)
    for depth in (3, 4, 6):
        wait = 1e-9 ** (2 / depth - 1) / (depth - 2) / 2.0
        assert theory.learning_time(0.5, 2.0, 1e-9, depth) == pytest.approx(wait, 5e-3)


@pytest.mark.parametrize("balance", [0.0, 0.7, -0.7])
@pytest.mark.parametrize("s", [(2.0, 1.0, 0.5), (2.0, 2.0, 0.0)])
def test_riccati_flow(balance, s):
    times = jnp.concatenate([jnp.zeros(1), jnp.geomspace(0.1, 300, SAVES - 1)])
    q, measured = kernels(follow(task(s), balanced(balance, KEYS[3]), times))
    F = theory.task_matrix(np.asarray(task(s)), balance)
    predicted = theory.riccati_flow(F, np.asarray(q[0]), np.asarray(times))
    options = {"because": "solver", "theorem": "linear_networks-riccati"}
    claims.equal(predicted, measured, atol=3e-8, **options)
    if balance:
        wrong = theory.task_matrix(np.asarray(task(s)), -balance)
        predicted = theory.riccati_flow(wrong, np.asarray(q[0]), np.asarray(times))
        claims.differ("equal", predicted, measured, theorem="linear_networks-riccati")


def test_riccati_flow_in_one_piece_and_in_many():
    F = theory.task_matrix(np.diag([2.0, 0.5]), 0.3)
    q0 = np.arange(8.0).reshape(4, 2) / 5
    rates, basis = np.linalg.eigh(F)
    whole = (basis * np.exp(rates)) @ basis.T @ q0
    inner = (basis * ((np.exp(2 * rates) - 1) / (2 * rates))) @ basis.T
    expected = whole @ np.linalg.inv(np.eye(2) + q0.T @ inner @ q0) @ whole.T
    found = theory.riccati_flow(F, q0, np.array([1.0, 1.0, 500.0]))
    np.testing.assert_allclose(found[0], expected, atol=1e-13)
    np.testing.assert_allclose(found[1], expected, atol=1e-13)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(
        F @ found[2] + found[2] @ F, found[2] @ found[2], atol=1e-10
    )


def test_small_random_starts_align_one_mode_after_the_other():
    s = np.array([4.0, 2.0, 1.0])
    unit = [
        jax.random.normal(key, shape) / 2
        for key, shape in zip(KEYS[4:], ((3, 4), (3, 3)), strict=True)
    ]
    times, scales, errors = jnp.linspace(0, 16, SAVES), [1e-5, 1e-4, 1e-3], []
    for scale in scales:
        w1, w2 = (scale * w for w in unit)
        curves = modes(follow(task(s), {"W": {0: w1, 1: w2}}, times))
        a0 = theory.effective_start(np.asarray(w1), np.asarray(w2), np.asarray(task(s)))
        law = theory.mode_strength(np.asarray(times)[:, None], s, a0)
        half, mode = np.argmin(np.abs(law / s - 0.5), 0)[:2], np.arange(2)
        a, b = curves[half, mode] / s[:2], law[half, mode] / s[:2]
        errors.append(jnp.abs(jnp.log(a / (1 - a)) - np.log(b / (1 - b))).max())
    claims.equal(
        0.0,
        errors[0],
        atol=1e-4,
        because="ε to the power 1, times ten",
        theorem="linear_networks-random_start",
    )
    claims.order(
        scales,
        errors,
        order=1,
        atol=0.1,
        because="the mean of terms ε and ε² ln ε",
        theorem="linear_networks-random_start",
    )


def test_final_kernel_of_one_output():
    beta = jax.random.normal(KEYS[5], (4,))
    init, apply = nets.pure(lambda rngs: nets.DeepLinear((4, 6, 1), rngs=rngs))
    data = tasks.whitened_linear(beta[None])

    @jax.jit
    def last(params, times):
        run = flow.gradient_flow(
            lambda params: tasks.squared_loss(apply(params, data.x), data.y),
            params,
            times,
        )
        return measure.ntk(apply, run.state, jnp.eye(4))[:, 0, :, 0]

    params = jax.tree.map(lambda w: 1e-4 * w, init(KEYS[5]))
    kernel = last(params, jnp.array([0.0, 30.0]))
    claims.limit(
        theory.final_kernel(np.asarray(beta)),
        kernel,
        atol=1e-6,
        because="orthogonal weights stay at ε²",
        theorem="linear_networks-alignment",
    )
    assert not theory.final_kernel(np.zeros(3)).any()


def descend(params, lr):
    data = tasks.whitened_linear(task(S))
    return train.descend(
        lambda params, key: tasks.squared_loss(APPLY(params, data.x), data.y),
        params,
        optax.sgd(lr),
        steps=450,
        every=50,
        observe=lambda p, _: measure.balancedness([p["W"][0], p["W"][1]])[0],
        key=KEYS[0],
    ).records


def test_descent_breaks_balance_at_the_predicted_rate():
    params, lrs = balanced(0.7, KEYS[3]), jnp.array([0.02, 0.01, 0.005])
    charges = train.sweep(lambda lr: descend(params, lr), lr=lrs)
    trace = jnp.trace(charges, axis1=-2, axis2=-1)
    drift = (trace[jnp.arange(3), jnp.array([1, 2, 4])] - trace[:, 0]) / lrs
    q0 = np.concatenate([np.asarray(params["W"][0]).T, np.asarray(params["W"][1])])
    times, sigma = np.linspace(0, 1, 201), np.asarray(task(S))
    history = theory.riccati_flow(theory.task_matrix(sigma, 0.7), q0, times)
    predicted = np.trapezoid(theory.balance_rate(history, sigma), times)
    left, best = jnp.abs(drift - predicted), 2 * drift[2] - drift[1]
    name = "linear_networks-balance"
    claims.equal(predicted, best, rtol=1e-3, because="η² = 2.5e-5", theorem=name)
    claims.order(lrs, left, order=1, atol=0.05, because="next order", theorem=name)


F2, ONES, ONE = np.eye(2), np.ones((2, 1)), np.ones(1)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: theory.mode_strength(-1.0, 1.0, 0.1), "t must"),
        (lambda: theory.mode_strength(1.0, np.nan, 0.1), "s must"),
        (lambda: theory.mode_strength(1.0, 1.0, -0.1), "a0 must"),
        (lambda: theory.mode_strength(1.0, 1.0, 0.0, 3), "a0 in"),
        (lambda: theory.mode_strength(1.0, 1.0, 2.0, 3), "a0 in"),
        (lambda: theory.learning_time(1.0, 1.0, 0.1), "part must"),
        (lambda: theory.learning_time(0.5, 1.0, 1.0), "a0 in"),
        (lambda: theory.learning_time(0.5, 1.0, 0.1, 0), "depth=0"),
        (lambda: theory.task_matrix(np.array([[np.inf]])), "sigma must"),
        (lambda: theory.riccati_flow(np.ones((2, 3)), ONES, ONE), "F must"),
        (lambda: theory.riccati_flow(np.triu(np.ones((2, 2))), ONES, ONE), "F must"),
        (lambda: theory.riccati_flow(F2, np.ones((3, 1)), ONE), "q0 must"),
        (lambda: theory.riccati_flow(F2, ONES, np.array([2.0, 1.0])), "times must"),
        (lambda: theory.riccati_flow(F2, ONES, -ONE), "times must"),
        (lambda: theory.effective_start(F2, F2, F2), "distinct"),
        (
            lambda: theory.effective_start(ONES.T, ONES, np.diag([2.0, 1.0])),
            "h at most",
        ),
        (lambda: theory.final_kernel(np.array([np.nan])), "beta must"),
        (lambda: theory.balance_rate(np.full((2, 2), np.nan), np.eye(1)), "kernels"),
    ],
)
def test_bad_input_names_the_argument(call, word):
    with pytest.raises(ValueError, match=word):
        call()
