"""Continuous time: gradient flow, other autonomous fields, and noise, by diffrax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

Tolerance = float | Float[Array, ""]


class Trajectory(NamedTuple):
    """What one integration leaves behind; `records` as in `train.Run`."""

    times: Float[Array, " times"]
    records: PyTree[Array]  # observe(state) at these times, stacked on axis 0
    state: PyTree[Array]  # at the last time


def solve(
    field: Callable[[Any], PyTree[Array]],
    state: PyTree[Array],
    times: Float[Array, " times"],
    *,
    observe: Callable[[Any], PyTree[Array]] = lambda state: state,
    rtol: Tolerance = 1e-9,
    atol: Tolerance = 1e-11,
    solver: diffrax.AbstractSolver | None = None,
    max_steps: int = 100_000,
) -> Trajectory:
    """Integrate d state/dt = field(state) and keep `observe(state)` at `times`.

    Args:
        field: autonomous vector field; a modified equation or a central flow is
            another field, never another loop.
        state: value at `times[0]`.
        times: increasing, at least two.
        observe: what to keep of a state (all of it by default).
        rtol: relative tolerance of a step, in (0, 1).
        atol: absolute tolerance of a step, positive.
        solver: Tsit5 by default; `diffrax.Kvaerno5()` for stiff fields.
        max_steps: bound on the number of solver steps; exceeding it raises.

    Raises:
        ValueError: fewer than two times, times that do not increase, or
            tolerances out of range (of traced values the shape alone is checked).
    """
    times = _increasing(times)
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if _known(tolerance) and not 0 < tolerance < 1:
            raise ValueError(f"{name}={tolerance} must lie in (0, 1)")
    return _integrate(
        diffrax.ODETerm(lambda t, y, args: field(y)),
        state,
        times,
        observe,
        solver=solver or diffrax.Tsit5(),
        dt0=None,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        max_steps=max_steps,
    )


def diffuse(
    drift: Callable[[Array], Array],
    noise: Callable[[Array], Array],
    state: Float[Array, " d"],
    times: Float[Array, " times"],
    *,
    dt: Tolerance,
    key: Key[Array, ""],
    observe: Callable[[Array], PyTree[Array]] = lambda state: state,
) -> Trajectory:
    """Integrate the Itô equation dx = drift(x) dt + noise(x) dW by Euler's scheme.

    Fixed steps: the law of x is right to first order in `dt`, one path to order
    one half. Where fast excursions would need tiny steps, change the clock and not
    the scheme: with dt = ds/h(x), integrate drift/h and noise/√h in the time s.
    Map over `key` (and `state`) for many paths.

    Args:
        drift: of shape [d].
        noise: of shape [d] (every coordinate has a Brownian motion of its own) or
            [d, m] (m Brownian motions, mixed by a matrix).
        state: value at `times[0]`, one axis.
        times: increasing, at least two; between two steps, x is interpolated.
        dt: length of a step, positive.
        key: random key of the path.
        observe: what to keep of a state (all of it by default).

    Raises:
        ValueError: bad times, `dt` not positive, or noise of another shape.
    """
    times = _increasing(times)
    if _known(dt) and not 0 < dt < np.inf:
        raise ValueError(f"dt={dt} must be positive and finite")
    shape = jax.eval_shape(noise, state).shape
    if len(shape) not in (1, 2) or shape[0] != state.shape[0]:
        raise ValueError(f"noise has shape {shape}, must be [d] or [d, m] as state")

    def mixing(t, y, args):
        matrix = noise(y)
        if matrix.ndim == 1:
            return lineax.DiagonalLinearOperator(matrix)
        return lineax.MatrixLinearOperator(matrix)

    path = diffrax.UnsafeBrownianPath(shape[-1:], key)
    return _integrate(
        diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, y, args: drift(y)),
            diffrax.ControlTerm(mixing, path),
        ),
        state,
        times,
        observe,
        solver=diffrax.Euler(),
        dt0=dt,
        stepsize_controller=diffrax.ConstantStepSize(),
        max_steps=None,
        # The path forgets its increments: fast, and enough to run forward.
        adjoint=diffrax.DirectAdjoint(),
    )


def gradient_flow(
    loss: Callable[[Any], Array],
    params: PyTree[Array],
    times: Float[Array, " times"],
    **options: Any,
) -> Trajectory:
    """Integrate dθ/dt = -∇L(θ); `loss` takes parameters only, options as `solve`."""

    def field(params):
        return jax.tree.map(jnp.negative, jax.grad(loss)(params))

    return solve(field, params, times, **options)


def _integrate(term, state, times, observe, *, dt0, **options) -> Trajectory:
    last = diffrax.SubSaveAt(t1=True)
    kept = diffrax.SubSaveAt(ts=times, fn=lambda t, y, args: observe(y))
    solution = diffrax.diffeqsolve(
        term,
        t0=times[0],
        t1=times[-1],
        dt0=dt0,
        y0=state,
        saveat=diffrax.SaveAt(subs=(kept, last)),
        **options,
    )
    records, final = solution.ys
    return Trajectory(times, records, jax.tree.map(lambda leaf: leaf[-1], final))


def _increasing(times: Array) -> Float[Array, " times"]:
    times = jnp.asarray(times, dtype=float)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError("times must be one axis of at least two times")
    if _known(times) and not (np.diff(np.asarray(times)) > 0).all():
        raise ValueError("times must increase")
    return times


def _known(value: Any) -> bool:
    return not isinstance(value, jax.core.Tracer)
