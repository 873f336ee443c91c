r"""Tangent kernels of wide networks, and the penalty of diagonal linear ones.

Time is t = learning rate × step, flow is dθ/dt = -∇L, and the loss is
L = |f - y|²/(2n), a mean over n samples. A tangent kernel is ∇f ∇fᵀ with no 1/width:
networks carry it in their output, f(x) = h^(-½) Σⱼ aⱼ φ(wⱼ·x/√d), with aⱼ and the
entries of wⱼ standard normal. Diagonal networks are f(x) = x·(u² - v²) and start at
u = v = α, on data `x` of shape [n, d] and rank n.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

Values = float | Float[np.ndarray, "..."]


def limit_kernel(
    x: Float[np.ndarray, "n d"],
    other: Float[np.ndarray, "m d"],
    activation: str = "relu",
) -> Float[np.ndarray, "n m"]:
    """Mean tangent kernel of one hidden layer, at every width.

    Implements {eq}`lazy_and_rich-mean`: E[φφ'] + E[φ̇φ̇'] x·x'/d, by the arc-cosine
    kernels of degree 1 and 0 for "relu", by the arcsine kernel for "erf". Source:
    Jacot et al. 2018 for the limit; Cho and Saul 2009 and Williams 1996 for the
    expectations (Williams' 2Σ is our 2 x·x'/d).

    >>> limit_kernel(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]))
    array([[0.5]])
    """
    cross, size, angle = _gram(x, other)
    if activation == "relu":
        return (size * _arc(1, angle) + cross * _arc(0, angle)) / (2 * np.pi)
    if activation == "erf":
        s, z = (2 * np.mean(np.asarray(p) ** 2, -1) + 1 for p in (x, other))
        scale = np.outer(s, z)
        value = 2 / np.pi * np.arcsin(2 * cross / np.sqrt(scale))
        return value + 4 / np.pi * cross / np.sqrt(scale - 4 * cross**2)
    raise ValueError(f'activation={activation!r} must be "relu" or "erf"')


def kernel_variance(
    x: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, "n m"]:
    """Width × variance of the tangent kernel of one hidden ReLU layer.

    Implements {eq}`lazy_and_rich-variance`, exact at every width. On the diagonal
    it is 3 (|x|²/d)². Source: derived in the chapter.

    >>> x = np.array([[1.0, 1.0]])
    >>> float(round(kernel_variance(x, x)[0, 0], 12))
    3.0
    """
    cross, size, angle = _gram(x, other)
    second = size**2 * _arc(2, angle) + 2 * cross * size * _arc(1, angle)
    second += 3 * cross**2 * _arc(0, angle)
    return second / (2 * np.pi) - limit_kernel(x, other) ** 2


def kernel_flow(
    kernel: Float[np.ndarray, "n n"],
    start: Float[np.ndarray, " n"],
    target: Float[np.ndarray, " n"],
    times: Float[np.ndarray, " times"],
) -> Float[np.ndarray, "times n"]:
    """Outputs on the n training points of the model linear in its parameters.

    Implements {eq}`lazy_and_rich-linearised`: y + exp(-Kt/n)(f₀ - y), for a
    symmetric positive semi-definite kernel and times >= 0. Source: Jacot et al.
    2018 (there the kernel carries the 1/n).

    >>> one = np.array([1.0])
    >>> kernel_flow(np.eye(1), 0 * one, one, np.array([0.0, np.log(2)]))
    array([[0. ],
           [0.5]])
    """
    kernel, start, target = (np.asarray(a, float) for a in (kernel, start, target))
    rates, modes = np.linalg.eigh(kernel)
    if not np.allclose(kernel, kernel.T) or rates[0] < -1e-9 * max(rates[-1], 1e-300):
        raise ValueError("kernel must be symmetric, with eigenvalues of at least 0")
    if np.any(np.asarray(times) < 0):
        raise ValueError("times must be at least 0")
    fade = np.exp(-np.outer(times, rates) / len(target))
    return target + (fade * (modes.T @ (start - target))) @ modes.T


def motion_bound(
    target: Float[np.ndarray, "n ..."], times: Values, alpha: Values
) -> Values:
    """Upper bound of |θ(t) - θ(0)| for the model α(f - f₀) and the loss over α².

    Implements {eq}`lazy_and_rich-motion`: |y| √(t/2n)/α, for times >= 0 and α > 0,
    which broadcast. Source: Chizat, Oyallon and Bach 2019, proof of Theorem 2.2.

    >>> float(motion_bound(np.array([3.0, 4.0]), 4.0, 10.0))
    0.5
    """
    _positive("alpha", alpha)
    if np.any(np.asarray(times) < 0):
        raise ValueError("times must be at least 0")
    y = np.asarray(target, float)
    return np.linalg.norm(y) * np.sqrt(np.asarray(times) / 2 / len(y)) / alpha


def mirror_point(pushed: Values, alpha: Values) -> Values:
    """Weights β = 2α² sinh(4 · pushed) of a diagonal network under gradient flow.

    Implements {eq}`lazy_and_rich-sinh`; `pushed` is -∫ ∂L/∂β dt so far, of any
    shape, α > 0. Source: Woodworth et al. 2020, whose loss has no 1/(2n).

    >>> float(mirror_point(np.log(2) / 4, 1.0))
    1.5
    """
    _positive("alpha", alpha)
    return 2 * np.asarray(alpha) ** 2 * np.sinh(4 * np.asarray(pushed))


def penalty(beta: Float[np.ndarray, "... d"], alpha: Values) -> Values:
    """Hyperbolic entropy Σᵢ q(βᵢ/α²), summed over the last axis.

    Implements {eq}`lazy_and_rich-q`: q(z) = 2 - √(4 + z²) + z arcsinh(z/2), for
    α > 0 (of the shape of the sum). Source: Woodworth et al. 2020, Theorem 1.

    >>> float(round(penalty(np.array([0.01]), 1.0) / (0.01**2 / 4), 4))
    1.0
    """
    _positive("alpha", alpha)
    z = np.abs(beta) / np.asarray(alpha)[..., None] ** 2
    q = z * np.arcsinh(z / 2) - z * (z / (2 + np.hypot(2, z)))
    return q.sum(-1)


def minimiser(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], alpha: float
) -> Float[np.ndarray, " d"]:
    """Interpolator of least penalty: where the flow of a diagonal network ends.

    Implements {eq}`lazy_and_rich-dual`: damped Newton on ν in x β = y with
    β = 2α² sinh(xᵀν). α = ∞ gives the least ℓ₂ norm. Source: Woodworth et al. 2020.

    >>> x, y = np.array([[2.0, 1.0]]), np.array([2.0])
    >>> minimiser(x, y, np.inf).round(3), minimiser(x, y, 1e-4).round(3)
    (array([0.8, 0.4]), array([1., 0.]))
    """
    x, y = _data(x, y)
    _positive("alpha", alpha, finite=False)
    if np.isinf(alpha):
        return np.linalg.lstsq(x, y, rcond=None)[0]
    nu = np.zeros(len(y))
    for _ in range(2000):
        weights = 2 * alpha**2 * np.cosh(x.T @ nu)
        beta = 2 * alpha**2 * np.sinh(x.T @ nu)
        _, r = np.linalg.qr(np.sqrt(weights)[:, None] * x.T)
        step = np.linalg.solve(r, np.linalg.solve(r.T, y - x @ beta))
        length = np.abs(x.T @ step).max()  # beyond 1 the curvature has changed
        nu = nu + step / max(1.0, length)
        if length < 1e-11:
            break
    return 2 * alpha**2 * np.sinh(x.T @ nu)


def sparse_limit(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " d"], float]:
    """Interpolator β* of least ℓ₁ norm, and the exponent 2(1 - c) of its approach.

    Implements {eq}`lazy_and_rich-exponent`: the distance of the penalty's
    minimiser to β* falls like α^(2(1 - c)), where c is the least max |xᵢ·ν| off
    the support of β* among the ν with xᵢ·ν = sign β*ᵢ on it. For a unique β* ≠ 0;
    an exponent of 0 says that it is not. Source: derived in the chapter.

    >>> sparse_limit(np.array([[2.0, 1.0]]), np.array([2.0]))
    (array([1., 0.]), 1.0)
    """
    x, y = _data(x, y)
    n, d = x.shape
    split = linprog(np.ones(2 * d), A_eq=np.hstack([x, -x]), b_eq=y).x
    beta = split[:d] - split[d:]
    on = np.abs(beta) > 1e-9 * np.abs(beta).max()
    if not on.any() or on.all():
        raise ValueError("y must not be 0, nor need every column of x")
    off, ones = x[:, ~on].T, np.ones((np.sum(~on), 1))
    certificate = linprog(
        np.eye(n + 1)[-1],
        A_ub=np.block([[off, -ones], [-off, -ones]]),
        b_ub=np.zeros(2 * len(off)),
        A_eq=np.hstack([x[:, on].T, np.zeros((on.sum(), 1))]),
        b_eq=np.sign(beta[on]),
        bounds=(None, None),
    )
    return beta, float(2 * max(1 - certificate.fun, 0.0))


def _gram(x, other):
    """Inner products over d, products of norms over d, and angles."""
    x, other = np.asarray(x, float), np.asarray(other, float)
    if x.ndim != 2 or other.ndim != 2 or x.shape[1] != other.shape[1]:
        raise ValueError(
            f"x and other must have shapes [n, d] and [m, d], got {x.shape} "
            f"and {other.shape}"
        )
    cross = x @ other.T / x.shape[1]
    size = np.sqrt(np.outer(np.mean(x**2, -1), np.mean(other**2, -1)))
    cosine = np.divide(cross, size, out=np.ones_like(size), where=size > 0)
    return cross, size, np.arccos(np.clip(cosine, -1, 1))


def _arc(degree, angle):
    """Cho and Saul's J: 2π E[(zz')^degree, both positive] of unit normals."""
    c, s, rest = np.cos(angle), np.sin(angle), np.pi - angle
    return (rest, s + rest * c, 3 * s * c + rest * (1 + 2 * c**2))[degree]


def _data(x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 2 or y.shape != x.shape[:1] or np.linalg.matrix_rank(x) < len(y):
        raise ValueError("x must have shape [n, d] and rank n, y shape [n]")
    return x, y


def _positive(name, value, finite=True):
    value = np.asarray(value)
    if not np.all(value > 0) or (finite and not np.all(np.isfinite(value))):
        raise ValueError(f"{name}={value} must be positive" + " and finite" * finite)
