"""Formulas of the chapter on mirror symmetry against flows and runs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import flow, nets, tasks, train
from learndyn.theory import mirror_symmetry as theory

LAW = "mirror_symmetry-test"
KEYS = jax.random.split(jax.random.key(0), 6)


def decayed(loss, decay):
    def total(p, key=None):
        return loss(p) + decay / 2 * sum(jnp.sum(w**2) for w in jax.tree.leaves(p))

    return total


def descended(loss, start, rate, steps):
    def run(decay):
        return train.descend(
            decayed(loss, decay),
            start,
            optax.sgd(rate, momentum=0.9),
            steps=steps,
            every=steps,
            observe=lambda p, s: (),
            key=KEYS[0],
        ).params

    return run


def twins(p, x, y):
    return tasks.squared_loss(
        jnp.tanh(jnp.outer(x, p[0]) + p[1][None]).sum(1, keepdims=True), y
    )


def odd_data():
    x = jnp.linspace(-3, 3, 25)
    return x, (jnp.tanh(2 * (x - 1.5)) + jnp.tanh(2 * (x + 1.5)))[:, None]


def test_a_reflection_does_not_change_a_network_with_tanh():
    init, apply = nets.pure(
        lambda rngs: nets.MLP((3, 4, 2), activation=jnp.tanh, rngs=rngs)
    )
    flat, unravel = jax.flatten_util.ravel_pytree(init(KEYS[0]))
    place = unravel(jnp.arange(float(flat.size)))["layers"]
    own = [place[0]["kernel"][:, 1], place[0]["bias"][1], place[1]["kernel"][1]]
    rows = np.concatenate([np.ravel(part) for part in own]).astype(int)
    normals = np.eye(flat.size)[:, rows]
    mirrored = theory.reflect(np.asarray(flat), normals)
    assert np.abs(theory.reflect(mirrored, normals) - np.asarray(flat)).max() < 1e-15
    x = jax.random.normal(KEYS[1], (20, 3))
    claims.equal(
        np.asarray(apply(unravel(flat), x)),
        apply(unravel(jnp.asarray(mirrored)), x),
        atol=2e-15,
        because="rounding",
        theorem=LAW,
    )


def test_the_curvature_across_a_mirror_and_where_it_is_zero():
    x, y = odd_data()
    both = np.diag([0.4, -0.7])
    for (w, b), bend in zip(both + 0.1, both, strict=True):
        unit = np.tanh(w * np.asarray(x) + b)
        second = -2 * unit * (1 - unit**2)
        row = np.stack([np.asarray(x), np.ones(25)], 1)
        bend = (second[:, None, None] * row[:, :, None] * row[:, None])[:, None]
        predicted = theory.normal_curvature(
            (2 * unit - np.asarray(y[:, 0]))[:, None], bend
        )

        def apart(s, w=w, b=b):  # half of each normal coordinate on each unit
            move = s / jnp.sqrt(2)
            pair = jnp.array([[w, w], [b, b]]) + jnp.stack([move, -move], 1)
            return twins(pair, x, y)

        found = jax.hessian(apart)(jnp.zeros(2))
        claims.equal(predicted, found, atol=1e-14, because="rounding", theorem=LAW)
        assert theory.critical_decay(predicted) == pytest.approx(
            max(0, -float(jnp.linalg.eigvalsh(found)[0])), rel=1e-10, abs=1e-14
        )


@pytest.mark.parametrize(
    ("curvature", "threshold"),
    [(np.diag([1.0, 2.0]), 0), (np.diag([1.0, -2.0]), 2), (np.zeros((2, 2)), 0)],
)
def test_critical_decay(curvature, threshold):
    assert theory.critical_decay(curvature) == pytest.approx(threshold)


def test_products_and_singular_values_are_soft_thresholded():
    c = jnp.array([-1.5, -0.6, 0.3, 1.0, 2.0])
    decays = jnp.array([0.0, 0.2, 0.8, 1.2, 1.8])
    start = jax.random.normal(KEYS[1], (2, 5))
    run = descended(lambda p: jnp.sum((c - p[0] * p[1]) ** 2) / 2, start, 0.02, 3000)
    uw = train.sweep(run, decay=decays).prod(1)
    predicted = theory.soft_threshold(np.asarray(c), np.asarray(decays)[:, None])
    claims.equal(predicted, uw, atol=1e-8, because="gap 0.2, t = 600", theorem=LAW)
    target = jax.random.normal(KEYS[2], (4, 3))
    pair = [jax.random.normal(KEYS[3], (4, 3)), jax.random.normal(KEYS[4], (3, 3))]
    run = descended(
        lambda p: jnp.sum((target - p[0] @ p[1]) ** 2) / 2, pair, 0.02, 3000
    )
    left, right = train.sweep(run, decay=decays[1:3])
    found = jnp.linalg.svd(left @ right, compute_uv=False)
    values = np.linalg.svd(np.asarray(target), compute_uv=False)
    predicted = theory.soft_threshold(values, np.asarray(decays)[1:3, None])
    claims.equal(predicted, found, atol=1e-5, because="t = 600", theorem=LAW)


def test_soft_thresholding_in_limits():
    assert theory.soft_threshold(-2.0, 0.0) == -2
    assert theory.soft_threshold(1.0, 1.0) == 0


def test_lasso_is_what_a_product_with_decay_finds():
    x = jax.random.normal(KEYS[1], (40, 6))
    y = x @ jnp.array([2.0, 0, 0, -1, 0, 0.5]) + jax.random.normal(KEYS[2], (40,))

    def loss(p):
        return jnp.mean((x @ (p[0] * p[1]) - y) ** 2) / 2

    run = descended(loss, jax.random.normal(KEYS[3], (2, 6)), 0.02, 6000)
    v = run(0.2).prod(0)
    predicted = theory.lasso(np.asarray(x), np.asarray(y), 0.2)
    claims.equal(predicted, v, atol=1e-7, because="t = 1200", theorem=LAW)
    free = theory.lasso(np.asarray(x), np.asarray(y), 0.0)
    exact = np.linalg.lstsq(np.asarray(x), np.asarray(y), rcond=None)[0]
    assert np.abs(free - exact).max() < 1e-12
    assert np.all(theory.lasso(np.asarray(x), np.asarray(y), 1e3) == 0)


def sgd(start, steps, spread=8.0):
    def run(eta, key):
        def loss(p, key):
            y = 1.0 + spread * jax.random.rademacher(key, (), float)
            return 0.5 * (y - p[0] * p[1]) ** 2

        return train.descend(
            loss,
            jnp.array(start),
            optax.sgd(eta),
            steps=steps,
            every=steps,
            observe=lambda p, s: (),
            key=key,
        ).params

    return run


def test_growth_beside_a_mirror_is_the_lyapunov_exponent():
    etas = np.array([0.02, 0.05])
    ends = train.sweep(
        sgd([1e-100, 1e-100], 1000),
        eta=jnp.asarray(etas),
        key=jax.random.split(KEYS[1], 256),
    )
    rate = jnp.log(jnp.abs(ends.sum(-1)) / 2e-100) / 1000
    predicted = theory.lyapunov(etas, np.array([-9.0, 7.0]))
    assert predicted[0] > 0 > predicted[1]
    claims.mean(predicted, rate.T, theorem=LAW)


def test_the_exponent_without_noise_and_on_the_mirror():
    assert theory.lyapunov(0.1, np.array([2.0]), 1.0) == pytest.approx(np.log(0.7))
    assert theory.lyapunov(0.5, np.array([2.0])) == -np.inf


def test_the_critical_step_separates_collapse_from_life():
    eta = theory.critical_step(1.0, 8.0)
    assert theory.lyapunov(eta, np.array([-9.0, 7.0])) == pytest.approx(0, abs=1e-15)
    ends = train.sweep(
        sgd([0.8, 0.6], 10_000),
        eta=jnp.asarray(eta * np.array([0.95, 1.05])),
        key=jax.random.split(KEYS[1], 128),
    )
    dead = (jnp.abs(ends.prod(-1)) < 1e-8).mean(1)
    claims.bound(np.array([0.3, 0.85]), dead, np.array([0.7, 1.0]), theorem=LAW)
    assert theory.critical_step(0.0, 1.0) == 0
    assert theory.critical_step(-1.0, 0.0) == 0
    assert theory.critical_step(2.0, 2.0) == np.inf


def test_the_decay_that_merges_two_units():
    x, y = odd_data()
    gamma, w = theory.merging_decay(np.asarray(x), np.asarray(y[:, 0]))
    start = jnp.array([[w, w], [1e-8, -1e-8]])

    def growth(decay):
        times = jnp.array([0.0, 50.0, 250.0])
        path = flow.gradient_flow(
            decayed(lambda p: twins(p, x, y), decay), start, times
        ).records
        gap = jnp.abs(path[:, 1, 0] - path[:, 1, 1])
        return jnp.log(gap[1:] / gap[:-1]) / jnp.diff(times)

    rate = jax.jit(growth)(gamma)
    claims.limit(0.0, rate, atol=1e-6, because="solver", theorem=LAW)
    slope = jax.grad(decayed(lambda p: twins(p, x, y), gamma))(start)
    claims.equal(0.0, slope, atol=1e-9, because="stationary", theorem=LAW)
    assert theory.merging_decay(np.array([-1.0, 1]), np.array([-0.1, 0.1]))[0] == 0


def test_the_decay_that_kills_all_hidden_units():
    data, _ = tasks.digits(60)
    x = data.x.reshape(60, -1)[:, 18:22]
    gamma = theory.dead_decay(np.asarray(x), np.asarray(data.y), 10)
    init, apply = nets.pure(
        lambda rngs: nets.MLP((4, 3, 10), activation=jnp.tanh, rngs=rngs)
    )
    run = descended(
        lambda p: tasks.cross_entropy(apply(p, x), data.y), init(KEYS[1]), 0.5, 4000
    )
    params = train.sweep(run, decay=gamma * jnp.array([0.95, 1.05]))
    size = jnp.sum(params["layers"][0]["kernel"] ** 2, (1, 2))
    claims.bound(np.array([1e-3, 0.0]), size, np.array([10.0, 1e-10]), theorem=LAW)
    assert theory.dead_decay(np.zeros((4, 2)), np.arange(4), 4) == 0


@pytest.mark.parametrize(
    ("formula", "arguments", "name"),
    [
        (theory.reflect, (np.ones(2), np.array([[2.0], [0.0]])), "normals"),
        (theory.normal_curvature, (np.ones((2, 1)), np.ones((3, 1, 2, 2))), "slope"),
        (theory.critical_decay, (np.array([[0.0, 1], [2, 0]]),), "curvature"),
        (theory.soft_threshold, (1.0, -1.0), "decay"),
        (theory.lasso, (np.zeros((3, 2)), np.ones(3), 1.0), "x must"),
        (theory.lyapunov, (0.0, np.ones(2)), "eta"),
        (theory.lyapunov, (0.1, np.array([np.nan])), "curvature"),
        (theory.critical_step, (1.0, -1.0), "spread"),
        (theory.merging_decay, (np.ones(3), np.ones(3)), "odd data"),
        (theory.dead_decay, (np.full((2, 2), np.inf), np.arange(2), 2), "x must"),
    ],
)
def test_bad_input_is_named(formula, arguments, name):
    with pytest.raises(ValueError, match=name):
        formula(*arguments)
