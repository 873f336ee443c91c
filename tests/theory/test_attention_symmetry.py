"""Rotations, angular momentum and rays against heads and optimizers that run."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import flow, optimizers, train
from learndyn.theory import attention_symmetry as theory
from learndyn.theory.loss_symmetries import torque

D, C, T = 3, 5, 6
KEYS = jax.random.split(jax.random.key(0), 8)
SHAPES = {"query": (D, C), "key": (D, C), "value": (D, C), "output": (2, D)}
HEAD = {
    name: jax.random.normal(jax.random.fold_in(KEYS[0], i), shape)
    for i, (name, shape) in enumerate(SHAPES.items())
}
X = jax.random.normal(KEYS[1], (8, T, C))
Y = jax.random.normal(KEYS[2], (8, T, 2))
BIASES = np.asarray(jax.random.normal(KEYS[3], (3, D)))
BIASES_LAW, LAW, RAY_LAW = (
    {"because": "rounding", "theorem": f"attention_symmetry-{name}"}
    for name in ("biases", "law", "ray_law")
)


def attention(head, x, biases):
    """The causal head as it is usually written, all three biases literally."""
    q, k, v = (
        x @ head[name].T + bias[None]
        for name, bias in zip(("query", "key", "value"), biases, strict=True)
    )
    scores = jnp.where(jnp.tri(len(x), dtype=bool), q @ k.T / D**0.5, -jnp.inf)
    return jax.nn.softmax(scores) @ v @ head["output"].T


def loss(head, biases):
    out = jax.vmap(attention, (None, 0, None))(head, X, biases)
    return 0.5 * jnp.mean(jnp.sum((out - Y) ** 2, (1, 2)))


def test_head_output_is_that_of_the_literal_head():
    head = jax.tree.map(np.asarray, HEAD)
    claims.equal(
        theory.head_output(head, np.asarray(X[0]), *BIASES),
        attention(HEAD, X[0], jnp.asarray(BIASES)),
        rtol=1e-14,
        **BIASES_LAW,
    )
    plain = theory.head_output(head, np.asarray(X[0]))
    claims.equal(
        plain,
        attention(HEAD, X[0], jnp.zeros((3, D))),
        rtol=1e-14,
        **BIASES_LAW,
    )


def test_rotate_head_keeps_the_loss_and_moves_the_biases():
    turns = tuple(np.asarray(jax.random.normal(KEYS[4], (2, D, D))))
    moved = theory.rotate_head(jax.tree.map(np.asarray, HEAD), turns)
    for biases, own in ((0 * BIASES, 0 * BIASES), (BIASES, None)):
        if own is None:  # a head in new bases with the biases in the new bases
            own = np.stack([turns[0] @ biases[0], 0 * biases[1], turns[1] @ biases[2]])
        claims.equal(
            np.asarray(loss(HEAD, jnp.asarray(biases))),
            loss(jax.tree.map(jnp.asarray, moved), jnp.asarray(own)),
            rtol=1e-12,
            because="rounding, conditioning of the bases",
            theorem="attention_symmetry-rotations",
        )
    np.testing.assert_allclose(moved["query"], turns[0] @ HEAD["query"])


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_flat_rotations_are_those_that_keep_the_biases(count):
    biases = jax.random.normal(KEYS[5], (count, D))
    pairs = [(0, 1), (0, 2), (1, 2)]
    moved = jnp.array(
        [
            [
                b[j] if k == i else -b[i] if k == j else 0.0
                for k in range(D)
                for b in biases
            ]
            for i, j in pairs
        ]
    )
    rank = jnp.linalg.matrix_rank(moved) if count else jnp.array(0)
    claims.equal(
        theory.flat_rotations(D, count),
        len(pairs) - rank,
        atol=0.5,
        because="a whole number",
        theorem="attention_symmetry-rotations",
    )


RULES = {
    "momentum": optax.sgd(0.01, momentum=0.8),
    "ecd": optimizers.energy_conserving(0.2, concentration=4.0),
}


def trajectory(rule):
    """Angular momenta, and the torque of every step, all of queries and keys."""
    biases = jnp.asarray(BIASES)

    def target(head, key=None):
        return jnp.log(loss(head, biases) + 1) if rule == "ecd" else loss(head, biases)

    heads, states = train.descend(
        target,
        HEAD,
        RULES[rule],
        steps=12,
        every=1,
        observe=lambda p, s: (p, s),
        key=KEYS[6],
    ).records

    def momentum(state, name):
        if rule == "momentum":
            return -0.01 * state[0].trace[name]
        return jnp.exp(state.log_size) * state.direction[name]

    def spin(head, state):
        product = sum(momentum(state, n) @ head[n].T for n in ("query", "key"))
        return product - product.T

    J = jax.vmap(spin)(heads, states)

    def pull(head):
        value = lambda b: jnp.log(loss(head, b) + 1) if rule == "ecd" else loss(head, b)  # noqa: E731
        return jax.grad(value)(biases)[0]

    pulls = np.asarray(jax.vmap(pull)(heads))
    torques = np.stack([torque(g, BIASES[0]) for g in pulls])
    gradients = jax.vmap(jax.grad(target))(heads)
    return J, torques, gradients, states


def test_angular_momentum_of_momentum_descent():
    J, torques, _, _ = trajectory("momentum")
    predicted = theory.angular_momentum(
        np.zeros((D, D)), 0.8, np.full(11, 0.01), torques[:-1]
    )
    assert np.abs(predicted).max() > 1e-3
    claims.equal(predicted, J, rtol=1e-13, **LAW)
    start = np.asarray(J[5])
    free = theory.angular_momentum(start, 0.5, 1.0, 0 * torques[:3])
    np.testing.assert_allclose(free[3], start / 8)


def test_angular_momentum_and_turn_of_energy_conserving_descent():
    J, torques, gradients, states = trajectory("ecd")
    size = jnp.sqrt(sum(jnp.sum(g**2, (1, 2)) for g in jax.tree.leaves(gradients)))
    cosine = (
        -sum(jnp.sum(states.direction[n] * gradients[n], (1, 2)) for n in gradients)
        / size
    )
    dimension = sum(leaf.size for leaf in HEAD.values())
    delta = np.asarray(0.1 * theory.exponent(4.0, dimension) * size)
    cosine = np.asarray(cosine.at[0].set(1.0))  # from rest
    turned, growth = theory.turn(cosine, delta)
    log_size = np.concatenate([[0.0], np.cumsum(np.log(growth))])[:-1]
    claims.equal(log_size, states.log_size, rtol=1e-13, **RAY_LAW)
    before = np.where(np.arange(len(cosine)) > 0, cosine, 0.0)
    kick = np.exp(log_size) * (turned * growth - before) / np.asarray(size)
    predicted = theory.angular_momentum(np.zeros((D, D)), 1.0, kick[:-1], torques[:-1])
    claims.equal(predicted, J, rtol=1e-12, **LAW)


def test_turn_solves_its_equation_and_has_limits():
    cosines = np.array([-0.9, 0.0, 0.5])
    end = flow.solve(
        lambda state: (1.7 * (1 - state[0] ** 2), 1.7 * state[0]),
        (jnp.asarray(cosines), jnp.zeros(3)),
        jnp.array([0.0, 1.0]),
    ).state
    turned, growth = theory.turn(cosines, 1.7)
    for predicted, measured in ((turned, end[0]), (growth, jnp.exp(end[1]))):
        claims.equal(
            predicted,
            measured,
            rtol=1e-7,
            because="solver tolerance 1e-9 a step",
            theorem="attention_symmetry-ray_law",
        )
    np.testing.assert_allclose(theory.turn(np.array([-1.0, 1.0]), 600.0)[0], [-1, 1])
    np.testing.assert_allclose(theory.turn(0.3, 0.0), (0.3, 1.0))


def ray(rate, steps, psi=1.2, floor=-1.0, concentration=3.0):
    h = rate / concentration**0.5
    u = jnp.array([-np.cos(psi), np.sin(psi)])

    def bowl(x, key=None):
        return 0.5 * x @ x

    def observe(middle, state):
        x = middle - h / 2 * state.direction
        cross = x[0] * state.direction[1] - x[1] * state.direction[0]
        return x, bowl(x), cross, state.log_size

    rule = optimizers.energy_conserving(rate, concentration=concentration, direction=u)
    return train.descend(
        optimizers.potential(bowl, floor),
        jnp.array([1.5, 0.0]) + h / 2 * u,
        rule,
        steps=steps,
        every=1,
        observe=observe,
        key=KEYS[7],
    ).records


def test_bouguers_law_at_second_order_and_turning_points():
    power = theory.exponent(3.0, 2)
    rates, drifts, ends = np.array([0.02, 0.04, 0.08]), [], []
    for rate in rates:
        x, height, cross, log_size = ray(rate, round(80 / rate))
        exact = jnp.exp(log_size) * cross
        np.testing.assert_allclose(exact, exact[0], rtol=1e-11)
        index = theory.index(np.asarray(height), -1.0, power)
        J = jnp.asarray(index) * cross
        drifts.append(jnp.abs(J / J[0] - 1).max())
        ends.append((jnp.linalg.norm(x, axis=1), float(J[0])))
    claims.order(
        rates,
        jnp.stack(drifts),
        order=2,
        atol=0.2,
        because="reversible scheme, next order h⁴",
        theorem="attention_symmetry-ray_law",
    )
    radius, J = ends[0]
    assert abs(J - 1.5 * np.sin(1.2) / 2.125**3) < 1e-12
    inner, outer = theory.turning_points(J, -1.0, power)
    claims.equal(
        np.array([inner, outer]),
        jnp.stack([radius.min(), radius.max()]),
        rtol=4e-4,
        because="a step is 0.0115; drift of J, second order",
        theorem="attention_symmetry-floor",
    )


def test_turning_points_by_two_routes_and_in_limits():
    top = np.sqrt(2 / 5)
    highest = top / (top**2 / 2 + 1) ** 3
    np.testing.assert_allclose(theory.turning_points(highest, -1.0, 3.0), (top, top))
    for J in (1e-6, 0.1, 0.25):
        for r in theory.turning_points(-J, -1.0, 3.0):
            np.testing.assert_allclose(r * theory.index(r**2 / 2, -1.0, 3.0), J)
    assert theory.turning_points(0.0, -1.0, 3.0) == (0.0, np.inf)


def test_exponent_of_many_dimensions():
    np.testing.assert_allclose(theory.exponent(100.0, 10**9), 50.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.flat_rotations(3, 4), "directions=4"),
        (
            lambda: theory.angular_momentum(
                np.zeros((2, 2)), np.ones(2), np.ones(3), np.zeros((2, 2, 2))
            ),
            "decay and kick",
        ),
        (lambda: theory.exponent(0.0, 2), "concentration"),
        (lambda: theory.exponent(1.0, 1), "dimension"),
        (lambda: theory.index(0.0, 0.0, 1.0), "floor"),
        (lambda: theory.turn(1.5, 1.0), "cosine"),
        (lambda: theory.turn(0.5, -1.0), "angle"),
        (lambda: theory.turning_points(0.1, 0.0, 3.0), "floor"),
        (lambda: theory.turning_points(0.1, -1.0, 0.5), "power"),
        (lambda: theory.turning_points(9.0, -1.0, 3.0), "momentum"),
        (
            lambda: theory.rotate_head(
                jax.tree.map(np.asarray, HEAD), (np.zeros((D, D)), np.eye(D))
            ),
            "matrix",
        ),
    ],
)
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
