"""Training as one scan, and grids of runs as nested `vmap`s.

A new update rule is an `optax.GradientTransformation`; minibatches, label noise
and online data come in through `loss(params, key)`. Time is t = η · step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, PyTree


class Run(NamedTuple):
    """What one training run leaves behind."""

    steps: Int[Array, "*grid saves"]
    records: PyTree[Array]  # observe(params, state) at these steps, on one axis
    totals: PyTree[Array]  # running sum of total(params, gradient), likewise
    params: PyTree[Array]  # after the last step
    state: PyTree[Array]  # optimizer state after the last step


def descend(
    loss: Callable[[Any, Any], Array],
    params: PyTree[Array],
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    every: int,
    observe: Callable[[Any, Any], PyTree[Array]],
    key: Key[Array, ""],
    total: Callable[[Any, Any], PyTree[Array]] | None = None,
) -> Run:
    """Take `steps` optimizer steps on `loss(params, key)`, a fresh key each.

    Args:
        loss: scalar function of parameters and a key (ignore the key for full
            batch).
        params: initial parameters.
        optimizer: any optax transformation; its state starts at `init(params)`.
        steps: number of steps, a multiple of `every`.
        every: `observe(params, state)` is recorded before steps 0, every,
            2 every, …, so `records[0]` belongs to the initial parameters.
        observe: what to keep, a function of parameters and optimizer state.
        key: random key of the run, split into one key a step.
        total: `total(params, gradient)` is added up at every step, with the
            gradient of that step's loss before the optimizer; its running sum is
            recorded at the same steps, starting from zero.

    Raises:
        ValueError: `steps` or `every` not positive, or `every` not a divisor.
    """
    if steps <= 0 or every <= 0 or steps % every:
        raise ValueError(
            f"every={every} must be positive and divide steps={steps} (positive)"
        )
    total = total or (lambda params, gradient: ())

    def step(carry, step_key):
        params, state, running = carry
        gradient = jax.grad(loss)(params, step_key)
        running = jax.tree.map(jnp.add, running, total(params, gradient))
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state, running), None

    def block(carry, step_keys):
        params, state, running = carry
        record = observe(params, state), running
        carry, _ = jax.lax.scan(step, carry, step_keys)
        return carry, record

    shapes = jax.eval_shape(total, params, params)
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    keys = jax.random.split(key, (steps // every, every))
    (params, state, _), (records, totals) = jax.lax.scan(
        block, (params, optimizer.init(params), zero), keys
    )
    return Run(jnp.arange(0, steps, every), records, totals, params, state)


def sweep(run: Callable[..., PyTree[Array]], **axes: PyTree[Array]) -> PyTree[Array]:
    """Call `run` at every point of the grid spanned by `axes`, compiled once.

    `sweep(run, lr=lrs, key=keys)` returns what `run(lr=…, key=…)` returns, with
    two leading axes, lr then key. A width changes shapes: loop over it in Python,
    as over the weights of a convolution (nothing is gained by mapping those on a
    CPU).

    Raises:
        ValueError: no axis given, or an axis that is empty or a scalar.
    """
    if not axes:
        raise ValueError("axes: name at least one, as in sweep(run, key=keys)")
    for name, values in axes.items():
        for leaf in jax.tree.leaves(values):
            if jnp.ndim(leaf) == 0 or len(leaf) == 0:
                raise ValueError(f"axis {name} must have at least one leading entry")

    def call(*point):
        return run(**dict(zip(axes, point, strict=True)))

    for inner in reversed(range(len(axes))):
        call = jax.vmap(call, [0 if i == inner else None for i in range(len(axes))])
    return jax.jit(call)(*axes.values())
