r"""Exact learning dynamics of linear networks f(x) = W_L … W_1 x.

Loss ½ E|y - f(x)|² (½ carried, mean over samples) on whitened inputs E xxᵀ = I,
so that the task is Σ = E yxᵀ alone; gradient flow, time t = learning rate x step.
Σ has singular triples (s, u, v); the strength of a mode is a = uᵀ W_L … W_1 v.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

Values = float | Float[np.ndarray, "..."]
Matrix = Float[np.ndarray, "rows columns"]


def mode_strength(t: Values, s: Values, a0: Values, depth: int = 2) -> Values:
    """Strength of a mode at time `t` ({eq}`linear_networks-sigmoid`, -depth).

    Solves da/dt = L a^(2-2/L) (s - a), a(0) = a0, for `depth` L; t, s, a0 >= 0, and
    0 < a0 < s for L > 2. Arguments broadcast. Saxe et al. 2014, whose τ is 1/rate.

    >>> round(float(mode_strength(np.log(999) / 2, 1.0, 1e-3)), 12)
    0.5
    """
    t, s, a0 = np.broadcast_arrays(*_checked(t=t, s=s, a0=a0))
    if depth == 1:
        return s + (a0 - s) * np.exp(-t)
    if depth == 2:  # divided by e^(2st): neither overflow nor 0/0 at s = 0
        past = np.exp(-2 * s * t) + 2 * a0 * t * special.exprel(-2 * s * t)
        return np.divide(a0, past, out=np.zeros_like(a0), where=a0 > 0)
    learning_time(0.5, s, a0, depth)  # refuses a0 and depth out of range
    low, high = special.logit(a0 / s), np.full(s.shape, 36.0)
    for _ in range(60):  # learning_time is monotone in the logit of a / s
        middle = (low + high) / 2
        late = learning_time(special.expit(middle), s, a0, depth) > t
        low, high = np.where(late, low, middle), np.where(late, middle, high)
    return s * special.expit((low + high) / 2)


def learning_time(part: Values, s: Values, a0: Values, depth: int = 2) -> Values:
    """Time at which a mode reaches a = part · s ({eq}`linear_networks-time`).

    ∫ da / (L a^(2-2/L) (s - a)) from a0 to part · s, by a hypergeometric function
    for `depth` L ≠ 2; 0 < part < 1, 0 < a0 < s (negative below a0). Arguments
    broadcast. At L = 2 and part = ½ the half-time of Saxe et al. 2014.

    >>> round(float(learning_time(0.5, 1.0, 1e-3)), 6)  # ½ ln 999
    3.453377
    """
    part, s, a0 = _checked(part=part, s=s, a0=a0)
    if depth < 1 or depth != int(depth):
        raise ValueError(f"depth={depth} must be an integer of at least 1")
    if np.any(part <= 0) or np.any(part >= 1) or np.any(a0 >= s):
        raise ValueError("part must lie in (0, 1) and a0 in (0, s)")
    if depth > 2 and np.any(a0 == 0):
        raise ValueError("a0 must be positive: a0 in (0, s)")
    start, power = a0 / s, 2 / depth - 1
    if depth == 2:
        return (special.logit(part) - special.logit(start)) / (2 * s)

    def primitive(x):
        return x**power / power * special.hyp2f1(1, power, power + 1, x)

    return (primitive(part) - primitive(start)) / depth * s ** (power - 1)


def mode_loss(strengths: Values, s: Float[np.ndarray, " modes"]) -> Values:
    """Loss above its minimum, ½ Σ (s - a)², modes on the last axis.

    Implements {eq}`linear_networks-loss`; modes of Σ uncoupled and complete.

    >>> float(mode_loss(np.array([3.0, 0.0]), np.array([3.0, 1.0])))
    0.5
    """
    return 0.5 * np.sum((np.asarray(s) - strengths) ** 2, axis=-1)


def task_matrix(
    sigma: Matrix, balance: float = 0.0
) -> Float[np.ndarray, "rows+columns rows+columns"]:
    """F of the Riccati flow, {eq}`linear_networks-riccati-flow`; shape [d + o, d + o].

    Args:
        sigma: Σ = E yxᵀ, shape [outputs o, inputs d].
        balance: λ of W_2ᵀW_2 - W_1W_1ᵀ = λ I (second layer minus first).

    >>> task_matrix(np.array([[2.0]]), 1.0).tolist()
    [[-0.5, 2.0], [2.0, 0.5]]
    """
    (sigma,) = _checked(sigma=sigma, sign=False)
    outputs, inputs = sigma.shape
    half = balance / 2
    return np.block(
        [[-half * np.eye(inputs), sigma.T], [sigma, half * np.eye(outputs)]]
    )


def riccati_flow(
    F: Matrix, q0: Float[np.ndarray, "m hidden"], times: Float[np.ndarray, " times"]
) -> Float[np.ndarray, "times rows rows"]:
    """QQᵀ at `times` for dQ/dt = FQ - ½ QQᵀQ ({eq}`linear_networks-solution`).

    In pieces Q ← e^(FΔ) Q M^(-1/2) with Δ · max|eigenvalue| <= 4, so that M stays
    regular at any time; eigenvalues of F may be zero or repeated.

    Args:
        F: symmetric, shape [rows, rows].
        q0: Q(0) = (W_1ᵀ; W_2) stacked, shape [rows, hidden].
        times: not negative, not decreasing.

    Source: Fukumizu 1998; Braun et al. 2022; Dominé et al. 2025 for λ ≠ 0.

    >>> riccati_flow(np.zeros((1, 1)), np.ones((1, 1)), np.array([0.0, 1.0])).ravel()
    array([1. , 0.5])
    """
    F, q, times = _checked(F=F, q0=q0, times=times, sign=False)
    if F.shape != F.T.shape or not np.allclose(F, F.T, rtol=1e-12, atol=0):
        raise ValueError("F must be a symmetric square matrix")
    if len(q) != len(F):
        raise ValueError(f"q0 must have {len(F)} rows, got {len(q)}")
    if times.ndim != 1 or np.any(np.diff(times, prepend=0.0) < 0):
        raise ValueError("times must be one axis, not negative and not decreasing")
    rates, basis = np.linalg.eigh(F)
    q, kernels = basis.T @ q, []
    for wait in np.diff(times, prepend=0.0):
        pieces = max(1, int(np.ceil(wait * np.abs(rates).max() / 4)))
        step = wait / pieces
        weights = step * special.exprel(2 * rates * step)
        for _ in range(pieces):
            m = np.eye(q.shape[1]) + (q.T * weights) @ q
            root = np.linalg.cholesky(m)  # any root will do: QQᵀ needs m⁻¹ only
            q = np.linalg.solve(root, (np.exp(rates * step)[:, None] * q).T).T
        kernels.append(basis @ (q @ q.T) @ basis.T)
    return np.array(kernels)


def effective_start(
    w1: Float[np.ndarray, "h d"], w2: Float[np.ndarray, "o h"], sigma: Matrix
) -> Float[np.ndarray, " r"]:
    """Return the a0 of each mode for a small unaligned start, strongest mode first.

    ¼ |P (W_1 v + W_2ᵀ u)|², P removing the hidden directions of stronger modes
    ({eq}`linear_networks-effective`); w1 [h, d], w2 [o, h], derived in the chapter.
    Singular values must be distinct, positive, at most h in number.

    >>> float(effective_start(np.eye(1) / 10, np.eye(1) / 10, np.eye(1))[0])
    0.010000000000000002
    """
    w1, w2, sigma = _checked(w1=w1, w2=w2, sigma=sigma, sign=False)
    u, s, vt = np.linalg.svd(sigma, full_matrices=False)
    if np.any(-np.diff(s, append=0) < 1e-9 * s[0]) or len(s) > len(w1):
        raise ValueError("sigma must have distinct positive singular values, h at most")
    grown = (w1 @ vt.T + w2.T @ u) / 2
    return np.diagonal(np.linalg.qr(grown)[1]) ** 2


def final_kernel(
    beta: Float[np.ndarray, " inputs"],
) -> Float[np.ndarray, "inputs inputs"]:
    """Return A of the final NTK xᵀAx' of one output, A = |β| (I + β̂β̂ᵀ).

    Two layers, vanishing start, y = βᵀx ({eq}`linear_networks-kernel`); zero for
    β = 0. Atanasov et al. 2022.

    >>> final_kernel(np.array([2.0, 0.0])).tolist()
    [[4.0, 0.0], [0.0, 2.0]]
    """
    (beta,) = _checked(beta=beta, sign=False)
    size = np.linalg.norm(beta)
    return size * np.eye(len(beta)) + np.outer(beta, beta) / (size or 1.0)


def balance_rate(kernels: Float[np.ndarray, "*t m m"], sigma: Matrix) -> Values:
    """Rate, per unit of η, at which descent changes tr(W_2ᵀW_2 - W_1W_1ᵀ).

    tr(EᵀE W_1ᵀW_1 - EEᵀ W_2W_2ᵀ), E = Σ - W_2W_1, from QQᵀ of `riccati_flow`
    ({eq}`linear_networks-production`); shape [*t].

    >>> float(balance_rate(np.diag([1.0, 4.0]), np.array([[1.0]])))
    -3.0
    """
    kernels, sigma = _checked(kernels=kernels, sigma=sigma, sign=False)
    d = sigma.shape[1]
    error = sigma - kernels[..., d:, :d]
    inner = np.einsum("...oi,...oj,...ij->...", error, error, kernels[..., :d, :d])
    outer = np.einsum("...oi,...pi,...op->...", error, error, kernels[..., d:, d:])
    return inner - outer


def _checked(sign: bool = True, **arguments) -> list[np.ndarray]:
    """Float arrays; ValueError if not finite, or (with `sign`) negative."""
    for name, value in arguments.items():
        if not np.all(np.isfinite(value)) or (sign and np.any(np.asarray(value) < 0)):
            kind = "finite and not negative" if sign else "finite"
            raise ValueError(f"{name} must be {kind}")
    return [np.asarray(value, dtype=float) for value in arguments.values()]
