"""Continuous time: gradient flow and other autonomous fields, by diffrax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

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
    times = jnp.asarray(times, dtype=float)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError("times must be one axis of at least two times")
    if _known(times) and not (np.diff(np.asarray(times)) > 0).all():
        raise ValueError("times must increase")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if _known(tolerance) and not 0 < tolerance < 1:
            raise ValueError(f"{name}={tolerance} must lie in (0, 1)")
    last = diffrax.SubSaveAt(t1=True)
    kept = diffrax.SubSaveAt(ts=times, fn=lambda t, y, args: observe(y))
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: field(y)),
        solver or diffrax.Tsit5(),
        times[0],
        times[-1],
        None,
        state,
        saveat=diffrax.SaveAt(subs=(kept, last)),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        max_steps=max_steps,
    )
    records, final = solution.ys
    return Trajectory(times, records, jax.tree.map(lambda leaf: leaf[-1], final))


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


def _known(value: Any) -> bool:
    return not isinstance(value, jax.core.Tracer)
