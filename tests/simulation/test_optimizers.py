"""Energy conserving descent against its differential equation and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learndyn import claims
from learndyn.simulation import flow, optimizers, train

FLOOR, CONCENTRATION = -1.0, 3.0


def bowl(p, key=None):
    return 0.5 * (p["x"][0] ** 2 + 1.5 * p["x"][1] ** 2 + p["y"] ** 2)


START = {"x": jnp.array([1.5, 0.0]), "y": jnp.array(0.2)}
LAUNCH = {"x": jnp.array([-0.5, 1.0]), "y": jnp.array(0.4)}


def run(rate, steps, start=START, launch=LAUNCH):
    rule = optimizers.energy_conserving(
        rate, concentration=CONCENTRATION, direction=launch
    )
    return train.descend(
        optimizers.potential(bowl, FLOOR),
        start,
        rule,
        steps=steps,
        every=1,
        observe=lambda p, s: (p, s),
        key=jax.random.key(0),
    )


def test_midpoint_steps_follow_the_ray_at_second_order():
    def field(state):
        p, u = state
        g = jax.grad(lambda p: jnp.log(bowl(p) - FLOOR))(p)
        slope = sum(
            jnp.vdot(a, b)
            for a, b in zip(jax.tree.leaves(u), jax.tree.leaves(g), strict=True)
        )
        strength = CONCENTRATION / 2 * 3 / 2
        return u, jax.tree.map(lambda g, u: -strength * (g - slope * u), g, u)

    size = float(jnp.sqrt(0.25 + 1 + 0.16))
    u = jax.tree.map(lambda leaf: leaf / size, LAUNCH)
    length = 2.0
    end, _ = flow.solve(field, (START, u), jnp.array([0.0, length])).state
    counts, errors = np.array([20, 40, 80, 160]), []
    for count in counts:
        h = length / count
        middle = jax.tree.map(lambda p, u, h=h: p + h / 2 * u, START, u)
        done = run(h * CONCENTRATION**0.5, int(count), middle)
        last = jax.tree.map(
            lambda p, u, h=h: p - h / 2 * u, done.params, done.state.direction
        )
        errors.append(jnp.linalg.norm(last["x"] - end["x"]))
    claims.order(
        length / counts,
        jnp.stack(errors),
        order=2,
        atol=0.1,
        because="next term of a reversible scheme: h⁴",
        theorem="attention_symmetry-ray_law",
    )


def test_steps_have_one_length_and_the_first_goes_downhill():
    done = run(0.2, 50, launch=None)
    p, state = done.records
    steps = jnp.diff(p["x"], axis=0), jnp.diff(p["y"])
    lengths = jnp.sqrt(jnp.sum(steps[0] ** 2, 1) + steps[1] ** 2)
    np.testing.assert_allclose(lengths, 0.2 / CONCENTRATION**0.5, rtol=1e-13)
    g = jax.grad(bowl)(START)
    ratio = state.direction["x"][1, 0] / g["x"][0]
    np.testing.assert_allclose(state.direction["y"][1], ratio * g["y"], rtol=1e-12)
    assert ratio < 0
    assert state.direction["y"][0] == state.log_size[0] == 0


def test_the_momentum_is_kicked_along_the_gradient_only():
    p, state = run(0.5, 30).records
    momentum = jax.tree.map(
        lambda u: u * jnp.exp(state.log_size).reshape(-1, *[1] * (u.ndim - 1)),
        state.direction,
    )
    gradient = jax.vmap(jax.grad(bowl))(p)
    stack = lambda tree: jnp.column_stack([tree["x"], tree["y"]])  # noqa: E731
    kick, g = jnp.diff(stack(momentum), axis=0), stack(gradient)[:-1]
    factor = jnp.sum(kick * g, 1) / jnp.sum(g * g, 1)
    assert factor.max() < 0
    off = kick - factor[:, None] * g
    assert jnp.abs(off).max() < 1e-14 * jnp.abs(kick).max()


def test_a_steep_loss_turns_at_once_and_a_flat_one_never():
    for scale, expected in ((1e15, [-0.6, -0.8]), (0.0, [0.0, 1.0])):
        rule = optimizers.energy_conserving(
            1.0,
            concentration=1.0,
            direction=jnp.array([0.0, 2.0], jnp.float32),
        )
        g = scale * jnp.array([0.6, 0.8], jnp.float32)
        updates, state = rule.update(g, rule.init(g))
        np.testing.assert_allclose(updates, expected, rtol=1e-6)
        assert jnp.isfinite(state.log_size)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_every_leaf_has_the_dtype_of_the_parameters(dtype):
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), START)
    rule = optimizers.energy_conserving(0.1, concentration=2.0)
    out = rule.update(params, rule.init(params))
    assert {leaf.dtype for leaf in jax.tree.leaves(out)} == {jnp.dtype(dtype)}
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(a.shape, b.shape), out[0], params
    )


def test_the_potential_is_a_logarithm_and_fails_below_its_floor():
    p = {"x": jnp.array([2.0, 0.0]), "y": jnp.array(0.0)}
    value = optimizers.potential(bowl, FLOOR)(p, None)
    np.testing.assert_allclose(value, jnp.log(3.0), rtol=1e-15)
    assert jnp.isnan(optimizers.potential(bowl, 2.5)(p, None))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="learning_rate=0"):
        optimizers.energy_conserving(0.0, concentration=1.0)
    with pytest.raises(ValueError, match="concentration=-1"):
        optimizers.energy_conserving(1.0, concentration=-1.0)
    with pytest.raises(ValueError, match="params"):
        optimizers.energy_conserving(1.0, concentration=1.0).init(jnp.ones(1))
