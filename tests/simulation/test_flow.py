"""Flows against closed forms."""

from functools import partial

import diffrax
import jax
import jax.numpy as jnp
import pytest

from learndyn import claims
from learndyn.simulation import flow, train

TIMES = jnp.linspace(0.0, 2.0, 5)
KEY = jax.random.key(0)


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


def ornstein_uhlenbeck(key, dt=0.01, noise=lambda x: jnp.full_like(x, 0.5)):
    times = jnp.array([0.0, 1.0, 8.0])
    return flow.diffuse(
        lambda x: -x, noise, jnp.array([2.0, 0.0]), times, dt=dt, key=key
    ).records


def test_noise_spreads_as_an_ornstein_uhlenbeck_process():
    paths = train.sweep(ornstein_uhlenbeck, key=jax.random.split(KEY, 1000))
    assert jnp.all(paths[:, 0] == jnp.array([[2.0, 0.0]]))
    # Euler decays by (1 - dt) a step instead of e^-dt: 0.5 % in mean and variance.
    claims.mean(2 * 0.99**100, paths[:, 1, 0], theorem="diffuse-mean")
    variance = 0.25 * (1 - 0.99**1600) / (2 - 0.01)
    claims.mean(variance, (paths[:, 2, 1]) ** 2, theorem="diffuse-variance")


def test_a_matrix_mixes_the_brownian_motions():
    mixing = jnp.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0]])
    paths = train.sweep(
        partial(ornstein_uhlenbeck, noise=lambda x: mixing),
        key=jax.random.split(KEY, 1000),
    )[:, 2]
    expected = (mixing @ mixing.T)[0, 1] / (2 - 0.01)
    product = (paths[:, 0] - 2 * 0.99**800) * paths[:, 1]
    claims.mean(expected, product, theorem="diffuse-mixing")


def test_without_noise_euler_is_of_first_order():
    def error(steps):
        end = ornstein_uhlenbeck(KEY, dt=1 / steps, noise=jnp.zeros_like)[1, 0]
        return jnp.abs(end - 2 * jnp.exp(-1.0))

    steps = jnp.array([16, 32, 64])
    errors = jnp.array([error(n) for n in (16, 32, 64)])
    # The next order changes the slope by dt/2 at most.
    claims.order(
        1 / steps, errors, order=1, atol=1 / 32, because="dt/2", theorem="diffuse-order"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": 0.0}, "dt=0.0 must be positive"),
        ({"dt": jnp.inf}, "dt=inf must be positive"),
        ({"times": jnp.array([1.0, 0.0])}, "times must increase"),
        ({"noise": lambda x: x[:1]}, "noise has shape"),
        ({"noise": jnp.sum}, "noise has shape"),
    ],
)
def test_bad_diffusions_are_refused(change, message):
    arguments = {"times": TIMES, "dt": 0.1, "noise": jnp.ones_like} | change
    noise, times = arguments["noise"], arguments["times"]
    with pytest.raises(ValueError, match=message):
        flow.diffuse(
            jnp.negative, noise, jnp.zeros(2), times, dt=arguments["dt"], key=KEY
        )
