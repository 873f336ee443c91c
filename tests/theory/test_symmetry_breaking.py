"""Formulas of the chapter on symmetry breaking against flows and runs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import flow, train
from learndyn.theory import linear_networks
from learndyn.theory import symmetry_breaking as theory

LAW = "symmetry_breaking-test"
KEYS = jax.random.split(jax.random.key(0), 6)


def last(loss, start, optimizer, steps):
    return train.descend(
        lambda p, key: loss(p),
        start,
        optimizer,
        steps=steps,
        every=steps,
        observe=lambda p, state: (),
        key=KEYS[0],
    ).params


def test_the_average_over_a_group_projects_on_its_fixed_space():
    cyclic = np.stack([np.roll(np.eye(4), k, 0) for k in range(4)])
    found = theory.group_average(cyclic)
    assert np.trace(found) == pytest.approx(1)
    claims.equal(
        found,
        jnp.outer(jnp.ones(4), jnp.ones(4)) / 4,
        atol=1e-15,
        because="rounding",
        theorem=LAW,
    )
    assert np.array_equal(theory.group_average(np.eye(3)[None]), np.eye(3))


def test_copies_train_like_the_reduced_network():
    sizes = [1, 3]
    B = theory.merging_basis(sizes)
    x = jax.random.normal(KEYS[1], (30, 2))
    root = jnp.sqrt(jnp.array(sizes, float))[:, None]

    def full(p):
        return jnp.mean((jnp.tanh(x @ p[:, 1:].T) @ p[:, 0] - x[:, 0] ** 2) ** 2)

    def small(q):
        out = jnp.tanh(x @ (q[:, 1:] / root).T) @ (root * q[:, :1])
        return jnp.mean((out[:, 0] - x[:, 0] ** 2) ** 2)

    q = jax.random.normal(KEYS[2], (2, 3))
    large = last(full, jnp.asarray(B) @ q, optax.sgd(0.1), 50)
    claims.equal(
        B @ np.asarray(last(small, q, optax.sgd(0.1), 50)),
        large,
        atol=1e-14,
        because="rounding in 50 steps",
        theorem=LAW,
    )
    assert np.abs(B.T @ B - np.eye(2)).max() < 1e-15
    group = [np.eye(4)[[0, *row]] for row in ([1, 2, 3], [2, 3, 1], [3, 1, 2])]
    assert np.abs(theory.group_average(np.stack(group)) - B @ B.T).max() < 1e-15


def generators(hidden):
    i, j = np.triu_indices(hidden, 1)
    found = np.zeros((len(i), hidden, hidden))
    found[range(len(i)), i, j], found[range(len(i)), j, i] = 0.5**0.5, -(0.5**0.5)
    return found


def moved(w1, w2):
    turns = generators(len(w1))
    both = jnp.concatenate([turns @ w1, (w2 @ turns).swapaxes(1, 2)], 2)
    return jnp.linalg.svd(both.reshape(len(turns), -1), compute_uv=False)


def test_the_action_spectrum_and_the_stabiliser_of_balanced_layers():
    a = np.array([2.0, 0.5, 0.0])
    Q = jnp.linalg.qr(jax.random.normal(KEYS[3], (6, 3)))[0]
    w1 = Q * jnp.sqrt(a)[None]
    found = moved(w1, w1.T)
    predicted = theory.action_spectrum(a, 6)
    claims.equal(predicted, found, atol=1e-14, because="rounding", theorem=LAW)
    assert theory.stabilizer_dimension(6, 2) == int((found < 1e-9).sum())
    assert theory.stabilizer_dimension(6, 6) == 0


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_the_stabiliser_of_unbalanced_layers_depends_on_the_rank(rank):
    w1, w2 = jax.random.normal(KEYS[4], (2, 5, 2))
    U = jnp.linalg.svd(jnp.c_[w1, w2])[0][:, :rank]
    found = moved(U @ (U.T @ w1), (U @ (U.T @ w2)).T)
    dimension = int((found < 1e-9).sum())
    assert theory.stabilizer_dimension(5, rank) == dimension


def test_a_mode_that_is_half_grown_at_the_start_drops_at_once():
    times, _, dimensions = theory.staircase(np.array([1.0, 0.5]), 0.3, 3)
    claims.equal(0.0, jnp.array(times[0]), atol=1e-15, because="exact", theorem="start")
    assert dimensions == [3, 1, 0]


def test_the_staircase_of_a_flow_with_decay():
    s, a0, decay, hidden = np.array([1.0, 3.0, 0.4]), 1e-6, 0.5, 4
    Q = jnp.linalg.qr(jax.random.normal(KEYS[3], (hidden, 3)))[0]

    def loss(p):
        fit = jnp.sum((jnp.diag(s) - p[1] @ p[0]) ** 2) / 2
        return fit + decay / 2 * (jnp.sum(p[0] ** 2) + jnp.sum(p[1] ** 2))

    def observe(p):
        fit = jnp.sum((jnp.diag(s) - p[1] @ p[0]) ** 2) / 2
        return jnp.diagonal(p[1] @ p[0]), fit, moved(p[0], p[1])

    times, losses, dimensions = theory.staircase(s, a0, hidden, decay)
    between = (times[0] + times[1]) / 2
    start = [a0**0.5 * Q, a0**0.5 * Q.T]
    # symmetric halves: before all, the two half-times, between them, the end
    at = np.array([0.0, times[0], between, times[1], 60.0])
    a, fit, turns = flow.gradient_flow(loss, start, jnp.asarray(at), observe=observe)[1]
    half = jnp.stack([a[1, 1] / 2.5, a[3, 0] / 0.5])
    claims.equal(0.5, half, atol=1e-6, because="solver", theorem=LAW)
    claims.equal(
        losses,
        fit[jnp.array([0, 2, 4])],
        rtol=2e-2,
        because="tails of the modes between their drops",
        theorem=LAW,
    )
    found = (turns[jnp.array([0, 2, 4])] < 0.2).sum(1)
    claims.equal(dimensions, found, atol=0.5, because="integers", theorem=LAW)
    first = linear_networks.learning_time(0.5, 2.5, a0)
    assert times[0] == pytest.approx(float(first))
    assert theory.staircase(s, a0, hidden, 5.0)[2] == [6]


def pit(s):  # curvature -0.7 at zero
    return -0.35 * s**2 + s**4 / 4


@pytest.mark.parametrize("eta", [0.02, 0.9])
def test_escape_from_a_saddle(eta):
    steps = 800 if eta < 0.1 else 24
    path = train.descend(
        lambda s, key: pit(s),
        jnp.array(1e-6),
        optax.sgd(eta),
        steps=steps,
        every=1,
        observe=lambda s, state: s,
        key=KEYS[0],
    ).records
    small = path < 1e-2
    predicted = theory.escape_time(1e-6, np.asarray(path), 0.7, eta)
    claims.equal(
        jnp.asarray(predicted)[small],
        (eta * jnp.arange(steps))[small],
        atol=2e-4,
        because="cubic term: s²/(2 · 0.7) in ln s, over 0.7",
        theorem=LAW,
    )


def test_escape_by_a_force_follows_the_linear_recursion():
    eta, kappa, force = 0.5, 0.3, 1e-3
    path = train.descend(
        lambda s, key: -kappa / 2 * s**2 - force * s,
        jnp.array(0.0),
        optax.sgd(eta),
        steps=40,
        every=1,
        observe=lambda s, state: s,
        key=KEYS[0],
    ).records
    claims.equal(
        theory.escape_time(0.0, np.asarray(path), kappa, eta, force),
        eta * jnp.arange(40),
        atol=1e-11,
        because="rounding",
        theorem=LAW,
    )


def test_the_time_of_descent_tends_to_that_of_flow():
    etas = np.array([0.04, 0.02, 0.01])
    flow_time = theory.escape_time(1e-3, 0.1, 0.7)
    descent = theory.escape_time(1e-3, 0.1, 0.7, etas)
    claims.order(
        etas,
        jnp.asarray(descent - flow_time),
        order=1,
        atol=0.02,
        because="ηκ/2, next term smaller by 0.03",
        theorem=LAW,
    )
    assert theory.escape_time(0.2, 0.2, 1.0) == 0
    assert theory.escape_time(0.0, 0.2, 1.0) == np.inf


def trained_with_decay(decay):
    x = jnp.stack([jnp.linspace(-2, 2, 15), jnp.ones(15)], 1)
    y = jnp.tanh(2 * x[:, :1] - 1) + jnp.tanh(x[:, :1])

    def rest(p):
        return jnp.tanh(x @ p[:, 1:].T) @ p[:, :1] - y

    def loss(p):
        return jnp.mean(rest(p) ** 2) / 2 + decay / 2 * jnp.sum(p**2)

    p = last(loss, jax.random.normal(KEYS[5], (6, 3)), optax.adam(0.02), 1000)
    p = last(loss, p, optax.sgd(0.3, momentum=0.95), 5000)
    return p, np.asarray(x), np.asarray(rest(p))


def test_units_of_a_trained_network_sit_on_the_landscape():
    p, x, rest = trained_with_decay(0.02)
    w = np.asarray(p[:, 1:])
    claims.equal(
        theory.best_readout(w, x, rest, 0.02),
        p[:, :1],
        atol=1e-10,
        because="gradient 1e-12 over γ",
        theorem=LAW,
    )
    starts = np.stack(np.meshgrid(np.linspace(0, 3, 7), np.linspace(-3, 3, 9)), -1)
    places = theory.unit_positions(starts.reshape(-1, 2), x, rest, 0.02)
    gap = np.linalg.norm(w[:, None] - np.concatenate([places, -places]), axis=-1)
    assert gap.min(1).max() < 1e-8

    def height(w):
        a = jnp.tanh(x @ w) @ rest[:, 0] / (0.02 * 15)
        return (a**2 - w @ w) / 2

    at = jnp.array([[0.4, -0.3], [1.5, 0.2]])
    claims.equal(
        theory.unit_landscape(np.asarray(at), x, rest, 0.02),
        jax.vmap(height)(at),
        atol=1e-12,
        because="rounding",
        theorem=LAW,
    )
    steep = jax.vmap(jax.grad(height))(jnp.asarray(places))
    assert jnp.abs(steep).max() < 1e-9


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.group_average(np.ones((1, 2, 2))),
        lambda: theory.group_average(np.stack([np.eye(2), 2 * np.eye(2)])),
        lambda: theory.merging_basis([]),
        lambda: theory.merging_basis([2, 0]),
        lambda: theory.stabilizer_dimension(3, 4),
        lambda: theory.action_spectrum(np.array([-1.0]), 2),
        lambda: theory.action_spectrum(np.ones(3), 2),
        lambda: theory.staircase(np.ones(2), 0.0, 3),
        lambda: theory.staircase(np.ones(2), 1e-3, 1),
        lambda: theory.escape_time(0.1, 1.0, 0.0),
        lambda: theory.escape_time(1.0, 0.1, 1.0),
        lambda: theory.escape_time(np.nan, 0.1, 1.0),
        lambda: theory.best_readout(*np.ones((3, 1, 1)), 0.0),
        lambda: theory.unit_positions(*np.ones((3, 1, 1)), -1.0),
    ],
)
def test_bad_input_is_refused_by_name(call):
    with pytest.raises(
        ValueError, match=r"elements|sizes|rank|strengths|s and|rate|start|decay"
    ):
        call()
