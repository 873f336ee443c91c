r"""Alternating gradient flows on modular addition: which frequency, when, how far.

Encodings x_a[h] = template[h + a mod p] of a zero-mean template, target x_{a+b};
f(a, b) = Σ_i w_i (u_iᵀx_a + v_iᵀx_b)². Loss L = ½ mean over all p² pairs of
|x_{a+b} - f|², summed over the p outputs. Time is t = learning rate × step, and
gradient flow is dθ/dt = -∇L. Fourier transforms are numpy's, without a factor:
x̂_k = Σ_h x_h e^{-2πikh/p}; frequencies are k = 1 … p//2, and what depends on them
has them on its last axis. For even p the last one, Nyquist, is its own conjugate.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int
from scipy.special import elliprf

from learndyn import checks

Values = float | Float[np.ndarray, "..."]
Signal = Float[np.ndarray, " p"]
Weights = Float[np.ndarray, "..."]


class Staircase(NamedTuple):
    """What alternating gradient flows predict; see `staircase`."""

    order: Int[np.ndarray, " steps"]
    levels: Float[np.ndarray, " levels"]  # one more than steps: level 0 is the start
    bounds: Float[np.ndarray, " steps"]


def activation_time(norm: Values, utility: Values, degree: int) -> Values:
    r"""Time in which a neuron of fixed direction grows from `norm` to norm 1.

    Implements {eq}`modular_addition-activation`: d|θ|/dt = κ |θ|^{κ-1} U, with U
    the utility of the unit direction (positive) and κ = `degree` ≥ 2 the degree of
    homogeneity. A lower bound when U is the largest utility. 0 < norm ≤ 1.
    Source: Kunin et al. 2025; there S = κ U t is the accumulated utility.

    >>> float(activation_time(0.1, 1.0, 3))
    3.0
    """
    if degree != int(degree) or degree < 2:
        raise ValueError(f"degree={degree} must be a whole number from 2 on")
    norm, utility = checks.finite(norm=norm, utility=utility)
    if not np.all((norm > 0) & (norm <= 1)):
        raise ValueError("norm must lie in (0, 1]")
    if not np.all(utility > 0):
        raise ValueError("utility must be positive")
    if degree == 2:
        return -np.log(norm) / (2 * utility)
    return (norm ** (2 - degree) - 1) / (degree * (degree - 2) * utility)


def transform(signal: Weights) -> Complex[np.ndarray, "..."]:
    r"""Fourier transform on Z_p, x̂_k = Σ_h x_h e^{-2πikh/p} for k = 0 … p - 1.

    Implements {eq}`modular_addition-transform`, as a matrix of p-th roots of unity;
    `numpy.fft.fft` gives the same faster. Leading axes are kept.

    >>> bool(np.allclose(transform(np.eye(4)[1]), [1, -1j, -1, 1j]))
    True
    """
    (signal,) = checks.finite(signal=signal)
    if signal.ndim < 1:
        raise ValueError("signal must have at least one axis")
    h = np.arange(signal.shape[-1])
    roots = np.exp(-2j * np.pi * (np.outer(h, h) % h.size) / h.size)
    return signal @ roots


def utility(
    u: Weights, v: Weights, w: Weights, template: Signal
) -> Float[np.ndarray, "... frequencies"]:
    r"""Utility of neurons against the target, split by frequency; sum for the whole.

    Implements {eq}`modular_addition-utility`: (2 m_k/p³) |x̂_k|² Re(x̂_k ŵ_k û_k* v̂_k*),
    with m_k = 2, and 1 for the Nyquist frequency. Once frequencies are learned, their
    terms are gone from the residual and must be left out. Cubic in the neuron.
    Source: Kunin et al. 2025; per frequency: the chapter.

    >>> x = np.array([1.0, -1.0])
    >>> float(utility(x, x, x, x)[0])
    16.0
    """
    x, m = _spectrum(template)
    waves = _waves(x.size, u=u, v=v, w=w)
    size = len(template)
    product = x * waves[2] * np.conj(waves[0] * waves[1])
    return 2 * m / size**3 * np.abs(x) ** 2 * product.real


def maximal_utility(template: Signal) -> Float[np.ndarray, " frequencies"]:
    r"""Largest utility of a unit neuron of each frequency k = 1 … p//2.

    Implements {eq}`modular_addition-maximum`: √(2p/27) |x̂_k|³/p², and √2 times this
    for the Nyquist frequency. The largest of them is the maximum over the sphere.
    Source: Kunin et al. 2025; Nyquist: Marchetti et al. 2026 (C_ρ = 1).

    >>> x = np.cos(2 * np.pi * np.arange(5) / 5)
    >>> bool(np.isclose(maximal_utility(x)[0], np.sqrt(10 / 27) * 2.5**3 / 25))
    True
    """
    x, m = _spectrum(template)
    return 2 * np.abs(x) ** 3 / np.sqrt(m) / (3 * len(template)) ** 1.5


def aligned_neuron(
    template: Signal, frequency: int, phases: tuple[float, float] = (0.0, 0.0)
) -> tuple[Signal, Signal, Signal]:
    r"""Unit neuron (u, v, w) of maximal utility at one frequency.

    Implements {eq}`modular_addition-phases`: three cosines of norm 1/√3 with
    arg û = phases[0], arg v̂ = phases[1] and arg ŵ = arg û + arg v̂ - arg x̂. At the
    Nyquist frequency phases must be multiples of π. Source: Kunin et al. 2025.

    >>> x = np.cos(2 * np.pi * np.arange(5) / 5)
    >>> total = utility(*aligned_neuron(x, 1, (0.3, 1.0)), x).sum()
    >>> bool(np.isclose(total, maximal_utility(x)[0]))
    True
    """
    x, m = _spectrum(template)
    p = len(template)
    _frequency(frequency, p)
    if m[frequency - 1] == 1 and np.abs(np.sin(phases)).max() > 1e-9:
        raise ValueError("phases must be multiples of π at the Nyquist frequency")
    angles = np.array([*phases, sum(phases) - np.angle(x[frequency - 1])])
    turns = 2 * np.pi * frequency * np.arange(p) / p
    u, v, w = np.sqrt(m[frequency - 1] / (3 * p)) * np.cos(turns + angles[:, None])
    return u, v, w


def staircase(template: Signal, norm: float) -> Staircase:
    r"""Order of the frequencies, losses between the jumps, lower bounds of the times.

    Implements {eq}`modular_addition-levels` and {eq}`modular_addition-activation`:
    frequencies by falling maximal utility (those absent from the template left out),
    level after each, (1/norm - 1)/(3 U*). The bound is proved for the first jump;
    for later ones it supposes that earlier jumps leave dormant neurons alone.
    `norm` is the largest norm of a neuron at the start, in (0, 1].
    Source: Kunin et al. 2025.

    >>> x = np.cos(2 * np.pi * np.arange(5) / 5)
    >>> staircase(x, 0.1).order.tolist(), staircase(x, 0.1).levels.round(9).tolist()
    ([1], [1.25, 0.0])
    """
    x, m = _spectrum(template)
    best = maximal_utility(template)
    ranked = np.argsort(-best, kind="stable")
    ranked = ranked[best[ranked] > 0]
    powers = m[ranked] * np.abs(x[ranked]) ** 2 / len(template)
    levels = np.append(np.cumsum(powers[::-1])[::-1] / 2, 0.0)
    bounds = activation_time(norm, best[ranked], 3)
    return Staircase(ranked + 1, levels, np.asarray(bounds))


def escape_time(
    u: Weights, v: Weights, w: Weights, template: Signal, size: Values = 1.0
) -> Float[np.ndarray, "... frequencies"]:
    r"""Time at which the part of a neuron in each frequency reaches norm `size`.

    Implements {eq}`modular_addition-escape`, exact for the flow dθ/dt = ∇U(θ) with
    the residual frozen; infinite `size` gives the time of blow-up. Zero if the part
    is that large already, inf where it never gets there. Integrals of three roots
    are Carlson's R_F. Source: derived in the chapter.

    >>> x = np.cos(2 * np.pi * np.arange(5) / 5)
    >>> u, v, w = (0.1 * part for part in aligned_neuron(x, 1))
    >>> t = escape_time(u, v, w, x)[0]
    >>> bool(np.isclose(t, activation_time(0.1, maximal_utility(x)[0], 3)))
    True
    """
    x, m = _spectrum(template)
    if not np.all(np.asarray(size) > 0):
        raise ValueError(f"size={size} must be positive")
    waves = _waves(x.size, u=u, v=v, w=w) * np.sqrt(m / len(template))
    product = np.exp(1j * np.angle(x)) * waves[2] * np.conj(waves[0] * waves[1])
    squares = np.moveaxis(np.abs(waves) ** 2, 0, -1)
    scale = np.maximum(squares.mean(-1), 1e-150)
    roots = _roots(squares / scale[..., None], product.imag / scale**1.5)
    final = (np.asarray(size) ** 2 / scale - 3) / 3
    first, others = roots[..., :1], roots[..., 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        total = elliprf(*np.moveaxis(0j - roots, -1, 0)).real
        rest = np.maximum(final, 0)[..., None] + 0j - roots
        rest = np.where(np.isinf(final), 0.0, elliprf(*np.moveaxis(rest, -1, 0)).real)
        turn = elliprf(0j, *np.moveaxis(first - others, -1, 0)).real
        time = np.where(product.real < 0, 2 * turn - total, total) - rest
        time = time / np.sqrt(scale) / (3**1.5 * maximal_utility(template))
    time = np.where(np.isfinite(time), time, np.inf)
    return np.where(final <= 0, 0.0, np.maximum(time, 0))


def exact_network(template: Signal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Weights u, v, w, each [neurons, p], of a network without error.

    Implements {eq}`modular_addition-construction`: six neurons for each frequency
    that the template has, three phases and two signs; two at the Nyquist frequency.
    Source: Marchetti et al. 2026 for two factors; Nyquist: the chapter.

    >>> [part.shape for part in exact_network(np.array([1.0, -1.0, 2.0, -2.0]))]
    [(8, 4), (8, 4), (8, 4)]
    """
    x, m = _spectrum(template)
    p = len(template)
    neurons = []
    for k in np.flatnonzero(x):
        turns = 2 * np.pi * (k + 1) * np.arange(p) / p + np.angle(x[k])
        amplitude, shifts = np.abs(x[k]), np.pi / 3 * np.arange(3 if m[k] == 2 else 1)
        for shift in shifts:
            wave = np.cos(turns - shift) / amplitude
            out = m[k] * amplitude / (4 * p) * np.cos(turns - 2 * shift)
            share = 4 / 3 if m[k] == 2 else 1.0
            for sign in (1, -1):
                neurons.append((wave, sign * wave, sign * share * out))
    u, v, w = np.moveaxis(np.array(neurons), 1, 0)
    return u, v, w


def _roots(squares: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Roots of Π(s + squares_j) - imaginary², the largest real one first."""
    a, b, c = np.moveaxis(squares, -1, 0)
    matrix = np.zeros((*a.shape, 3, 3))
    matrix[..., 1, 0] = matrix[..., 2, 1] = 1
    matrix[..., :, 2] = np.stack(
        [imaginary**2 - a * b * c, -(a * b + b * c + c * a), -(a + b + c)], -1
    )
    roots = np.linalg.eigvals(matrix).astype(complex)
    order = np.argsort(-roots.real, axis=-1)
    roots = np.take_along_axis(roots, order, -1)
    roots[..., 0] = np.minimum(roots[..., 0].real, 0)
    return roots


def _spectrum(template: Signal) -> tuple[np.ndarray, np.ndarray]:
    """x̂_k for k = 1 … p//2, and how many frequencies each stands for."""
    (x,) = checks.finite(template=template)
    if x.ndim != 1 or x.size < 2 or not np.any(x):
        raise ValueError("template must be one axis of at least 2 values, not all zero")
    if np.abs(x.mean()) > 1e-12 * np.abs(x).max():
        raise ValueError("template must have mean zero")
    k = np.arange(1, x.size // 2 + 1)
    waves = transform(x)[k]
    waves[np.abs(waves) < 1e-12 * np.abs(waves).max()] = 0  # rounding
    return waves, np.where(2 * k == x.size, 1.0, 2.0)


def _waves(frequencies: int, **weights: Weights) -> np.ndarray:
    """Transforms of u, v, w stacked, at the frequencies 1 … p//2."""
    parts = np.broadcast_arrays(*checks.finite(**weights))
    if parts[0].ndim < 1 or parts[0].shape[-1] // 2 != frequencies:
        raise ValueError(f"{', '.join(weights)} must have p values on their last axis")
    return transform(np.stack(parts))[..., 1 : frequencies + 1]


def _frequency(frequency: int, p: int) -> None:
    if not 1 <= frequency <= p // 2:
        raise ValueError(f"frequency={frequency} must lie in 1 … {p // 2}")
