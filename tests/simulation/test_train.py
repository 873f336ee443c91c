"""Training against recursions that can be solved by hand."""

import jax
import jax.numpy as jnp
import optax
import pytest

from learndyn.simulation import train


def quadratic(params, key):
    return 0.5 * 3.0 * jnp.sum(params**2)


def observe(params, state):
    return params


def descend(lr=0.1, steps=6, every=2, key=None, **options):
    key = jax.random.key(0) if key is None else key
    return train.descend(
        quadratic,
        jnp.array([1.0, -2.0]),
        optax.sgd(lr),
        steps=steps,
        every=every,
        observe=observe,
        key=key,
        **options,
    )


def test_records_stand_before_steps_zero_every_and_twice_every():
    run = descend()
    assert run.steps.tolist() == [0, 2, 4]
    expected = jnp.outer(0.7**run.steps, jnp.array([1.0, -2.0]))
    assert jnp.allclose(run.records, expected, rtol=1e-14)
    assert jnp.allclose(run.params, jnp.array([1.0, -2.0]) * 0.7**6, rtol=1e-14)


def test_total_adds_every_step_with_that_steps_gradient():
    run = descend(total=lambda params, gradient: jnp.sum(gradient**2))
    squares = 9.0 * 5.0 * 0.7 ** (2 * jnp.arange(6))
    running = jnp.concatenate([jnp.zeros(1), jnp.cumsum(squares)])
    assert jnp.allclose(run.totals, running[run.steps], rtol=1e-13)


def test_every_step_gets_a_key_of_its_own():
    def noisy(params, key):
        return jnp.vdot(params, jax.random.normal(key, params.shape))

    run = train.descend(
        noisy,
        jnp.zeros(2000),
        optax.sgd(1.0),
        steps=4,
        every=1,
        observe=observe,
        key=jax.random.key(1),
    )
    increments = jnp.diff(run.records, axis=0)
    overlap = increments @ increments.T / 2000
    # off-diagonal entries are averages of 2,000 products: 6 standard errors
    assert jnp.abs(overlap - jnp.eye(3)).max() < 6 * (2 / 2000) ** 0.5


def test_the_optimizer_state_is_observed():
    run = train.descend(
        quadratic,
        jnp.array([1.0]),
        optax.sgd(0.1, momentum=0.5),
        steps=3,
        every=1,
        observe=lambda params, state: state[0].trace,
        key=jax.random.key(0),
    )
    assert run.records[:2, 0].tolist() == [0.0, 3.0]


def test_a_sweep_is_the_grid_of_single_runs():
    def run(lr, key):
        def loss(params, key):
            return quadratic(params, key) + jnp.sum(
                params * jax.random.normal(key, params.shape)
            )

        return train.descend(
            loss, jnp.ones(2), optax.sgd(lr), steps=4, every=1, observe=observe, key=key
        )

    rates, keys = jnp.array([0.1, 0.2, 0.3]), jax.random.split(jax.random.key(0), 2)
    runs = train.sweep(run, lr=rates, key=keys)
    assert runs.records.shape == (3, 2, 4, 2)
    for i in range(3):
        for j in range(2):
            alone = run(rates[i], keys[j]).records
            assert jnp.allclose(runs.records[i, j], alone, rtol=1e-14)


@pytest.mark.parametrize(("steps", "every"), [(5, 2), (0, 1), (4, 0), (-2, 1)])
def test_every_must_divide_steps(steps, every):
    with pytest.raises(ValueError, match="must be positive and divide"):
        descend(steps=steps, every=every)


def test_a_sweep_needs_an_axis_with_entries():
    with pytest.raises(ValueError, match="at least one"):
        train.sweep(lambda: 0)
    with pytest.raises(ValueError, match="axis lr"):
        train.sweep(lambda lr: lr, lr=jnp.array(1.0))
    with pytest.raises(ValueError, match="axis lr"):
        train.sweep(lambda lr: lr, lr=jnp.zeros((0,)))
