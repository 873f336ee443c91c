"""Formulas of the chapter on removing symmetries against flows and runs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import flow, tasks, train
from learndyn.theory import mirror_symmetry as mirror
from learndyn.theory import symmetry_removal as theory

LAW = "symmetry_removal-test"
KEYS = jax.random.split(jax.random.key(0), 8)
NORMALS = np.array([[1.0, 0], [-1, 0], [0, np.sqrt(2)]]) / np.sqrt(2)


def even(psi):
    """A loss with the mirror psi0 = psi1, psi2 = 0."""
    pair = psi[:2]
    return jnp.sum(jnp.cos(pair)) + jnp.prod(pair) * psi[2] ** 2 + psi[2] ** 4


def total(psi, anchor, decay, weights=1.0):
    return even(psi) + decay / 2 * jnp.sum(weights * (psi - anchor) ** 2)


def test_a_mirror_is_violated_by_what_the_tilt_says():
    psi, anchor = jax.random.normal(KEYS[0], (2, 3))
    image = jnp.asarray(mirror.reflect(np.asarray(psi), NORMALS))
    for weights in (1.0, np.array([1.0, 2.0, 3.0])):
        rise = total(image, anchor, 0.3, weights) - total(psi, anchor, 0.3, weights)
        found = theory.violation(
            np.asarray(psi), NORMALS, np.asarray(anchor), 0.3, weights
        )
        claims.equal(found, rise, atol=1e-14, because="rounding", theorem=LAW)
    aligned = 0.6 * float((psi @ NORMALS) @ (anchor @ NORMALS))
    plain = theory.violation(np.asarray(psi), NORMALS, np.asarray(anchor), 0.3)
    assert plain == pytest.approx(aligned, rel=1e-12)
    assert theory.violation(np.ones(3), NORMALS, np.zeros(3), 0.3) == 0


def test_the_force_on_a_mirror_is_decay_times_the_shift():
    psi, anchor = jax.random.normal(KEYS[1], (2, 3))
    foot = psi - NORMALS @ (NORMALS.T @ psi)
    slope = jax.grad(total)(foot, anchor, 0.3)
    force = theory.escape_force(NORMALS, np.asarray(anchor), 0.3)
    across = NORMALS @ (NORMALS.T @ slope)
    claims.equal(force, -across, atol=1e-15, because="rounding", theorem=LAW)


def test_the_size_of_the_force_over_draws():
    for k in (1, 2, 7):
        draws = 0.1 * jax.random.normal(KEYS[2], (4000, k))
        sizes = 0.3 * jnp.linalg.norm(draws, axis=1)
        claims.mean(theory.expected_force(k, 0.1, 0.3), sizes, theorem=LAW)
    assert theory.expected_force(1e8, 2.0, 3.0) == pytest.approx(6e4, rel=1e-6)


def test_equal_decays_keep_the_rotations_that_fix_the_shift():
    anchor = np.asarray(jax.random.normal(KEYS[3], (2, 4)))
    normals = theory.surviving_normals(anchor)
    assert normals.shape == (4, 2)
    assert np.abs(normals.T @ normals - np.eye(2)).max() < 1e-14
    factor, target = jax.random.normal(KEYS[4], (2, 4)), jnp.eye(2)
    turn = np.eye(4) - 2 * np.outer(normals[:, 0], normals[:, 0])

    def loss(factor, weights):
        fit = jnp.sum((factor @ factor.T - target) ** 2)
        return fit + 0.1 * jnp.sum(weights * (factor - anchor) ** 2)

    for weights, same in ((1.0, True), (jnp.arange(1.0, 5.0)[None], False)):
        gap = abs(float(loss(factor @ turn, weights) - loss(factor, weights)))
        assert (gap < 1e-12) is same
    assert theory.surviving_normals(np.eye(3)).shape == (3, 0)
    assert theory.surviving_normals(np.zeros((2, 3))).shape == (3, 3)


@pytest.mark.parametrize("curvature", [-1.0, -0.3, 0.4])
def test_the_departure_from_a_mirror(curvature):
    times = jnp.linspace(0, 8, 9)

    def loss(s):
        return curvature / 2 * s**2 + 0.15 * (s - 0.02) ** 2

    path = flow.gradient_flow(loss, jnp.array(0.0), times).records
    predicted = theory.departure(np.asarray(times), curvature, 0.02, 0.3)
    claims.equal(predicted, path, rtol=1e-7, because="solver", theorem=LAW)
    t = theory.escape_time(predicted[1:], curvature, 0.02, 0.3)
    claims.equal(t, times[1:], rtol=1e-12, because="inverse", theorem=LAW)


def test_departures_in_limits():
    assert theory.departure(np.inf, 1.0, 0.5, 1.0) == 0.25
    assert theory.departure(1e6, -1.0, 0.0, 0.5) == 0
    assert theory.departure(3.0, -0.5, 2.0, 0.5) == pytest.approx(3.0)
    assert theory.escape_time(1.0, 0.0, 1.0, 0.0) == np.inf
    assert theory.escape_time(1.0, -1.0, 0.0, 0.5) == np.inf
    assert theory.escape_time(1.0, -1.0, -0.5, 1.0) == pytest.approx(2.0)


def product_ends(target, decay, anchors):
    def run(anchor):
        def loss(p, key):
            fit = 0.5 * (target - p[0] * p[1]) ** 2
            return fit + decay / 2 * jnp.sum((p - anchor) ** 2)

        return train.descend(
            loss,
            1.5 * anchor,
            optax.sgd(0.05, momentum=0.9),
            steps=4000,
            every=4000,
            observe=lambda p, state: (),
            key=KEYS[0],
        ).params

    return train.sweep(run, anchor=anchors)


@pytest.mark.parametrize(
    ("target", "decay"), [(1.0, 0.4), (1.0, 1.0), (1.0, 1.7), (-0.8, 0.3), (0.0, 0.5)]
)
def test_the_tilted_product_is_where_descent_ends(target, decay):
    anchors = 0.2 * jax.random.normal(KEYS[5], (6, 2))
    ends = product_ends(target, decay, anchors)
    predicted = theory.tilted_product(target, decay, np.asarray(anchors))
    claims.equal(predicted, ends, atol=1e-9, because="t = 2000", theorem=LAW)


def test_the_tilted_product_in_limits():
    c = np.array([-3.0, 0.5, 2.0])
    none = theory.tilted_product(c, 1.0, np.zeros(2)).prod(-1)
    assert none == pytest.approx(mirror.soft_threshold(c, 1.0))
    tiny = theory.tilted_product(c, 1.0, np.full(2, 1e-9)).prod(-1)
    assert tiny == pytest.approx(none, abs=1e-7)
    for tilt in (np.array([0.1, -0.1]), np.array([0.1, 0.1])):
        u, w = theory.tilted_product(c, 1.0, tilt).T
        x = c - u * w
        assert np.abs(-x * w + u - tilt[0]).max() < 1e-12
        assert np.abs(-x * u + w - tilt[1]).max() < 1e-12


def test_the_bend_at_the_critical_decay_is_a_cube_root():
    sizes = np.array([1e-6, 1e-5, 1e-4])
    ends = theory.tilted_product(1.0, 1.0, sizes[:, None] / np.sqrt(2) * np.ones(2))
    s = ends.sum(-1) / np.sqrt(2)
    claims.order(sizes, s, order=1 / 3, atol=1e-6, because="exact here", theorem=LAW)
    assert s == pytest.approx((2 * sizes) ** (1 / 3), rel=1e-9)


def test_ridge_is_moved_by_less_than_the_shift():
    x, y = jax.random.normal(KEYS[6], (30, 4)), jax.random.normal(KEYS[7], (30,))
    anchor = jnp.array([1.0, -1.0, 0.5, 2.0])

    def loss(psi, key):
        fit = tasks.squared_loss((x @ psi)[:, None], y[:, None])
        return fit + 0.1 * jnp.sum((psi - anchor) ** 2)

    run = train.descend(
        loss,
        anchor,
        optax.sgd(0.2),
        steps=1000,
        every=1000,
        observe=lambda p, state: (),
        key=KEYS[0],
    )
    data = np.asarray(x), np.asarray(y)
    found = theory.tilted_ridge(*data, 0.2, np.asarray(anchor))
    claims.equal(found, run.params, atol=1e-12, because="t = 200", theorem=LAW)
    shift = np.linalg.norm(found - theory.tilted_ridge(*data, 0.2, np.zeros(4)))
    claims.bound(None, shift, jnp.linalg.norm(anchor), theorem=LAW)
    far = theory.tilted_ridge(*data, 1e9, np.asarray(anchor))
    assert far == pytest.approx(np.asarray(anchor), abs=1e-7)


@pytest.mark.parametrize(
    ("formula", "arguments", "name"),
    [
        (theory.violation, (np.ones(3), NORMALS, np.ones(3), -1.0), "decay"),
        (theory.violation, (np.ones(3), NORMALS, np.ones(3), 1.0, 0.0), "weights"),
        (theory.escape_force, (2 * NORMALS, np.ones(3), 1.0), "normals"),
        (theory.expected_force, (0.5, 1.0, 1.0), "codimension"),
        (theory.surviving_normals, (np.full((2, 2), np.nan),), "anchor"),
        (theory.departure, (-1.0, 1.0, 1.0, 1.0), "t must"),
        (theory.departure, (1.0, np.nan, 1.0, 1.0), "curvature"),
        (theory.escape_time, (0.0, 1.0, 1.0, 1.0), "size"),
        (theory.tilted_product, (1.0, 0.0, np.ones(2)), "decay"),
        (theory.tilted_ridge, (np.eye(2), np.ones(2), 0.0, np.ones(2)), "decay"),
    ],
)
def test_bad_input_is_named(formula, arguments, name):
    with pytest.raises(ValueError, match=name):
        formula(*arguments)
