r"""Stabilisers, escape times and reduced models: training from symmetry to symmetry.

Squared loss carries ½, losses are means over samples, weight decay is
(γ/2)|θ|², time is t = η · step. Group actions on parameters are orthogonal.
(The source has losses without ½ and decay γ|θ|²; for squared losses its γ is
ours. Its two-layer linear network carries the ½ as here.)
"""

import numpy as np
from jaxtyping import Float
from scipy import optimize

from learndyn import checks
from learndyn.theory.linear_networks import learning_time, mode_loss

Values = float | Float[np.ndarray, "..."]


def group_average(
    elements: Float[np.ndarray, "group p p"],
) -> Float[np.ndarray, "p p"]:
    r"""Project onto the fixed space V_G: the mean of the group's matrices.

    Implements {eq}`symmetry_breaking-average`; its trace is dim V_G. `elements`
    are orthogonal matrices, all of a finite group or a fair sample of a compact
    one. ValueError if the mean is no projection (not all of a group). Source:
    standard (Reynolds operator).

    >>> group_average(np.array([[[1.0, 0], [0, 1]], [[0, 1], [1, 0]]]))
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    (elements,) = checks.finite(elements=elements)
    if elements.ndim != 3 or elements.shape[1] != elements.shape[2]:
        raise ValueError("elements must have shape [group, p, p]")
    mean = elements.mean(0)
    if np.abs(mean @ mean - mean).max() > 1e-10:
        raise ValueError("elements must be all matrices of a group: a full group")
    return mean


def merging_basis(sizes: list[int]) -> Float[np.ndarray, "units groups"]:
    r"""Orthonormal basis of the states in which units are equal by groups.

    Column k of {eq}`symmetry_breaking-basis` is 1/√m on the m units of group k.
    Parameters of a network of copies are this matrix times those of the reduced
    network, unit by unit. `sizes` are positive integers. Source: Ziyin et al. 2025.

    >>> merging_basis([1, 4])[:, 1]
    array([0. , 0.5, 0.5, 0.5, 0.5])
    """
    if not sizes or any(size < 1 or size != int(size) for size in sizes):
        raise ValueError(f"sizes={sizes} must be integers of at least 1")
    member = np.repeat(np.eye(len(sizes)), sizes, axis=0)
    return member / np.sqrt(np.asarray(sizes, dtype=float))


def stabilizer_dimension(hidden: int, rank: int) -> int:
    r"""Dimension of O(h - r), the stabiliser of a state of rank r.

    Implements {eq}`symmetry_breaking-stabilizer`, (h - r)(h - r - 1)/2, for 0 <=
    rank <= hidden. Source: Ziyin et al. 2025.

    >>> [stabilizer_dimension(8, r) for r in range(5)]
    [28, 21, 15, 10, 6]
    """
    if not 0 <= rank <= hidden:
        raise ValueError(f"rank={rank} must lie in 0 … hidden={hidden}")
    return (hidden - rank) * (hidden - rank - 1) // 2


def action_spectrum(
    strengths: Float[np.ndarray, "... modes"], hidden: int
) -> Float[np.ndarray, "... generators"]:
    r"""Singular values of the map from so(h) to parameter velocities, descending.

    Implements {eq}`symmetry_breaking-action`: √(a_i + a_j), i < j, for a balanced
    two-layer linear network with mode strengths a >= 0 (padded by zeros to
    `hidden`); shape [..., h(h - 1)/2]. Source: the chapter.

    >>> action_spectrum(np.array([4.0, 0.0]), 3)
    array([2., 2., 0.])
    """
    (a,) = checks.finite(strengths=strengths)
    if np.any(a < 0) or a.shape[-1] > hidden:
        raise ValueError(f"strengths must be at least 0, at most hidden={hidden} many")
    a = np.concatenate([a, np.zeros((*a.shape[:-1], hidden - a.shape[-1]))], -1)
    i, j = np.triu_indices(hidden, 1)
    return -np.sort(-np.sqrt(a[..., i] + a[..., j]), axis=-1)


def staircase(
    s: Float[np.ndarray, " modes"],
    a0: Values,
    hidden: int,
    decay: float = 0.0,
) -> tuple[Float[np.ndarray, " jumps"], np.ndarray, list[int]]:
    r"""Times of the drops, plateau losses and stabiliser dimensions in between.

    Implements {eq}`symmetry_breaking-staircase` for a balanced two-layer linear
    network with singular values s, started at mode strengths `a0` (one number, or
    one for each mode). Only modes with s - γ > a0 break symmetry, at time 0 if half
    grown by then; losses are of the data, ½ Σ (s - a)², one more than times.
    Source: Saxe et al. 2014 for the times; Ziyin et al. 2025 for the stabilisers;
    decay in the chapter.

    >>> times, losses, dimensions = staircase(np.array([2.0, 1.0]), 1e-4, 3)
    >>> times.round(2), losses, dimensions
    (array([2.48, 4.61]), array([2.5, 0.5, 0. ]), [3, 1, 0])
    """
    s, a0 = checks.finite(s=s, a0=a0)
    a0 = np.broadcast_to(a0, s.shape)
    if np.any(a0 <= 0) or np.any(s <= 0) or decay < 0 or len(s) > hidden:
        raise ValueError("s and a0 must be positive, decay >= 0, modes <= hidden")
    grown = np.flatnonzero(s - decay > a0)
    times = np.maximum(learning_time(0.5, s[grown] - decay, a0[grown]), 0.0)
    order = grown[np.argsort(times)]
    strengths = np.zeros((len(order) + 1, len(s)))
    for r, mode in enumerate(order, 1):
        strengths[r:, mode] = s[mode] - decay
    dimensions = [stabilizer_dimension(hidden, r) for r in range(len(order) + 1)]
    losses = np.asarray(mode_loss(strengths, s))
    return np.sort(times), losses, dimensions


def escape_time(
    start: Values, end: Values, rate: Values, eta: Values = 0.0, force: Values = 0.0
) -> Values:
    r"""Time in which an asymmetry grows from `start` to `end` beside a saddle.

    Implements {eq}`symmetry_breaking-escape`: descent s ← s + η(κs + f) with rate
    κ > 0 and a constant force f >= 0 gives η/ln(1 + ηκ) · ln((end + f/κ)/(start +
    f/κ)); flow for η = 0. Infinite for start = force = 0. Arguments broadcast,
    0 <= start <= end. Source: the chapter; Ziyin et al. 2025 for f = 0.

    >>> round(float(escape_time(1e-3, 1.0, 0.5)), 4), float(escape_time(0.0, 1, 1))
    (13.8155, inf)
    """
    start, end, rate, eta, force = checks.finite(
        start=start, end=end, rate=rate, eta=eta, force=force
    )
    if np.any(rate <= 0) or np.any(eta < 0) or np.any(force < 0):
        raise ValueError("rate must be positive, eta and force at least 0")
    if np.any(start < 0) or np.any(start > end):
        raise ValueError("start must lie between 0 and end")
    small = np.where(eta * rate > 1e-12, eta * rate, 1.0)
    clock = np.where(eta * rate > 1e-12, small / np.log1p(small), 1.0) / rate
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(end + force / rate) - np.log(start + force / rate)
    return np.where(start == end, 0.0, clock * grown)[()]


def best_readout(
    w: Float[np.ndarray, "units d"],
    x: Float[np.ndarray, "n d"],
    slope: Float[np.ndarray, "n outputs"],
    decay: float,
) -> Float[np.ndarray, "units outputs"]:
    r"""Output weights that a unit tanh(w·x) has at any stationary point, a(w).

    Implements {eq}`symmetry_breaking-readout`, -(1/(γn)) Σ ∂ℓ/∂f tanh(w·x), with
    `slope` ∂ℓ/∂f of every sample and output (for squared loss f - y) and decay
    γ > 0. A bias is a column of ones in x. Source: the chapter.

    >>> best_readout(np.array([[50.0]]), np.array([[1.0]]), np.array([[-2.0]]), 0.5)
    array([[4.]])
    """
    w, x, slope = checks.finite(w=w, x=x, slope=slope)
    if not decay > 0:
        raise ValueError(f"decay={decay} must be positive")
    return -np.tanh(w @ x.T) @ slope / (decay * len(x))


def unit_landscape(
    w: Float[np.ndarray, "units d"],
    x: Float[np.ndarray, "n d"],
    slope: Float[np.ndarray, "n outputs"],
    decay: float,
) -> Float[np.ndarray, " units"]:
    r"""The function of w at whose critical points all units sit, A(w).

    Implements {eq}`symmetry_breaking-landscape`, ½|a(w)|² - ½|w|² with a(w) of
    `best_readout`; the same for all units. Source: the chapter.

    >>> unit_landscape(np.array([[3.0]]), np.zeros((1, 1)), np.ones((1, 1)), 1.0)
    array([-4.5])
    """
    a = best_readout(w, x, slope, decay)
    return np.sum(a**2, -1) / 2 - np.sum(w**2, -1) / 2


def unit_positions(
    starts: Float[np.ndarray, "starts d"],
    x: Float[np.ndarray, "n d"],
    slope: Float[np.ndarray, "n outputs"],
    decay: float,
) -> Float[np.ndarray, "positions d"]:
    r"""Distinct critical points of `unit_landscape` found from `starts`, one per ±w.

    Newton's method on w = Σ_o a_o(w) ∂a_o/∂w, {eq}`symmetry_breaking-critical`;
    all of them only if the starts are dense enough. Zero is among them (if a start
    leads there). Source: the chapter.

    >>> x, slope = np.array([[1.0], [-1.0]]), np.array([[-1.0], [1.0]])
    >>> unit_positions(np.linspace(0, 2, 9)[:, None], x, slope, 0.5).round(4)
    array([[0.    ],
           [1.1215]])
    """
    starts, x, slope = checks.finite(starts=starts, x=x, slope=slope)
    best_readout(starts, x, slope, decay)  # refuses a decay out of range

    def pull(w):
        t = np.tanh(x @ w)
        a = -t @ slope / (decay * len(x))
        steep = -(x * (1 - t**2)[:, None]).T @ slope / (decay * len(x))
        bend = (x.T * (2 * t * (1 - t**2) * (slope @ a))) @ x / (decay * len(x))
        return steep @ a - w, steep @ steep.T + bend - np.eye(len(w))

    found: list[np.ndarray] = []
    for start in starts:
        end = optimize.root(pull, start, jac=True, tol=1e-13)
        if not np.all(np.isfinite(end.x)):
            continue
        lead = end.x[np.argmax(np.abs(end.x))]
        w = end.x * (np.sign(lead) or 1.0)
        w = np.where(np.abs(w) < 1e-8, 0.0, w)
        good = np.abs(pull(w)[0]).max() < 1e-9
        if good and all(np.abs(w - other).max() > 1e-5 for other in found):
            found.append(w)
    return np.array(sorted(found, key=lambda w: tuple(w.round(6))))
