r"""Balance of gradient noise under a rescaling symmetry, and what SGD settles into.

One step on a minibatch of S samples is modelled by dθ = -∇L dt + √(T C) dW (Itô),
C the covariance of the gradient over samples, T = η / S, time t = η · step. The loss
of a sample is ℓ = ½ (f - y)², decay adds (γ/2)|θ|². The diagonal network of `depth` D
and `width` d has f = v x, v = Σ_i Π_k u_ik over D + 1 layers: D = 0 is linear
regression. `moments` are those of the data, (β₁, β₂, α₁, α₂, α₃) = (E x², E xy,
Var x², Cov(x², xy), Var xy).

The source has no ½ and decay γ|θ|²: its η and T are half of ours, its time half of
ours, its γ is ours.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special

from learndyn import checks

Values = float | Float[np.ndarray, "..."]
Moments = Float[np.ndarray, "5"]


def gaussian_moments(slope: float, sigma: float) -> Moments:
    r"""Moments of x ~ N(0, 1), y = slope · x + N(0, σ²).

    The table of {eq}`law_of_balance-moments`; `sigma` ≥ 0. Source: Ziyin et al. 2023.

    >>> gaussian_moments(1.0, 2.0)
    array([1., 1., 2., 2., 6.])
    """
    _check(slope=slope)
    _nonnegative(sigma=sigma)
    return np.array([1.0, slope, 2.0, 2 * slope, 2 * slope**2 + sigma**2])


def gradient_noise(v: Values, moments: Moments) -> Values:
    r"""Variance over samples of ∂ℓ/∂v = x(vx - y): g(v) = α₁v² - 2α₂v + α₃.

    Implements {eq}`law_of_balance-noise`. Source: Ziyin et al. 2023, whose gradient
    has twice the size and 4g for the variance.

    >>> float(gradient_noise(1.0, gaussian_moments(1.0, 2.0)))
    4.0
    """
    _, _, a1, a2, a3 = _known(moments)
    _check(v=v)
    v = np.asarray(v)
    return a1 * v**2 - 2 * a2 * v + a3


def balanced_charge(
    initial: Values, noise: Values, temperature: Values, decay: Values = 0.0,
    time: Values = 0.0,
) -> Values:  # fmt: skip
    r"""Charge u² - w² at time t: q₀ exp(-T ∫ g dt - 2γt).

    Implements {eq}`law_of_balance-decay_law`, for two scalar factors. `noise` is
    ∫ g dt ≥ 0 along the path. Also the gap of two subnetworks
    ({eq}`law_of_balance-gap`). All but `initial` must not be negative. Source: Ziyin et
    al. 2023.

    >>> round(float(balanced_charge(3.0, 10.0, 0.1)), 4)
    1.1036
    """
    _check(initial=initial)
    _nonnegative(noise=noise, temperature=temperature, decay=decay, time=time)
    exponent = np.multiply(temperature, noise) + 2 * np.multiply(decay, time)
    return np.asarray(initial) * np.exp(-exponent)


def langevin_variance(size: Values, temperature: Values) -> Values:
    r"""Variance of u² - w² under flow with isotropic noise √(2τ) dW: 8τ ∫ E|θ|² dt.

    Implements {eq}`law_of_balance-spread`; `size` is the integral, `temperature` τ,
    neither negative. Source: derived in the chapter.

    >>> float(langevin_variance(2.0, 0.5))
    8.0
    """
    _nonnegative(size=size, temperature=temperature)
    return 8 * np.multiply(temperature, size)


def norm_ratio_range(
    c1: Float[np.ndarray, "m m"], c2: Float[np.ndarray, "n n"]
) -> Float[np.ndarray, "2"]:
    r"""Least and largest |u|²/|w|² at which the gradient noises of u and w balance.

    Implements {eq}`law_of_balance-ratio`: from uᵀC₁u = wᵀC₂w. `c1` and `c2` are
    symmetric, positive definite. Source: Ziyin et al. 2023.

    >>> norm_ratio_range(2 * np.eye(3), np.diag([1.0, 6.0]))
    array([0.5, 3. ])
    """
    first, second = (np.linalg.eigvalsh(c) for c in checks.definite(c1=c1, c2=c2))
    return second[[0, -1]] / first[[-1, 0]]


def log_density(
    v: Values, temperature: float, moments: Moments, depth: int,
    width: int = 1, decay: float = 0.0,
) -> Values:  # fmt: skip
    r"""Logarithm of the stationary density of v, up to a constant.

    Implements {eq}`law_of_balance-stationary`; on v > 0 for D ≥ 1, with the sign
    of v that of β₂ > 0. Depth 0 and 1 are elementary ({eq}`law_of_balance-linear`,
    {eq}`law_of_balance-two_layers`), deeper ones a hypergeometric function. Decay only
    up to depth 1: at D ≥ 2 any decay makes the origin absorb. The limit α₁ = 0 is
    handled. Source: Ziyin et al. 2023 (T halved); hypergeometric form: the chapter.

    >>> m = gaussian_moments(1.0, 2.0)
    >>> bool(log_density(1.0, 0.1, m, 1) > log_density(3.0, 0.1, m, 1))
    True
    """
    m = _problem(temperature, moments, depth, width, decay)
    _check(v=v)
    v, noise = np.asarray(v, dtype=float), gradient_noise(v, m)
    if depth and not np.all(v > 0):
        raise ValueError("v must be positive at depth 1 and more")
    spike = 3 * depth / (depth + 1) * np.log(v) if depth else 0.0
    cold = width ** (1 - 2 / (depth + 1)) * 2 / ((depth + 1) * temperature)
    return -spike - np.log(noise) - cold * _pull(v, m, 2 * depth / (depth + 1))


def stationary_average(
    function: Callable[[np.ndarray], np.ndarray], *setting: Any
) -> float:
    r"""Average of `function(v)` in the stationary law {eq}`law_of_balance-stationary`.

    Exists if the function grows more slowly than the tail falls. `setting` is
    temperature, moments, depth, width, decay as in `log_density`. Source: Ziyin et al.
    2023 for the law; quadrature in log v.

    >>> m = gaussian_moments(1.0, 2.0)
    >>> round(stationary_average(lambda v: v, 0.05, m, 0), 6)
    1.0
    """
    v, mass, _ = _nodes(*setting)
    return float(function(v) @ mass)


def stationary_density(v: Values, *setting: Any) -> Values:
    r"""Density of v in the stationary law {eq}`law_of_balance-stationary`.

    `log_density`, normalised; the same arguments after v. Source: Ziyin et al. 2023.

    >>> m = gaussian_moments(1.0, 2.0)
    >>> round(float(stationary_density(0.5, 0.16, m, 1)), 4)
    0.6254
    """
    return np.exp(log_density(v, *setting) - _nodes(*setting)[2])


def stationary_cdf(v: Values, *setting: Any) -> Values:
    r"""Probability of at most v in the stationary law {eq}`law_of_balance-stationary`.

    Any real v; the arguments after it as in `log_density`. Source: Ziyin et al. 2023.

    >>> m = gaussian_moments(1.0, 2.0)
    >>> round(float(stationary_cdf(1.0, 0.05, m, 0)), 6)
    0.5
    """
    _check(v=v)
    nodes, mass, _ = _nodes(*setting)
    below = np.cumsum(mass) - mass / 2
    return np.interp(v, nodes, below, left=0.0, right=1.0)


def mode(temperature: float, moments: Moments, decay: float = 0.0) -> float:
    r"""Where the density of depth 1 has its inner maximum; 0 if it has none.

    Implements {eq}`law_of_balance-mode`, the positive root where the density turns
    from rising to falling. Source: Ziyin et al. 2023 (T halved).

    >>> round(mode(1e-9, gaussian_moments(1.0, 2.0)), 6)
    1.0
    """
    b1, b2, a1, a2, a3 = _problem(temperature, moments, 1, 1, decay)
    a, b, c = 3.5 * a1, 5 * a2 - b1 / temperature, 1.5 * a3 - b2 / temperature
    inside = b**2 - 4 * a * c
    if inside < 0:
        return 0.0
    root = np.sqrt(inside)
    top = (b + root) / (2 * a) if b > 0 else 2 * c / (b - root)
    return float(max(top, 0.0))


def critical_temperature(moments: Moments, decay: float = 0.0) -> float:
    r"""Temperature above which two layers collapse to zero: 2(β₂ - γ)/α₃.

    Implements {eq}`law_of_balance-critical`; 0 if the decay γ ≥ β₂ alone does it.
    Source: Ziyin et al. 2023, half of it there.

    >>> round(critical_temperature(gaussian_moments(1.0, 2.0)), 4)
    0.3333
    """
    _, b2, _, _, a3 = _known(moments)
    _nonnegative(decay=decay)
    return float(max(2 * (b2 - decay) / a3, 0.0))


def _pull(v: Values, m: Moments, c: float) -> Values:
    """A primitive of (β₁v - β₂) / (v^c g(v)), for c = 0, c = 1 or 1 < c < 2."""
    b1, b2, a1, a2, a3 = m
    if a1 == 0:
        low = np.log(v) if c == 1 else v ** (1 - c) / (1 - c)
        return (b1 * v ** (2 - c) / (2 - c) - b2 * low) / a3
    depth = np.sqrt(a1 * a3 - a2**2)
    angle = np.arctan2(a1 * v - a2, depth)
    noise = gradient_noise(v, m)
    if c == 0:
        lean = (a2 * b1 - a1 * b2) / (a1 * depth)
        return b1 / (2 * a1) * np.log(noise) + lean * angle
    if c == 1:
        lean = (a3 * b1 - a2 * b2) / (a3 * depth)
        return lean * angle + b2 / a3 * (np.log(noise) / 2 - np.log(v))
    root = (a2 + 1j * depth) / a1  # of g; partial fractions, integrated from infinity
    weight = (b1 * root - b2) / (2j * depth)
    term = weight * v**-c / c * special.hyp2f1(1, c, c + 1, root / v)
    return -2 * term.real


def _nodes(
    temperature: float, moments: Moments, depth: int, width: int = 1, decay: float = 0.0
) -> tuple[np.ndarray, np.ndarray, float]:
    """Nodes v, the probability of each, and the logarithm of the normaliser."""
    setting = (temperature, moments, depth, width, decay)
    b1, b2, a1, a2, a3 = _problem(*setting)
    if depth:  # log v, stretched: fine near the minimum, far out in both tails
        y = np.linspace(-7.1 if depth == 1 else -4.8, 4.1, 4001)
        v = b2 / b1 * np.exp(np.sinh(y))
        slope = v * np.cosh(y)
    elif a1 == 0:  # a Gaussian
        y = np.linspace(-9, 9, 4001)
        slope = np.full_like(y, np.sqrt(width * temperature * a3 / (2 * b1)))
        v = b2 / b1 + slope * y
    else:
        y = np.linspace(-np.pi / 2, np.pi / 2, 4003)[1:-1]
        spread = np.sqrt(a1 * a3 - a2**2) / a1
        v, slope = a2 / a1 + spread * np.tan(y), spread / np.cos(y) ** 2
    height = log_density(v, *setting) + np.log(slope * (y[1] - y[0]))
    mass = np.exp(height - height.max())
    return v, mass / mass.sum(), float(height.max() + np.log(mass.sum()))


def _problem(
    temperature: float, moments: Moments, depth: int, width: int, decay: float
) -> Moments:
    """Check the arguments; return the moments with the decay put in."""
    b1, b2, a1, a2, a3 = _known(moments)
    _check(temperature=temperature)
    _nonnegative(decay=decay)
    if depth < 0 or width < 1:
        raise ValueError(f"depth={depth} must be >= 0, width={width} must be >= 1")
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be positive")
    if depth >= 2 and decay > 0:
        raise ValueError(f"decay={decay} must be 0 at depth 2 and more")
    if depth and not b2 > decay:
        raise ValueError(f"moments: E xy = {b2} must exceed decay={decay}")
    if depth == 1 and temperature >= (most := 2 * (b2 - decay) / a3):
        raise ValueError(f"temperature={temperature} must be below critical, {most:g}")
    if depth == 0:
        return np.array([b1 + decay / width, b2, a1, a2, a3])
    return np.array([b1, b2 - decay, a1, a2, a3])


def _known(moments: Moments) -> Moments:
    """Check that some data have these moments, and noise that never vanishes."""
    _check(moments=moments)
    b1, _, a1, a2, a3 = moments = np.asarray(moments, dtype=float)
    spare = a3 if a1 == a2 == 0 else a1 * a3 - a2**2
    if not (b1 > 0 and a1 >= 0 and spare > 0):
        raise ValueError("moments must have E x² > 0 and Var[x²v - xy] > 0 for all v")
    return moments


def _check(**values: Values) -> None:
    for name, value in values.items():
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{name} must be finite")


def _nonnegative(**values: Values) -> None:
    _check(**values)
    for name, value in values.items():
        if not np.all(np.asarray(value) >= 0):
            raise ValueError(f"{name}={value} must be at least 0")
