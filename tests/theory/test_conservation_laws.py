"""Formulas of the chapter on conservation laws against flows and runs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import flow, measure, nets, tasks, train
from learndyn.theory import conservation_laws as theory

LAW = "conservation_laws-test"
STARTS = jnp.array([[0.3, 1.6], [-1.2, 0.7], [1.5, -0.4], [-0.2, -1.1], [1.0, 1.0]])
TARGETS = jnp.array([1.0, 1.5, -0.7, 0.5, 2.0])


def product_loss(w, y=1.0):
    return 0.5 * (y - w[0] * w[1]) ** 2


def one_flow(w, y, times):
    """Path, and ∫ e² dt beside it."""

    def field(state):
        e = y - state[0] * state[1]
        return jnp.stack([e * state[1], e * state[0], e**2])

    return flow.solve(field, jnp.append(w, 0.0), times).records


@pytest.fixture(scope="module")
def flows():
    """Times and paths of five starts, of shape [start, time, (w₁, w₂, ∫ e²)]."""
    times = jnp.linspace(0.0, 20.0, 41)
    run = jax.jit(jax.vmap(one_flow, (0, 0, None)))
    return times, run(STARTS, TARGETS, times)


def columns():
    return *np.asarray(STARTS.T)[:, :, None], np.asarray(TARGETS)[:, None]


def test_the_path_on_the_hyperbola(flows):
    times, paths = flows
    predicted = theory.hyperbola_flow(*columns(), np.asarray(times))
    claims.equal(
        predicted, paths[..., :2], atol=1e-7, because="solver, 1e-9", theorem=LAW
    )


def test_the_limit_point_of_the_flow(flows):
    predicted = theory.limit_point(*np.asarray(STARTS.T), np.asarray(TARGETS))
    claims.limit(
        predicted, flows[1][:, -1, :2], atol=1e-7, because="solver", theorem=LAW
    )


def test_the_limit_point_and_the_late_path_are_two_routes():
    late = theory.hyperbola_flow(*columns(), 1e3)[:, 0]
    found = theory.limit_point(*np.asarray(STARTS.T), np.asarray(TARGETS))
    assert np.abs(late - found).max() < 1e-12
    assert np.abs(found.prod(-1) - np.asarray(TARGETS)).max() < 1e-12


@pytest.mark.parametrize(
    ("w1", "w2", "y", "end"),
    [(1, -1, 1, (0, 0)), (0, 0, 1, (0, 0)), (1, 1, 0, (0, 0)), (1, 1, -1, (0, 0)),
     (0, -2, 0, (0, -2)), (3, 3, 4, (2, 2)), (-1, 1, -4, (-2, 2)),
     (1e-9, -1e-9, -1, (1, -1)), (1, 1 + 1e-15, 1e-300, (0, 0))],
)  # fmt: skip
def test_limits_of_the_limit_point(w1, w2, y, end):
    assert np.abs(theory.limit_point(w1, w2, y) - end).max() < 1e-7


@pytest.mark.parametrize(("w1", "w2", "y"), [(1, -1, 1), (0, 0, 1), (1, 1, 0)])
def test_the_separatrix_and_the_missing_target_are_handled(w1, w2, y):
    path = theory.hyperbola_flow(w1, w2, y, np.array([0.0, 1.0, 2.0, 1e4]))
    assert np.isfinite(path).all()
    assert np.abs(path[0] - [w1, w2]).max() < 1e-15
    run = one_flow(jnp.array([w1, w2], float), float(y), jnp.array([0.0, 1.0, 2.0]))
    assert np.abs(path[:3] - run[:, :2]).max() < 1e-7


def test_sharpness_is_the_top_eigenvalue_and_the_rate_of_arrival(flows):
    times, paths = flows
    charge = np.asarray(STARTS[:, 1] ** 2 - STARTS[:, 0] ** 2)
    predicted = theory.sharpness(charge, np.asarray(TARGETS))
    hessian = jax.vmap(jax.hessian(product_loss))(paths[:, -1, :2], TARGETS)
    found = jnp.abs(jnp.linalg.eigvalsh(hessian)).max(-1)
    claims.equal(predicted, found, rtol=1e-6, because="solver", theorem=LAW)
    e = jnp.abs(TARGETS[:, None] - paths[:, 6:9, 0] * paths[:, 6:9, 1])
    rate = jnp.log(e[:, 0] / e[:, 2]) / (times[8] - times[6])
    claims.limit(predicted, rate, atol=0.1, because="e^(-St), S t ≥ 5", theorem=LAW)


def test_the_first_order_drift_is_the_integral_along_the_flow(flows):
    paths, (w1, w2, y) = flows[1], columns()
    charge = np.asarray(STARTS[:, 1] ** 2 - STARTS[:, 0] ** 2)[:, None]
    products = theory.hyperbola_flow(w1, w2, y, np.asarray(flows[0])).prod(-1)
    predicted = theory.drift_rate(w1, w2, y, products)
    claims.equal(
        predicted, -charge * paths[..., 2], atol=1e-7, because="solver", theorem=LAW
    )
    total = theory.drift_rate(w1[:, 0], w2[:, 0], y[:, 0])
    assert np.abs(total - predicted[:, -1]).max() < 1e-7
    assert theory.drift_rate(1.0, 1.0, 2.0) == 0


def test_what_the_first_order_leaves_is_of_second_order():
    def run(lr):
        return train.descend(
            lambda w, key: product_loss(w),
            STARTS[0],
            optax.sgd(lr),
            steps=2000,
            every=2000,
            observe=lambda w, s: w,
            key=jax.random.key(0),
        ).params

    etas = 0.1 / 2.0 ** jnp.arange(4)
    ends = train.sweep(run, lr=etas)
    moved = jnp.diff(ends**2)[:, 0] - (1.6**2 - 0.3**2)
    predicted = theory.drift_rate(0.3, 1.6, 1.0) * np.asarray(etas)
    claims.order(
        etas, jnp.abs(moved - predicted), order=2, atol=0.15, because="ηS", theorem=LAW
    )


def test_the_recursion_of_every_quadratic_charge():
    data = tasks.whitened_linear(jax.random.normal(jax.random.key(1), (3, 4)))
    init, apply = nets.pure(lambda rngs: nets.DeepLinear((4, 2, 3), rngs=rngs))

    def matrix(p):
        return measure.balancedness(list(p["W"].values()))[0]

    run = train.descend(
        lambda p, key: tasks.squared_loss(apply(p, data.x), data.y),
        init(jax.random.key(0)),
        optax.sgd(0.2),
        steps=200,
        every=10,
        observe=lambda p, s: matrix(p),
        key=jax.random.key(0),
        total=lambda p, g: matrix(g),
    )
    predicted = theory.discrete_charge(
        np.asarray(run.records[0]), 0.2, np.asarray(run.totals)
    )
    claims.equal(predicted, run.records, atol=2e-14, because="rounding", theorem=LAW)
    assert np.abs(run.records - run.records[:1]).max() > 1e-2


def test_the_falling_cat():
    Z, F = jnp.diag(jnp.array([1.0, -1])), jnp.array([[0.0, 1], [1, 0]])

    def leg(W, X, time):
        return flow.solve(lambda W: -W @ X, W, time * jnp.array([0.0, 1.0])).state

    leg = jax.jit(leg)
    found = []
    for time in (0.1, 0.5, 1.2):
        W = jnp.eye(2)
        for X in (Z, F, -Z, -F):
            W = leg(W, X, time)
        found.append(jnp.arctan2(W[0, 1] - W[1, 0], W[0, 0] + W[1, 1]))
    predicted = theory.holonomy_angle(np.array([0.1, 0.5, 1.2]))
    claims.equal(
        predicted, jnp.stack(found), atol=1e-8, because="solver, 1e-9", theorem=LAW
    )
    assert theory.holonomy_angle(0.0) == 0
    assert abs(theory.holonomy_angle(20.0) - 3 * np.pi / 4) < 1e-12


@pytest.mark.parametrize(
    ("formula", "arguments", "name"),
    [
        (theory.discrete_charge, (1.0, 0.0, 1.0), "eta"),
        (theory.discrete_charge, (1.0, np.nan, 1.0), "eta"),
        (theory.hyperbola_flow, (1.0, np.inf, 1.0, 1.0), "w2"),
        (theory.hyperbola_flow, (1.0, 1.0, 1.0, -1.0), "t "),
        (theory.limit_point, (np.nan, 1.0, 1.0), "w1"),
        (theory.sharpness, (1.0, np.inf), "target"),
        (theory.drift_rate, (0.5, 1.0, 2.0, 3.0), "product"),
        (theory.drift_rate, (0.5, 1.0, np.inf), "target"),
        (theory.holonomy_angle, (-1.0,), "leg"),
    ],
)
def test_bad_input_is_named(formula, arguments, name):
    with pytest.raises(ValueError, match=name):
        formula(*arguments)
