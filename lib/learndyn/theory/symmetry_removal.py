r"""Removing mirrors by a frozen shift: tilt, escape force, escape time, bias.

Used parameters ψ = θ + θ₀, with θ₀ frozen; total loss L₀(ψ) + (γ/2)|ψ - θ₀|². γ is
`decay`, θ₀ is `anchor`; squared loss carries ½, every loss 1/n; time t = η · step. A
mirror is given by orthonormal normals, the columns of O; s = Oᵀψ, P = OOᵀ. The source
(Ziyin, Xu, Chuang 2025) writes γ|θ|² without ½: its force 2γPθ₀ is γPθ₀ here.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

from learndyn import checks
from learndyn.theory.mirror_symmetry import reflect, soft_threshold

Values = float | Float[np.ndarray, "..."]


def violation(
    psi: Float[np.ndarray, "... p"],
    normals: Float[np.ndarray, "p k"],
    anchor: Float[np.ndarray, " p"],
    decay: float,
    weights: Values = 1.0,
) -> Values:
    r"""Change of the total loss under a mirror of L₀, L(Rψ) - L(ψ).

    Implements {eq}`symmetry_removal-violation`, which for equal `weights` D = 1 is
    2γ (Oᵀψ)·(Oᵀθ₀); `weights` [p] holds the positive D of the decay (γ/2)Σ Dθ². Any
    L₀ that the mirror leaves alone. Source: Ziyin 2025, half of its values.

    >>> float(violation(np.array([1.0, 3]), np.eye(2)[:, :1], np.array([0.5, 9]), 1.0))
    1.0
    """
    psi, anchor, weights = checks.finite(psi=psi, anchor=anchor, weights=weights)
    checks.positive("decay", decay, zero=True)
    checks.positive("weights", weights)
    across = (psi - reflect(psi, normals)) / 2
    middle = psi - across - anchor
    return -2 * decay * (across * weights * middle).sum(-1)


def escape_force(
    normals: Float[np.ndarray, "p k"], anchor: Float[np.ndarray, " p"], decay: float
) -> Float[np.ndarray, " p"]:
    r"""Force -P∇L on a mirror: γPθ₀ at every point of it, {eq}`symmetry_removal-force`.

    L₀ is differentiable and even across the mirror. Source: Ziyin 2025, who has 2γPθ₀.

    >>> escape_force(np.eye(2)[:, :1], np.array([0.5, 9.0]), 0.1)
    array([0.05, 0.  ])
    """
    (anchor,) = checks.finite(anchor=anchor)
    checks.positive("decay", decay, zero=True)
    return decay * (anchor - reflect(anchor, normals)) / 2


def expected_force(codimension: Values, scale: Values, decay: Values) -> Values:
    r"""Mean size of the force on a mirror of `codimension` k, θ₀ ~ N(0, σ₀²).

    Implements {eq}`symmetry_removal-size`: γσ₀√2 Γ((k+1)/2)/Γ(k/2), between 0.79 and 1
    of γσ₀√k. `scale` is σ₀. Source: the chapter.

    >>> round(float(expected_force(1, 1.0, 1.0)), 6)
    0.797885
    """
    k, scale, decay = checks.finite(codimension=codimension, scale=scale, decay=decay)
    if not np.all(k >= 1):
        raise ValueError("codimension must be at least 1")
    checks.positive("scale", scale, zero=True)
    checks.positive("decay", decay, zero=True)
    log = special.gammaln((k + 1) / 2) - special.gammaln(k / 2)
    return decay * scale * np.sqrt(2) * np.exp(log)


def surviving_normals(anchor: Float[np.ndarray, "m h"]) -> Float[np.ndarray, "h k"]:
    r"""Orthonormal n with Θ₀n = 0: rotation mirrors that equal decays leave alone.

    Implements {eq}`symmetry_removal-survivors`, for a loss of Θ ∈ R^{m×h} with
    L₀(ΘQ) = L₀(Θ), Q orthogonal; k = h - rank Θ₀, and the group left over is O(k).
    Source: the chapter.

    >>> surviving_normals(np.array([[3.0, 0.0]])).T ** 2
    array([[0., 1.]])
    """
    (anchor,) = checks.finite(anchor=anchor)
    _, sizes, rows = np.linalg.svd(anchor)
    rank = int((sizes > 1e-12 * max(sizes.max(initial=0), 1e-300)).sum())
    return rows[rank:].T


def departure(t: Values, curvature: Values, push: Values, decay: Values) -> Values:
    r"""Distance s(t) from a mirror that was left at t = 0, along one normal.

    Implements {eq}`symmetry_removal-departure`: the flow ds/dt = -(h + γ)s + γb, with
    `curvature` h an eigenvalue of OᵀHO of L₀ and `push` b the component of θ₀. Units:
    s as b, t as 1/h. Arguments broadcast. Source: the chapter.

    >>> float(departure(2.0, -1.0, 0.5, 1.0)), float(departure(np.inf, 1.0, 0.5, 1.0))
    (1.0, 0.25)
    """
    t, h, b, decay = _broadcast(t=t, curvature=curvature, push=push, decay=decay)
    checks.positive("t", np.where(np.isinf(t), 1, t), zero=True)
    checks.positive("decay", decay, zero=True)
    m = h + decay
    with np.errstate(over="ignore", invalid="ignore"):
        grown = np.where(m == 0, t, -np.expm1(-m * t) / np.where(m == 0, 1, m))
        return np.where(decay * b == 0, 0.0, decay * b * grown)[()]


def escape_time(size: Values, curvature: Values, push: Values, decay: Values) -> Values:
    r"""Time at which |s| reaches `size` > 0; infinite if it never does.

    Inverse of `departure`, {eq}`symmetry_removal-time`: for κ = -(h + γ) > 0 it is
    (1/κ) log(1 + κ size/(γ|b|)). Source: the chapter.

    >>> float(escape_time(1.0, -1.0, 0.5, 1.0)), float(escape_time(1.0, 1.0, 0.5, 1.0))
    (2.0, inf)
    """
    size, h, b, decay = _broadcast(
        size=size, curvature=curvature, push=push, decay=decay
    )
    checks.positive("size", size)
    checks.positive("decay", decay, zero=True)
    m, force = h + decay, decay * np.abs(b)
    reached = (force > 0) & (m * size < force)
    ratio = size / np.where(reached, force, np.inf)
    slow = np.where(m == 0, 1.0, m)
    t = np.where(m == 0, ratio, -np.log1p(-m * ratio) / slow)
    return np.where(reached, t, np.inf)[()]


def tilted_product(
    target: Values, decay: Values, anchor: Float[np.ndarray, "... 2"]
) -> Float[np.ndarray, "... 2"]:
    r"""Weights (u, w) at the global minimum of ½(c - uw)² + (γ/2)|(u, w) - θ₀|².

    Implements {eq}`symmetry_removal-quintic`: roots of a polynomial in the residual
    x = c - uw, polished by Newton's method, the lowest taken. `target` c, `decay` γ > 0
    and `anchor` [..., 2] broadcast. Of two equal minima one is returned. For θ₀ = 0 uw
    is `mirror_symmetry.soft_threshold`. Source: Ziyin 2025 for the model.

    >>> tilted_product(2.0, 1.0, np.zeros(2)).prod().round(12)
    np.float64(1.0)
    """
    c, decay = np.broadcast_arrays(*checks.finite(target=target, decay=decay))
    (anchor,) = checks.finite(anchor=anchor)
    checks.positive("decay", decay)
    shape = np.broadcast_shapes(c.shape, anchor.shape[:-1])
    rows = np.broadcast_to(anchor, (*shape, 2)).reshape(-1, 2)
    cases = [np.broadcast_to(part, shape).ravel() for part in (c, decay)]
    found = [_lowest(*case) for case in zip(*cases, rows, strict=True)]
    return np.reshape(found, (*shape, 2))


def _lowest(c: float, decay: float, anchor: Float[np.ndarray, " 2"]):
    if not anchor.any():
        p = soft_threshold(c, decay)
        return np.sqrt(np.abs(p)) * np.array([1.0, np.sign(p)])
    turn = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)  # (s, d) = turn (u, w)
    centre = np.array([anchor[0] + anchor[1], anchor[0] - anchor[1]]) / np.sqrt(2)
    s0, d0 = centre
    x = np.polynomial.Polynomial([0.0, 1.0])
    quintic = 2 * (c - x) * (decay**2 - x**2) ** 2
    quintic = quintic - decay**2 * (s0**2 * (decay + x) ** 2 - d0**2 * (decay - x) ** 2)
    roots = np.r_[quintic.roots().real, decay, -decay]
    tiny = 1e-9 * decay
    starts = [
        (decay * s0 / (decay - r), decay * d0 / (decay + r))
        for r in roots
        if abs(decay - r) > tiny and abs(decay + r) > tiny
    ]
    if s0 == 0:  # s is free at x = γ, d at x = -γ
        starts.append((np.sqrt(max(0.0, 2 * (c - decay) + d0**2 / 4)), d0 / 2))
    if d0 == 0:
        starts.append((s0 / 2, np.sqrt(max(0.0, s0**2 / 4 - 2 * (c + decay)))))
    plain = np.sqrt(2 * np.abs(soft_threshold(c, decay)))
    side = np.array([1.0, 0.0] if c > 0 else [0.0, 1.0])
    starts += [plain * side, -plain * side]
    best = min(starts, key=lambda z: _height(np.array(z), c, decay, centre))
    return turn @ _newton(np.array(best), c, decay, centre)


def _height(z, c, decay, centre):
    fit = (c - (z[0] ** 2 - z[1] ** 2) / 2) ** 2
    return 0.5 * fit + decay / 2 * np.sum((z - centre) ** 2)


def _newton(z, c, decay, centre):
    sign = np.array([-1.0, 1.0])

    def slope(z):
        return sign * (c - (z[0] ** 2 - z[1] ** 2) / 2) * z + decay * (z - centre)

    for _ in range(40):
        diagonal = sign * (c - (z[0] ** 2 - z[1] ** 2) / 2) + decay
        bend = np.diag(diagonal) + np.outer(sign * z, sign * z)
        step = z - np.linalg.lstsq(bend, slope(z))[0]
        if np.linalg.norm(slope(step)) >= np.linalg.norm(slope(z)):
            break
        z = step
    return z


def tilted_ridge(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    decay: float,
    anchor: Float[np.ndarray, " d"],
) -> Float[np.ndarray, " d"]:
    r"""Minimiser of |y - xψ|²/(2n) + (γ/2)|ψ - θ₀|²: ridge, moved by at most |θ₀|.

    Implements {eq}`symmetry_removal-ridge`, (A + γ)⁻¹(xᵀy/n + γθ₀), A = xᵀx/n, γ > 0.
    Source: Ziyin 2025, where the loss has no ½: same formula.

    >>> tilted_ridge(np.eye(1), np.array([2.0]), 1.0, np.array([1.0]))
    array([1.5])
    """
    x, y, anchor = checks.finite(x=x, y=y, anchor=anchor)
    checks.positive("decay", decay)
    gram = x.T @ x / len(x) + decay * np.eye(x.shape[1])
    return np.linalg.solve(gram, x.T @ y / len(x) + decay * anchor)


def _broadcast(**values) -> list[np.ndarray]:
    unlimited = {name: np.nan_to_num(v, nan=np.nan) for name, v in values.items()}
    checks.finite(**unlimited)
    return list(np.broadcast_arrays(*(np.asarray(v, float) for v in values.values())))
