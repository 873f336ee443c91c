"""Flow, descent, momentum and noise: the formulas against what is run."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import solve_ivp

from learndyn import claims
from learndyn.simulation import flow, train
from learndyn.theory import gradient_flow as theory

START = np.array([2.0, -0.6])
THEOREM = "gradient_flow-test"


def gradient(w):
    r = 1 - w[0] * w[1]
    return -r * w[::-1]


def hessian(w):
    cross = 2 * w[0] * w[1] - 1
    return np.array([[w[1] ** 2, cross], [cross, w[0] ** 2]])


def two_weights(w, key=None):
    return 0.5 * (1 - w[0] * w[1]) ** 2


def bowl(theta, key):
    return 0.5 * 2.0 * theta**2


def path(loss, start, eta, steps, beta=0.0):
    return train.descend(
        loss,
        start,
        optax.sgd(eta, momentum=beta),
        steps=steps,
        every=1,
        observe=lambda params, state: params,
        key=jax.random.key(0),
    ).records


def test_rate_of_descent_is_exact():
    t = 0.1 * np.arange(50)
    claims.equal(
        np.exp(-theory.descent_rate(2.0, 0.1) * t),
        path(bowl, jnp.array(1.0), 0.1, 50),
        rtol=1e-13,
        because="rounding",
        theorem=THEOREM,
    )


def test_rate_of_descent_has_the_rate_of_the_flow_as_limit():
    etas = np.array([0.1, 0.05, 0.025])
    rates = [theory.descent_rate(2.0, eta) for eta in etas]
    claims.order(
        etas,
        np.array(rates) - 2,
        order=1,
        atol=0.1,
        because="series",
        theorem=THEOREM,
    )
    assert theory.descent_rate(2.0, 0.0) == 2.0
    assert theory.descent_rate(0.0, 0.3) == 0.0


def test_plain_flow_agrees_with_diffrax():
    times = np.linspace(0, 2, 5)
    run = flow.gradient_flow(two_weights, jnp.asarray(START), jnp.asarray(times))
    predicted = theory.modified_flow(gradient, hessian, START, times, eta=0.0)
    claims.equal(
        predicted, run.records, rtol=1e-8, because="solver's rtol", theorem=THEOREM
    )


@pytest.mark.parametrize(("modified", "order"), [(False, 1), (True, 2)])
def test_order_of_flow_and_modified_flow(modified, order):
    etas, errors = np.array([0.04, 0.02, 0.01]), []
    for eta in etas:
        found = path(two_weights, jnp.asarray(START), eta, round(1 / eta) + 1)[-1]
        predicted = theory.modified_flow(
            gradient, hessian, START, np.array([0.0, 1.0]), eta=eta * modified
        )
        errors.append(jnp.linalg.norm(found - predicted[-1]))
    claims.order(
        etas,
        errors,
        order=order,
        atol=0.15,
        because="next term of the expansion",
        theorem=THEOREM,
    )


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_inertial_flow_follows_heavy_ball(beta):
    etas, errors = np.array([0.008, 0.004, 0.002]), []
    for eta in etas:
        steps = round(1 / eta)
        found = path(two_weights, jnp.asarray(START), eta, steps + 1, beta)[-1]
        predicted = theory.inertial_flow(
            gradient, START, np.array([0.0, 1.0]), eta=eta, beta=beta
        )
        errors.append(float(jnp.linalg.norm(found - predicted[-1])))
    assert max(errors) < 3e-3
    assert errors[-1] < errors[0] / 8 or beta == 0.9


def test_inertial_flow_of_a_bowl_is_the_oscillator():
    times = np.linspace(0, 3, 7)
    gamma, omega = theory.oscillator_constants(2.0, 0.1, 0.8)
    claims.equal(
        theory.damped_oscillator(gamma, omega, times, 1.0, -2 / 1.8),
        theory.inertial_flow(lambda w: 2 * w, np.ones(1), times, eta=0.1, beta=0.8)[
            :, 0
        ],
        rtol=1e-8,
        because="solver's rtol",
        theorem=THEOREM,
    )


@pytest.mark.parametrize("beta", [0.4, 0.752, 0.95])  # over, nearly critical, under
def test_oscillator_follows_heavy_ball_in_each_regime(beta):
    eta, steps = 0.01, 120
    gamma, omega = theory.oscillator_constants(2.0, eta, beta)
    predicted = theory.damped_oscillator(
        gamma, omega, eta * np.arange(steps), 1.0, -2 / (1 + beta)
    )
    claims.equal(
        predicted,
        path(bowl, jnp.array(1.0), eta, steps, beta),
        atol=2e-3,
        because="a tenth of ηh",
        theorem=THEOREM,
    )


@pytest.mark.parametrize("omega", [0.0, 0.3, 0.9999999, 1.0, 1.0000001, 4.0])
def test_oscillator_solves_its_equation(omega):
    times = np.linspace(0, 4, 9)
    exact = solve_ivp(
        lambda t, s: [s[1], -(omega**2) * s[0] - 2 * s[1]],
        (0, 4),
        [0.7, -0.4],
        "DOP853",
        times,
        rtol=1e-12,
        atol=1e-14,
    ).y[0]
    found = theory.damped_oscillator(1.0, omega, times, 0.7, -0.4)
    np.testing.assert_allclose(found, exact, atol=1e-10)


def test_oscillator_neither_overflows_nor_loses_the_slow_mode():
    far = theory.damped_oscillator(1e6, 1.0, 1e5, 1.0, 0.0)
    np.testing.assert_allclose(far, np.exp(-0.05), rtol=1e-9)
    assert theory.damped_oscillator(1.0, 0.0, 1e9, 1.0, 0.0) == 1.0
    assert theory.damped_oscillator(0.0, 0.0, 2.0, 1.0, 3.0) == 7.0
    around = theory.damped_oscillator(1.0, 1 + np.array([-1e-9, 0, 1e-9]), 3.0, 1.0, 0)
    np.testing.assert_allclose(around, 4 * np.exp(-3), rtol=1e-8)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_thresholds_are_where_heavy_ball_changes(beta):
    starts, diverges = theory.curvature_thresholds(0.2, beta)

    def run(h):
        return path(lambda x, k: 0.5 * h * x**2, jnp.array(1.0), 0.2, 400, beta)

    tested = jnp.array([0.9 * starts, 1.1 * starts, 0.98 * diverges, 1.02 * diverges])
    runs = train.sweep(run, h=tested)
    swings = (jnp.sign(runs[:, 1:]) * jnp.sign(runs[:, :-1]) < 0).any(1)
    assert swings.tolist() == [False, True, True, True]
    assert (jnp.abs(runs[:, -1]) < 1).tolist() == [True, True, True, False]


def test_thresholds_bound_the_roots():
    for beta in (0.0, 0.3, 0.9):
        for h, radius in zip(
            theory.curvature_thresholds(0.2, beta), (np.sqrt(beta), 1.0), strict=True
        ):
            roots = np.roots([1, -(1 + beta - 0.2 * h), beta])
            np.testing.assert_allclose(np.abs(roots).max(), radius, atol=1e-7)


@pytest.mark.parametrize("beta", [0.0, 0.8])
def test_variance_of_sgd(beta):
    def noisy(theta, key):
        return 0.5 * 2.0 * theta**2 + theta * jax.random.normal(key)

    def run(key):
        return train.descend(
            noisy,
            jnp.array(0.0),
            optax.sgd(0.3, momentum=beta),
            steps=60,
            every=60,
            observe=lambda params, state: params,
            key=key,
        ).params

    ends = train.sweep(run, key=jax.random.split(jax.random.key(1), 4000))
    claims.mean(
        theory.stationary_variance(2.0, 0.3, 1.0, beta), ends**2, theorem=THEOREM
    )


def test_variance_by_summing_the_response():
    """Two routes: the variance is the sum of squares of the impulse response."""
    h, eta, beta = 1.3, 0.4, 0.6
    kicked = path(lambda x, k: 0.5 * h * x**2 - 0.0 * x, jnp.array(1.0), eta, 3, beta)
    response = [0.0, -eta]
    for _ in range(400):
        response.append((1 + beta - eta * h) * response[-1] - beta * response[-2])
    assert kicked.shape == (3,)
    np.testing.assert_allclose(
        theory.stationary_variance(h, eta, 1.0, beta), np.sum(np.square(response))
    )


def test_variance_tends_to_that_of_the_diffusion():
    etas = np.array([0.1, 0.05, 0.025])
    excess = [
        theory.stationary_variance(1.0, eta, 2.0, 0.5) / (eta * 2.0) - 1 for eta in etas
    ]
    claims.order(
        etas, excess, order=1, atol=0.05, because="a/(2(1+β))", theorem=THEOREM
    )


@pytest.mark.parametrize("product", [2.1, 2.4])
def test_edge_orbit_attracts(product):
    eta, c = 0.1, 0.2
    y, mean = theory.edge_orbit(product / eta, c, eta)
    run = path(
        lambda p, k: 0.5 * p[1] * p[0] ** 2 + 0.5 * c * (product / eta - p[1]) ** 2,
        jnp.array([0.3 * mean**0.5, 0.95 * y]),
        eta,
        6000,
    )
    claims.limit(y, run[-1, 1], atol=1e-6 * y, because="t → ∞", theorem=THEOREM)
    claims.limit(mean, run[-1, 0] ** 2, atol=1e-4, because="t → ∞", theorem=THEOREM)


def test_below_the_edge_nothing_oscillates():
    assert theory.edge_orbit(19.0, 0.2, 0.1) == (19.0, 0.0)
    assert theory.edge_orbit(20.0, 0.2, 0.1) == (20.0, 0.0)


SPAN = np.array([0.0, 1.0])
BAD = [
    (lambda: theory.descent_rate(10.0, 0.1), "h"),
    (lambda: theory.descent_rate(-1.0, 0.1), "h"),
    (lambda: theory.descent_rate(1.0, -0.1), "eta"),
    (
        lambda: theory.modified_flow(gradient, hessian, START, np.zeros(2), eta=0),
        "times",
    ),
    (lambda: theory.modified_flow(gradient, hessian, START, SPAN, eta=-1), "eta"),
    (lambda: theory.inertial_flow(gradient, START, SPAN, eta=0, beta=0), "eta"),
    (lambda: theory.inertial_flow(gradient, START, SPAN, eta=1, beta=1), "beta"),
    (lambda: theory.oscillator_constants(-1.0, 0.1, 0.9), "h"),
    (lambda: theory.damped_oscillator(-1.0, 1.0, 1.0, 1.0, 0.0), "gamma"),
    (lambda: theory.damped_oscillator(1.0, 1.0, -1.0, 1.0, 0.0), "t"),
    (lambda: theory.curvature_thresholds(0.1, 1.0), "beta"),
    (lambda: theory.stationary_variance(20.0, 0.1, 1.0), "h"),
    (lambda: theory.stationary_variance(1.0, 0.1, -1.0), "noise"),
    (lambda: theory.edge_orbit(1.0, 0.0, 0.1), "c"),
    (lambda: theory.edge_orbit(1.0, 0.1, np.nan), "eta"),
]


@pytest.mark.parametrize(("call", "name"), BAD)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name}\\b"):
        call()
