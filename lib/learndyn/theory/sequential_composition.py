r"""Composing k elements of a finite group: which irrep, when, how far, how wide.

Encodings x_g[h] = x[gh] of a zero-mean template x with one value per element of
the group (n = |G| of them), target x_{g₁⋯g_k};
f(g₁, …, g_k) = Σ_i w_i (Σ_j u_ijᵀ x_{g_j})^k. Loss L = ½ mean over all n^k
sequences of |x_{g₁⋯g_k} - f|², summed over the n outputs. Time is t = learning
rate × step. Fourier transforms are those of `learndyn.groups`,
x̂[ρ] = Σ_g x[g] ρ(g)†; what depends on the block of irreps that real signals excite
together (`group.blocks`) has blocks on its last axis.
"""

from collections.abc import Iterator
from itertools import product
from math import comb, factorial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from learndyn import groups

Signal = Float[np.ndarray, " n"]


class Staircase(NamedTuple):
    """What is predicted of one training run; see `staircase`."""

    order: Int[np.ndarray, " steps"]  # indices into group.blocks
    levels: Float[np.ndarray, " levels"]  # one more than steps: level 0 is the start
    bounds: Float[np.ndarray, " steps"]


def real_dimensions(group: groups.Group) -> Int[np.ndarray, " blocks"]:
    r"""Dimension over the reals of the irreducible real representation of each block.

    Implements {eq}`sequential_composition-dimension`: d_ρ for an irrep of real type,
    2 d_ρ for a conjugate pair and for a quaternionic irrep. Source: Marchetti et al.
    2026 write C_ρ n_ρ; that C_ρ = 2 for the quaternionic type too: the chapter.

    >>> real_dimensions(groups.quaternion()).tolist()
    [1, 1, 1, 1, 4]
    """
    return np.array(
        [
            group.irreps[block[0]].dimension
            * (1 if group.indicator(block[0]) == 1 else 2)
            for block in group.blocks
        ]
    )


def maximal_utility(
    group: groups.Group, x: Signal, k: int
) -> Float[np.ndarray, " blocks"]:
    r"""Largest utility of a unit neuron in each block.

    Implements {eq}`sequential_composition-maximum`, with the operator norm of x̂[ρ].
    The largest of them is the maximum over the sphere. k ≥ 2.
    Source: Marchetti et al. 2026 (order); constant and quaternionic case: the chapter.

    >>> x = np.array([1.0, -1.0])
    >>> bool(np.isclose(maximal_utility(groups.cyclic(2), x, 2)[1], 2 * 8 / 6**1.5))
    True
    """
    transform = _transform(group, x)
    _length(k)
    norms = [np.linalg.norm(transform[block[0]], 2) for block in group.blocks]
    scores = np.array(norms) ** (k + 1) / real_dimensions(group) ** ((k - 1) / 2)
    return factorial(k) / ((k + 1) * group.order) ** ((k + 1) / 2) * scores


def utility(
    group: groups.Group,
    x: Signal,
    u: Float[np.ndarray, "*batch k n"],
    w: Float[np.ndarray, "*batch n"],
) -> Float[np.ndarray, "*batch blocks"]:
    r"""Utility of neurons (u₁, …, u_k, w) against the target, split by blocks.

    Implements {eq}`sequential_composition-trace`; blocks that are learned already
    are gone from the residual and must be left out of the sum. Degree k + 1 in the
    neuron. Source: Marchetti et al. 2026.

    >>> x = np.array([1.0, -1.0])
    >>> float(utility(groups.cyclic(2), x, np.stack([x, x]), x)[1])
    16.0
    """
    transform = _transform(group, x)
    if np.ndim(u) < 2 or np.shape(u)[:-2] != np.shape(w)[:-1]:
        raise ValueError("u must have shape [..., k, n] and w [..., n]")
    k = _length(np.shape(u)[-2])
    parts = []
    for template, inner, outer in zip(
        transform, groups.fourier(group, u), groups.fourier(group, w), strict=True
    ):
        chain = np.swapaxes(outer.conj(), -1, -2) @ template
        for j in range(k):
            chain = chain @ template.conj().T @ inner[..., j, :, :]
        trace = np.trace(chain, axis1=-2, axis2=-1).real
        parts.append(factorial(k) * len(template) / group.order ** (k + 1) * trace)
    return np.stack([sum(parts[i] for i in block) for block in group.blocks], axis=-1)


def aligned_part(group: groups.Group, x: Signal, block: int, k: int) -> Signal:
    r"""Signal a of norm 1/√(k + 1) such that u₁ = … = u_k = w = a is best in a block.

    Implements {eq}`sequential_composition-aligned`: the real part of the signal with
    Fourier coefficient p q†, the top singular vectors of x̂[ρ]. Source: the chapter.

    >>> x = np.array([1.0, -1.0])
    >>> aligned_part(groups.cyclic(2), x, 1, 2).round(4)
    array([ 0.4082, -0.4082])
    """
    transform = _transform(group, x)
    _length(k)
    if not 0 <= block < len(group.blocks):
        raise ValueError(f"block={block} must lie in 0 … {len(group.blocks) - 1}")
    chosen = group.blocks[block][0]
    if not transform[chosen].any():
        raise ValueError(f"block={block} must be one that the template has")
    left, _, right = np.linalg.svd(transform[chosen])
    outer = np.outer(left[:, 0], right[0])
    part = groups.inverse_fourier(
        group,
        [outer if i == chosen else 0 * c for i, c in enumerate(transform)],
    ).real
    return part / np.linalg.norm(part) / np.sqrt(k + 1)


def staircase(group: groups.Group, x: Signal, k: int, norm: float) -> Staircase:
    r"""Order of the blocks, losses between the jumps, lower bounds of the times.

    Implements {eq}`sequential_composition-levels` and
    {eq}`sequential_composition-clock`: blocks by falling maximal utility (those that
    the template lacks left out), ½ Σ P_ρ of what is not learned yet, and
    log(1/norm)/((k + 1) U*), the time from `norm` to 1 with steps per neuron. The
    bound is meant for the first jump; later ones come later than theirs.
    0 < norm ≤ 1. Source: Marchetti et al. 2026; AGF: Kunin et al. 2025.

    >>> found = staircase(groups.cyclic(2), np.array([1.0, -1.0]), 2, 0.1)
    >>> found.order.tolist(), found.levels.tolist()
    ([1], [1.0, 0.0])
    """
    if not 0 < norm <= 1:
        raise ValueError(f"norm={norm} must lie in (0, 1]")
    best, power = maximal_utility(group, x, k), groups.power(group, x)
    order = np.argsort(-best, kind="stable")
    order = order[best[order] > 0]
    levels = np.append(np.cumsum(power[order][::-1])[::-1] / 2, 0.0)
    return Staircase(order, levels, -np.log(norm) / ((k + 1) * best[order]))


def order_gap(group: groups.Group, x: Signal) -> Float[np.ndarray, " blocks"]:
    r"""Mean of |x_ab - x_ba|² over all pairs, split by blocks.

    Implements {eq}`sequential_composition-gap`: 2 P_ρ (1 - 1/d_ρ²), which vanishes
    for one-dimensional irreps. Source: derived in the chapter.

    >>> order_gap(groups.cyclic(3), np.array([1.0, 0.0, -1.0])).tolist()
    [0.0, 0.0]
    """
    _transform(group, x)
    d = np.array([group.irreps[block[0]].dimension for block in group.blocks])
    return 2 * groups.power(group, x) * (1 - 1.0 / d**2)


def exact_network(
    group: groups.Group, x: Signal, k: int
) -> tuple[Float[np.ndarray, "neurons k n"], Float[np.ndarray, "neurons n"]]:
    r"""Weights u, w of a two-layer network with activation z^k and no error.

    Implements {eq}`sequential_composition-construction`. A block of real type takes
    2^{k-1} d^{k+1} neurons, any other k + 1 times as many; x̂[ρ] must be zero or
    invertible. With k = 2 the network composes two elements, and its outputs may be
    its inputs. Source: Marchetti et al. 2026 (cyclic groups); any group: the chapter.

    >>> [part.shape for part in exact_network(groups.cyclic(2), np.array([1.0, -1]), 3)]
    [(4, 3, 2), (4, 2)]
    """
    transform = _transform(group, x)
    _length(k)
    if group.order * 2**k > 4096:
        raise ValueError(f"k={k} must keep |G| 2^k at or below 4096")
    neurons = [
        neuron
        for block in group.blocks
        if transform[block[0]].any()
        for neuron in _block_neurons(group, transform[block[0]], block, k)
    ]
    u, w = zip(*neurons, strict=True)
    return np.array(u), np.array(w)


def loss_floor(
    k: int, width: int | Int[np.ndarray, "..."]
) -> float | Float[np.ndarray, "..."]:
    r"""Lower bound of L over its value for no neurons, one frequency on C_p, p > 2k.

    Implements {eq}`sequential_composition-floor`: positive as long as the width is
    below the binomial coefficient of k over ⌊k/2⌋. k ≥ 2, width ≥ 0, and a frequency
    that is prime to p.
    Source: derived in the chapter.

    >>> float(loss_floor(2, 1)), float(loss_floor(3, 3))
    (0.25, 0.0)
    """
    _length(k)
    if not np.all(np.asarray(width) >= 0):
        raise ValueError(f"width={width} must be at least 0")
    m = k // 2
    weight = max(4**a * comb(k - 2 * a, m - a) for a in range(m + 1))
    return np.maximum(comb(k, m) - np.asarray(width, dtype=float), 0) / weight


def _block_neurons(
    group: groups.Group, template: np.ndarray, block: tuple[int, ...], k: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Neurons (u, w) of one block: every path of indices, phase and choice of signs."""
    if np.linalg.cond(template) > 1e9:
        raise ValueError("x must have Fourier coefficients that are zero or invertible")
    rho, n = group.irreps[block[0]].matrices, group.order
    d, phases = rho.shape[1], 1 if group.indicator(block[0]) == 1 else k + 1
    first = np.swapaxes(rho.conj(), 1, 2)  # contracted with x_g it gives x̂_g
    later = np.linalg.inv(template) @ first
    scale = len(block) * d / n / (factorial(k) * 2 ** (k - 1))
    scale *= 1 if phases == 1 else 2**k / phases
    for path in product(range(d), repeat=k + 1):
        factors = [(later if j else first)[:, path[j], path[j + 1]] for j in range(k)]
        for shift in np.pi * np.arange(phases) / (k + 1):
            u = (np.exp(-1j * shift) * np.array(factors)).real
            w = scale * (np.exp(1j * k * shift) * rho[:, path[k], path[0]]).real
            for rest in product((1, -1), repeat=k - 1):
                signs = np.array((1, *rest))
                yield signs[:, None] * u, signs.prod() * w


def _transform(group: groups.Group, x: Signal) -> list[np.ndarray]:
    """Coefficients of the template, rounding put to zero."""
    if np.ndim(x) != 1 or len(x) != group.order or not np.isfinite(x).all():
        raise ValueError(f"x must hold {group.order} finite values")
    size = np.abs(x).max()
    if size == 0 or np.abs(np.mean(x)) > 1e-12 * size:
        raise ValueError("x must have mean zero and not vanish")
    rounding = 1e-11 * size * group.order
    return [
        c if np.abs(c).max() > rounding else 0 * c for c in groups.fourier(group, x)
    ]


def _length(k: int) -> int:
    if k != int(k) or k < 2:
        raise ValueError(f"k={k} must be a whole number from 2 on")
    return k
