"""Flows against closed forms."""

import diffrax
import jax
import jax.numpy as jnp
import pytest

from learndyn import claims
from learndyn.simulation import flow

TIMES = jnp.linspace(0.0, 2.0, 5)


def test_gradient_flow_of_a_quadratic_decays_at_its_curvature():
    curvature = jnp.array([1.0, 3.0])
    run = flow.gradient_flow(
        lambda params: 0.5 * jnp.sum(curvature * params["w"] ** 2),
        {"w": jnp.array([1.0, -2.0])},
        TIMES,
    )
    expected = jnp.array([[1.0, -2.0]]) * jnp.exp(-jnp.outer(TIMES, curvature))
    assert jnp.allclose(run.records["w"], expected, atol=1e-8)
    assert jnp.allclose(run.state["w"], expected[-1], atol=1e-8)


def test_a_field_that_rotates_keeps_its_radius():
    run = flow.solve(
        lambda state: jnp.stack([-state[1], state[0]]),
        jnp.array([1.0, 0.0]),
        TIMES,
        observe=lambda state: {"radius": jnp.linalg.norm(state), "x": state[0]},
    )
    assert jnp.allclose(run.records["radius"], 1.0, atol=1e-8)
    assert jnp.allclose(run.records["x"], jnp.cos(TIMES), atol=1e-8)


def test_the_error_falls_with_the_tolerance():
    def error(rtol):
        run = flow.solve(jnp.negative, jnp.array(1.0), TIMES, rtol=rtol, atol=rtol)
        return jnp.abs(run.records - jnp.exp(-TIMES)).max()

    claims.bound(
        None,
        jnp.array([error(r) / r for r in (1e-4, 1e-7)]),
        30.0,
        theorem="flow-error",
    )


def test_a_stiff_field_runs_with_a_stiff_solver():
    run = flow.solve(
        lambda state: -1e6 * (state - 1),
        jnp.array(0.0),
        TIMES,
        solver=diffrax.Kvaerno5(),
        max_steps=200,
        rtol=1e-6,
        atol=1e-8,
    )
    assert jnp.allclose(run.records[1:], 1.0, atol=1e-6)


def test_everything_is_float64():
    run = flow.solve(jnp.negative, jnp.array(1.0), TIMES)
    assert run.times.dtype == run.records.dtype == run.state.dtype == jnp.float64


def test_a_flow_can_be_compiled_with_its_tolerance_traced():
    @jax.jit
    def end(rtol):
        return flow.solve(jnp.negative, jnp.array(1.0), TIMES, rtol=rtol).state

    assert jnp.isclose(end(1e-8), jnp.exp(-2.0), rtol=1e-6)


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        ([0.0], {}, "at least two"),
        ([0.0, 0.0], {}, "increase"),
        ([0.0, 1.0], {"rtol": 0.0}, "rtol=0"),
        ([0.0, 1.0], {"atol": 2.0}, "atol=2"),
    ],
)
def test_bad_input_is_named(times, options, message):
    with pytest.raises(ValueError, match=message):
        flow.solve(jnp.negative, jnp.array(1.0), jnp.array(times), **options)
