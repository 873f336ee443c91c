"""What is measured on parameters: curvature, kernels, charges, ranks.

Dense kernels have shape (in, out), convolutions (height, width, in, out); a unit
of a layer is an entry of its last axis.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree


def ntk(
    apply: Callable[[Any, Array], Array],
    params: PyTree[Array],
    x: Array,
    other: Array | None = None,
) -> Float[Array, "n outputs m outputs"]:
    """Neural tangent kernel Σ_θ ∂f(x)/∂θ ∂f(x')/∂θ, without any 1/width."""

    def jacobian(inputs):
        def flat(vector):
            return apply(unravel(vector), inputs)

        vector, unravel = ravel_pytree(params)
        return jax.jacrev(flat)(vector)

    left = jacobian(x)
    right = left if other is None else jacobian(other)
    return jnp.einsum("iap,jbp->iajb", left, right)


def hessian_vector(
    loss: Callable[[Any], Array], params: PyTree[Array], vector: PyTree[Array]
) -> PyTree[Array]:
    """Hessian of `loss` at `params` applied to `vector`, a pytree like `params`."""
    return jax.jvp(jax.grad(loss), (params,), (vector,))[1]


def hessian_modes(
    loss: Callable[[Any], Array],
    params: PyTree[Array],
    *,
    key: Key[Array, ""],
    iterations: int = 30,
) -> tuple[Float[Array, " iterations"], Float[Array, "iterations parameters"]]:
    """Ritz values of the Hessian by Lanczos, ascending, and their vectors as rows.

    The outer ones converge first. Fully reorthogonalised; can stand in `observe`. A
    Krylov space that is exhausted early shows as repeated zeros. The vectors belong to
    the flat parameters (`ravel_pytree`).

    Raises:
        ValueError: `iterations` not between 1 and the number of parameters.
    """
    flat, unravel = ravel_pytree(params)
    if not 1 <= iterations <= flat.size:
        raise ValueError(f"iterations={iterations} must lie in 1 … {flat.size}")

    def step(carry, i):
        basis, vector = carry
        basis = basis.at[i].set(vector)
        image = ravel_pytree(hessian_vector(loss, params, unravel(vector)))[0]
        diagonal = vector @ image
        for _ in range(2):  # one pass leaves rounding that grows with `i`
            image -= basis.T @ (basis @ image)
        norm = jnp.linalg.norm(image)
        vector = jnp.where(norm > 1e-14, image / jnp.maximum(norm, 1e-300), 0.0)
        return (basis, vector), (diagonal, norm)

    start = jax.random.normal(key, flat.shape, flat.dtype)
    empty = jnp.zeros((iterations, flat.size), flat.dtype)
    (basis, _), (diagonal, off) = jax.lax.scan(
        step, (empty, start / jnp.linalg.norm(start)), jnp.arange(iterations)
    )
    tridiagonal = jnp.diag(diagonal) + jnp.diag(off[:-1], 1) + jnp.diag(off[:-1], -1)
    values, mixing = jnp.linalg.eigh(tridiagonal)
    return values, mixing.T @ basis


def hessian_spectrum(
    loss: Callable[[Any], Array],
    params: PyTree[Array],
    *,
    key: Key[Array, ""],
    iterations: int = 30,
) -> Float[Array, " iterations"]:
    """Ritz values of the Hessian, ascending; see `hessian_modes`."""
    return hessian_modes(loss, params, key=key, iterations=iterations)[0]


def sharpness(
    loss: Callable[[Any], Array],
    params: PyTree[Array],
    *,
    key: Key[Array, ""],
    iterations: int = 30,
) -> Float[Array, ""]:
    """Largest eigenvalue of the Hessian; see `hessian_spectrum`."""
    return hessian_spectrum(loss, params, key=key, iterations=iterations)[-1]


def balancedness(weights: Sequence[Float[Array, "_ _"]]) -> list[Array]:
    """W_{l+1}ᵀ W_{l+1} - W_l W_lᵀ of neighbouring layers of a linear network.

    Raises:
        ValueError: fewer than two layers.
    """
    if len(weights) < 2:
        raise ValueError(f"weights must hold at least 2 layers, got {len(weights)}")
    return [after.T @ after - before @ before.T for before, after in pairwise(weights)]


def effective_rank(matrix: Float[Array, "rows columns"]) -> Float[Array, ""]:
    """Exponential of the entropy of the normalised singular values; 0 for 0.

    Source: Roy and Vetterli 2007.
    """
    values = jnp.linalg.svd(matrix, compute_uv=False)
    total = values.sum()
    share = values / jnp.where(total > 0, total, 1.0)
    logs = jnp.log(jnp.where(share > 0, share, 1.0))
    return jnp.where(total > 0, jnp.exp(-jnp.sum(share * logs)), 0.0)


def translation_charge(kernel: Array) -> Array:
    """Sum over the classes of weights that enter a softmax, one per input."""
    return kernel.sum(-1)


def scale_charge(kernel: Array) -> Float[Array, " units"]:
    """Squared norm of the incoming weights of each unit."""
    return jnp.sum(kernel**2, axis=tuple(range(kernel.ndim - 1)))


def rescale_charge(incoming: PyTree[Array], outgoing: Array) -> Float[Array, " units"]:
    """|incoming|² - |outgoing|² of each hidden unit of a homogeneous layer.

    Args:
        incoming: kernel and, if the layer has one, bias; units on the last axis.
        outgoing: kernel of the next layer, units on the last axis but one.
    """
    received = sum(scale_charge(leaf) for leaf in jax.tree.leaves(incoming))
    return received - scale_charge(jnp.swapaxes(outgoing, -1, -2))


def drift(charges: Float[Array, "times *shape"]) -> Float[Array, ""]:
    """Largest |C(t) - C(0)| over times and units, over the largest |C(0)|.

    Raises:
        ValueError: fewer than two times.
    """
    if len(charges) < 2:
        raise ValueError("charges must hold at least two times")
    return jnp.abs(charges - charges[:1]).max() / jnp.abs(charges[0]).max()
