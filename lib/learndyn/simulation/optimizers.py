"""Update rules beside those of optax, as `optax.GradientTransformation`s.

>>> loss = potential(lambda params, key: params @ params, floor=-1.0)
>>> rule = energy_conserving(0.1, concentration=4.0)
>>> params = jnp.array([3.0, 4.0])
>>> updates, state = rule.update(jax.grad(loss)(params, None), rule.init(params))
>>> updates.round(6).tolist()  # length learning rate / √concentration, downhill
[-0.03, -0.04]
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree


class Energy(NamedTuple):
    """State of `energy_conserving`: its momentum is exp(log_size) · direction."""

    direction: PyTree[Array]  # unit vector over all leaves, or zero before step 1
    log_size: Float[Array, ""]


def potential(loss: Callable[[Any, Any], Array], floor: Any) -> Callable[..., Array]:
    """Return log(loss - floor), whose gradient `energy_conserving` asks for.

    `floor` (F₀) must lie below every loss that is met, on minibatches too: there
    the logarithm is not defined, and the run turns to NaN.
    """
    return lambda params, key: jnp.log(loss(params, key) - floor)


def energy_conserving(
    learning_rate: Any, *, concentration: Any, direction: PyTree[Array] | None = None
) -> optax.GradientTransformation:
    """Energy conserving descent (q = 1) by reversible midpoint steps of fixed length.

    A unit vector u turns downhill and the parameters move along it with unit speed,

        du/dt = -½ η D/(D - 1) (1 - uuᵀ) ∇log(F - F₀),

    in steps of length h = learning_rate / √η. The parameters that the optimizer
    sees are the midpoints of these steps: the turn is made there, exactly for the
    gradient held fixed, and two half steps are taken in one.

    Args:
        learning_rate: positive.
        concentration: η, positive: large ones follow the gradient closely.
        direction: launch, shaped like the parameters, of any length; downhill by
            default.

    The gradients given must be those of `potential(loss, floor)`. A gradient of
    zero leaves u as it is.

    Raises:
        ValueError: a number not positive (JAX's own arrays are not checked), or
            fewer than two parameters.
    """
    for name, number in (
        ("learning_rate", learning_rate),
        ("concentration", concentration),
    ):
        if not isinstance(number, jax.Array) and not number > 0:
            raise ValueError(f"{name}={number} must be positive")
    step = learning_rate / concentration**0.5

    def init(params):
        leaves = jax.tree.leaves(params)
        if sum(leaf.size for leaf in leaves) < 2:
            raise ValueError("params must hold at least two numbers: D/(D - 1)")
        start = optax.tree.zeros_like(params) if direction is None else direction
        return Energy(_unit(start)[0], jnp.zeros((), leaves[0].dtype))

    def update(gradient, state, params=None):
        size = sum(leaf.size for leaf in jax.tree.leaves(gradient))
        downhill, norm = _unit(optax.tree.scale(-1, gradient))
        rest = optax.tree.norm(state.direction) == 0
        u = jax.tree.map(lambda a, b: jnp.where(rest, b, a), state.direction, downhill)
        angle = step * concentration * size / (2 * (size - 1)) * norm
        cosine = optax.tree.vdot(u, downhill)
        # The turn, every hyperbolic function divided by exp(angle): no overflow.
        shrunk, gone = jnp.exp(-angle), -jnp.expm1(-2 * angle)
        along = gone + cosine * jnp.expm1(-angle) ** 2
        turned = jax.tree.map(lambda a, b: 2 * shrunk * a + along * b, u, downhill)
        growth = angle + jnp.log((2 - gone + cosine * gone) / 2)
        u = _unit(turned)[0]  # unit but for rounding, which would add up
        dtype = state.log_size.dtype
        updates = jax.tree.map(lambda a: (step * a).astype(a.dtype), u)
        return updates, Energy(u, (state.log_size + growth).astype(dtype))

    return optax.GradientTransformation(init, update)


def _unit(tree: PyTree[Array]) -> tuple[PyTree[Array], Array]:
    """Vector of length one along `tree` (zero for zero), and the length."""
    norm = optax.tree.norm(tree)
    safe = jnp.where(norm > 0, norm, 1.0)
    return jax.tree.map(lambda leaf: (leaf / safe).astype(leaf.dtype), tree), norm
