r"""Mirrors of the loss: curvature across them, critical decay, critical noise.

Total loss L₀ + (γ/2)|θ|², squared loss with ½, means over samples; γ is `decay`,
η is `eta`, time is t = η · step. (The source writes γ|θ|² and no ½: for squared
losses its γ is ours, for any other loss ours is twice its.) A mirror is given by
orthonormal normals, the columns of O; θ is reflected to (1 - 2OOᵀ)θ.
"""

import numpy as np
from jaxtyping import Float
from scipy import optimize, special

from learndyn import checks

Values = float | Float[np.ndarray, "..."]


def reflect(
    theta: Float[np.ndarray, "... p"], normals: Float[np.ndarray, "p k"]
) -> Float[np.ndarray, "... p"]:
    r"""Reflect θ at the mirror Oᵀθ = 0, {eq}`mirror_symmetry-reflection`.

    `normals` holds O, orthonormal columns. Source: Ziyin 2024, same symbols.

    >>> reflect(np.array([3.0, 1.0]), np.array([[1.0], [0.0]]))
    array([-3.,  1.])
    """
    (normals,) = checks.finite(normals=normals)
    gap = normals.T @ normals - np.eye(normals.shape[-1])
    if np.abs(gap).max() > 1e-10:
        raise ValueError("normals must have orthonormal columns")
    return theta - 2 * (theta @ normals) @ normals.T


def normal_curvature(
    slope: Float[np.ndarray, "n f"], bend: Float[np.ndarray, "samples outputs k k"]
) -> Float[np.ndarray, "k k"]:
    r"""Hessian of L₀ across the mirror, OᵀHO = mean of ∂ℓ/∂f · ∂²f/∂s².

    Implements {eq}`mirror_symmetry-residual`, on the mirror of a predictor f that
    is itself even in s. `slope` is ∂ℓ/∂f (for squared loss f - y) of each sample
    and output, `bend` the second derivative of f there. Source: the chapter.

    >>> normal_curvature(np.array([[-2.0]]), np.array([[[[0.0, 1], [1, 0]]]]))
    array([[ 0., -2.],
           [-2.,  0.]])
    """
    slope, bend = checks.finite(slope=slope, bend=bend)
    if slope.shape != bend.shape[:2]:
        raise ValueError(f"slope must have shape {bend.shape[:2]}, like bend")
    return np.einsum("no,noij->ij", slope, bend) / len(slope)


def critical_decay(curvature: Float[np.ndarray, "k k"]) -> float:
    r"""Weight decay above which the mirror is stable: max(0, -λ_min(OᵀHO)).

    Implements {eq}`mirror_symmetry-local`; `curvature` is symmetric, of L₀ alone.
    Source: Ziyin 2024, whose threshold is half of it (decay γ|θ|²).

    >>> float(critical_decay(np.array([[0.0, 2.0], [2.0, 0.0]])))
    2.0
    """
    (curvature,) = checks.finite(curvature=curvature)
    if not np.allclose(curvature, curvature.T, atol=1e-9):
        raise ValueError("curvature must be a symmetric matrix")
    return max(0.0, -np.linalg.eigvalsh(curvature)[0])


def soft_threshold(values: Values, decay: Values) -> Values:
    r"""Move towards zero by γ and stop there: sign(c)(|c| - γ)₊.

    Implements {eq}`mirror_symmetry-soft`: the product uw at the minimum of
    ½(c - uw)² + (γ/2)(u² + w²), and each singular value of a product of two
    matrices. Arguments broadcast, `decay` not negative. Source: Ziyin 2024.

    >>> soft_threshold(np.array([-3.0, 0.5]), 1.0)
    array([-2.,  0.])
    """
    values, decay = checks.finite(values=values, decay=decay)
    checks.positive("decay", decay, zero=True)
    return values - np.clip(values, -decay, decay)


def lasso(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    decay: float,
    *,
    sweeps: int = 5000,
) -> Float[np.ndarray, " d"]:
    r"""Minimiser of |y - Xv|²/(2n) + γ|v|₁ by coordinate descent (convex).

    The right-hand side of {eq}`mirror_symmetry-lasso_problem`. Every coordinate is
    minimised exactly in turn, until none moves by more than 1e-15. Columns of `x`
    must not be zero. Source: Tibshirani 1996 for the problem.

    >>> lasso(np.sqrt(2) * np.eye(2), np.sqrt(2) * np.array([3.0, 0.5]), 1.0)
    array([2., 0.])
    """
    x, y = checks.finite(x=x, y=y)
    checks.positive("decay", decay, zero=True)
    gram, target = x.T @ x / len(x), x.T @ y / len(x)
    if not np.all(np.diag(gram) > 0):
        raise ValueError("x must not have a column of zeros")
    v = np.zeros(x.shape[1])
    for _ in range(sweeps):
        before = v.copy()
        for i, size in enumerate(np.diag(gram)):
            pull = target[i] - gram[i] @ v + size * v[i]
            v[i] = soft_threshold(pull, decay) / size
        if np.abs(v - before).max() <= 1e-15 * (1 + np.abs(v).max()):
            break
    return v


def lyapunov(
    eta: Values, curvature: Float[np.ndarray, "*shape samples"], decay: Values = 0.0
) -> Values:
    r"""Growth of log|s| per step of SGD beside a mirror: E log|1 - η(h + γ)|.

    Implements {eq}`mirror_symmetry-exponent`. `curvature` holds equally likely
    values of the minibatch curvature h across the mirror on its last axis; `eta`
    and `decay` broadcast against the others. Negative: the mirror attracts. A step
    that lands on the mirror gives -inf. Source: Ziyin 2024 (there h + 2γ).

    >>> round(float(lyapunov(0.1, np.array([1.0, 1.0]))), 6)
    -0.105361
    """
    eta, h, decay = checks.finite(eta=eta, curvature=curvature, decay=decay)
    checks.positive("eta", eta)
    factor = np.abs(1 - eta[..., None] * (h + decay[..., None]))
    with np.errstate(divide="ignore"):
        return np.log(factor).mean(-1)


def critical_step(escape: Values, spread: Values) -> Values:
    r"""Learning rate above which label noise makes a saddle attract.

    Implements {eq}`mirror_symmetry-critical`, 2κ/(a² - κ²) for curvatures h + γ
    equal to -κ ± a with even odds; `escape` κ, `spread` a ≥ 0. Zero for κ ≤ 0 (the
    mirror attracts anyway), infinite for a ≤ κ (no learning rate will do). Source:
    the chapter; to first order in κ, Ziyin 2024.

    >>> float(critical_step(1.0, 3.0)), float(critical_step(1.0, 0.5))
    (0.25, inf)
    """
    kappa, a = np.broadcast_arrays(*checks.finite(escape=escape, spread=spread))
    checks.positive("spread", a, zero=True)
    room = np.where(a > kappa, a**2 - kappa**2, np.inf)
    found = np.where(a > kappa, 2 * kappa / room, np.inf)
    return np.where(kappa <= 0, 0.0, found)[()]


def merging_decay(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
) -> tuple[float, float]:
    r"""Decay γ_c at which two units tanh(wx + b) become identical; w there.

    Implements {eq}`mirror_symmetry-merging`: two units are added and fit data that
    are odd, y(-x) = -y(x); at the identical pair b = 0. Solves stationarity of w
    and zero curvature of b₁ - b₂ together; (0, w) if the pair never parts. Source:
    the chapter.

    >>> gamma, w = merging_decay(np.array([-1.0, 1.0]), np.array([-0.1, 0.1]))
    >>> gamma
    0.0
    """
    x, y = checks.finite(x=x, y=y)
    order = np.argsort(x)
    if np.abs(np.r_[(x + x[order[::-1]][np.argsort(order)])]).max() > 1e-9 or (
        np.abs(y[order] + y[order[::-1]]).max() > 1e-9
    ):
        raise ValueError("x, y must be odd data: (-x, -y) for each (x, y)")

    def pull(w):  # decay that w needs, and curvature of b₁ - b₂
        unit = np.tanh(w * x)
        rest, slope = 2 * unit - y, 1 - unit**2
        return -np.mean(rest * slope * x) / w, -2 * np.mean(rest * slope * unit)

    grid = np.geomspace(1e-2, 1e2, 400)
    needed, bend = np.transpose([pull(w) for w in grid])
    kept = (needed[:-1] > 0) & (needed + bend > 0)[:-1] & (needed + bend < 0)[1:]
    if not kept.any():
        return 0.0, float(grid[np.argmin(np.abs(needed))])
    at = int(np.argmax(kept))
    w = optimize.brentq(lambda w: sum(pull(w)), grid[at], grid[at + 1], xtol=1e-14)
    return max(0.0, float(pull(w)[0])), w


def dead_decay(x: Float[np.ndarray, "n d"], labels: np.ndarray, classes: int) -> float:
    r"""Weight decay above which all hidden units of a classifier are dead.

    Implements {eq}`mirror_symmetry-dead`: logits b + Σ a_j φ(w_j·x + c_j), softmax,
    φ odd with φ'(0) = 1; every parameter decays. It is the norm of the correlation
    of inputs (with a 1 appended) and errors when only b is left. Solved together
    with that b. `labels` are integers below `classes`. Source: the chapter.

    >>> x = np.array([[1.0], [-1.0]])
    >>> round(dead_decay(x, np.array([0, 1]), 2), 12)
    0.707106781187
    """
    (x,) = checks.finite(x=x)
    hot = np.eye(classes)[labels]
    inputs, share = np.c_[x, np.ones(len(x))], hot.mean(0)

    def error(decay):  # of the classifier that has learned b alone
        b = optimize.root(
            lambda b: special.softmax(b) - share + decay * b, 0 * share, tol=1e-13
        ).x
        error = special.softmax(b) - hot
        return np.linalg.norm(error.T @ inputs, 2) / len(x)

    if error(1e-9) <= 1e-9:
        return 0.0
    top = np.linalg.norm(inputs, 2)  # errors are at most √2 in length
    return optimize.brentq(lambda g: error(g) - g, 1e-9, 2 * top, xtol=1e-13)
