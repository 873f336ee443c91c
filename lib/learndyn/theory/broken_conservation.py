"""Charges of real training: finite step, weight decay, momentum, minibatches.

The loss L (a mean over samples or over a minibatch) has gradient g; weight decay
γ enters as +γθ beside it: v ← βv - g - γθ, θ ← θ + ηv, starting with v = 0. Time
is t = η · step, with and without momentum. A charge is θᵀAθ (degree 2: scale and
rescale charges) or bᵀθ (degree 1: translation), and its symmetry says θᵀAg = 0 or
bᵀg = 0 at every step. Arrays have steps on the first axis, units on the others.
Kunin et al. 2021 write λ for γ.
"""

import numpy as np
from jaxtyping import Float
from scipy.signal import fftconvolve, lfilter

from learndyn.theory.gradient_flow import damped_oscillator, oscillator_constants

Values = float | Float[np.ndarray, "..."]
Charges = Float[np.ndarray, "_ *units"]


def decayed_charge(
    initial: Values, squares: Charges, *, eta: float, decay: float, degree: int = 2
) -> Charges:
    """Charge before each step and after the last, exactly: n squares give n + 1.

    Implements {eq}`broken_conservation-recursion`: a step without momentum turns C
    into (1 - ηγ)² C + η² gᵀAg, a linear charge into (1 - ηγ) C. For every loss,
    batch and eta > 0, decay >= 0.

    `squares` holds gᵀAg of the steps (without the decay term; of `degree` 1 only
    its shape counts), `initial` has the units' shape. Source: derived in the
    chapter; Kunin et al. 2021 give the limit, `continuous_charge`.

    >>> decayed_charge(1.0, np.array([0.0, 5.0]), eta=0.1, decay=1.0)
    array([1.    , 0.81  , 0.7061])
    """
    _positive(eta, decay, degree)
    kept = (1 - eta * decay) ** degree
    return _filter(initial, squares * (degree - 1), eta, kept, 0.0)


def continuous_charge(
    initial: Values,
    squares: Charges,
    *,
    eta: float,
    decay: float,
    degree: int = 2,
    order: int = 1,
) -> Charges:
    """Charge in continuous time, fed with the squared gradients of the steps.

    Implements {eq}`broken_conservation-continuous`: what was there, and every
    addition, decays as exp(-degree γ t); with `order` 2 at the rate of the modified
    flow, degree (γ + ηγ²/2), {eq}`broken_conservation-modified_law`. Arguments as
    `decayed_charge`. Source: Kunin et al. 2021 (order 1; their λ is γ).

    >>> path = continuous_charge(1.0, np.zeros(1), eta=0.1, decay=1.0)
    >>> float(round(path[1], 4))  # exp(-0.2), where a step gives 0.81
    0.8187
    """
    _positive(eta, decay, degree)
    kept = np.exp(-degree * eta * _rate(eta, decay, order))
    return _filter(initial, squares * (degree - 1), eta, float(kept), 0.0)


def decay_gap(eta: float, decay: float, order: int = 1) -> float:
    """Largest distance over all times of exp(-rate t) from its steps (1 - ηγ)^n.

    Implements {eq}`broken_conservation-gap_size`, (c - 1) c^(-c/(c - 1)) with c the
    ratio of the two rates; ηγ/(2e) for small ηγ (order 1), (ηγ)²/(3e) for order 2.
    The same for the squares. Needs 0 <= ηγ < 1. Source: derived in the chapter.

    >>> round(decay_gap(0.1, 0.05) / (0.005 / (2 * np.e)), 3)
    1.002
    """
    _positive(eta, decay, 2)
    a = eta * decay
    if a >= 1:
        raise ValueError(f"decay={decay} must lie in [0, 1/eta) = [0, {1 / eta:g})")
    if a < 1e-4:  # the logarithm below would lose its digits
        return a / (2 * np.e) if order == 1 else a**2 / (3 * np.e)
    excess = -np.log1p(-a) / (eta * _rate(eta, decay, order)) - 1
    return float(excess * np.exp(-(1 + excess) * np.log1p(excess) / excess))


def expected_square(square: Values, trace: Values, samples: int, size: int) -> Values:
    """Mean of gᵀAg over minibatches of `size`, drawn without replacement.

    Implements {eq}`broken_conservation-noise_drive`. `square` is gᵀAg of the full
    gradient, `trace` is tr(AΣ), the same form averaged over the deviations of the
    single samples' gradients; 1 <= size <= samples, samples > 1. For losses that
    are means over samples (no batch norm). Source: survey sampling; the chapter.

    >>> float(expected_square(1.0, 8.0, samples=9, size=1))
    9.0
    """
    if not (samples > 1 and 1 <= size <= samples):
        raise ValueError(f"size={size} must lie in 1 … samples={samples}, samples > 1")
    return np.asarray(square) + np.asarray(trace) * (samples - size) / (
        size * (samples - 1)
    )


def heavy_ball_charge(
    initial: Values,
    buffers: Charges,
    *,
    eta: float,
    decay: float,
    beta: float,
    degree: int = 2,
) -> Charges:
    """Charge before each step of heavy ball with weight decay, exactly.

    Implements {eq}`broken_conservation-buffer_recursion`: a linear recursion in two
    steps, driven by `buffers`, the form vᵀAv of the buffer before each step (its
    first row, before any step, is zero). 0 <= beta < 1; the rest as
    `decayed_charge`. Source: derived in the chapter.

    >>> still = np.zeros(3)
    >>> heavy_ball_charge(1.0, still, eta=0.1, decay=1.0, beta=0.5)
    array([1.  , 0.8 , 0.54])
    """
    _positive(eta, decay, degree)
    oscillator_constants(decay, eta, beta)  # checks beta
    kept = 1 + beta - degree * eta * decay
    return _filter(initial, _drive(buffers, beta, degree), eta, kept, beta)


def oscillating_charge(
    initial: Values,
    buffers: Charges,
    *,
    eta: float,
    decay: float,
    beta: float,
    degree: int = 2,
    at_rest: bool = False,
) -> Charges:
    """Charge as a driven damped oscillator, before each step of heavy ball.

    Implements {eq}`broken_conservation-oscillator_law`: the homogeneous solution
    from q(0) = `initial` with velocity -degree γ q(0)/(1 + β) (zero if `at_rest`, as
    in the paper), and the drive convolved with the response to a kick. Arguments as
    `heavy_ball_charge`. Source: Kunin et al. 2021; the velocity: the chapter.

    >>> still = np.zeros(101)
    >>> path = oscillating_charge(1.0, still, eta=0.01, decay=1.0, beta=0.0)
    >>> float(round(path[100], 2))  # near exp(-2)
    0.13
    """
    _positive(eta, decay, degree)
    mu, omega = oscillator_constants(degree * decay, eta, beta)
    drive = _drive(buffers, beta, degree)
    t = (eta * np.arange(len(buffers))).reshape((-1,) + (1,) * (buffers.ndim - 1))
    push = 0.0 if at_rest else -degree * decay / (1 + beta)
    free = damped_oscillator(mu, omega, t, 1.0, push) * initial
    response = damped_oscillator(mu, omega, t, 0.0, 1.0)
    forced = fftconvolve(response, np.concatenate([drive, 0 * drive[:1]]), axes=0)
    return free + 2 * eta / (1 + beta) * forced[: len(buffers)]


def critical_decay(eta: Values, beta: Values, degree: int = 2) -> Values:
    """Weight decay above which the charge oscillates: (1 - β)²/(2 degree η(1 + β)).

    Implements {eq}`broken_conservation-critical`, of the oscillator; the steps
    themselves begin at `curvature_thresholds(eta, beta)[0] / degree`, which is
    larger by the factor 1 + O((1 - β)²). eta > 0, 0 <= beta < 1. Source: follows
    from Kunin et al. 2021.

    >>> round(critical_decay(0.1, 0.9, degree=1), 5)
    0.02632
    """
    if np.any(np.asarray(beta) < 0) or np.any(np.asarray(beta) >= 1):
        raise ValueError(f"beta={beta} must lie in [0, 1)")
    if not np.all(np.asarray(eta) > 0):
        raise ValueError(f"eta={eta} must be positive")
    _positive(1.0, 0.0, degree)
    return (1 - beta) ** 2 / (2 * degree * eta * (1 + beta))


def _filter(
    initial: Values, drive: Charges, eta: float, kept: float, back: float
) -> Charges:
    """Solve C[n + 1] = kept C[n] - back C[n - 1] + η² drive[n] with C[-1] = C[0]."""
    units = drive.shape[1:]
    shape = np.broadcast_shapes(np.shape(initial), units)
    if shape != units:
        raise ValueError(f"initial has shape {np.shape(initial)}; units are {units}")
    start = np.broadcast_to(np.asarray(initial, dtype=float), units)[None]
    if len(drive) == 0:
        return start.copy()
    source = np.concatenate([start, eta**2 * drive])
    source[1] -= back * start[0]
    return lfilter([1.0], [1.0, -kept, back], source, axis=0)


def _drive(buffers: Charges, beta: float, degree: int) -> Charges:
    return (buffers[1:] + beta * buffers[:-1]) * (degree - 1)


def _rate(eta: float, decay: float, order: int) -> float:
    if order not in (1, 2):
        raise ValueError(f"order={order} must be 1 or 2")
    return decay + (order - 1) * eta * decay**2 / 2


def _positive(eta: float, decay: float, degree: int) -> None:
    if not (np.isfinite(eta) and eta > 0):
        raise ValueError(f"eta={eta} must be positive and finite")
    if not (np.isfinite(decay) and decay >= 0):
        raise ValueError(f"decay={decay} must be at least 0 and finite")
    if degree not in (1, 2):
        raise ValueError(f"degree={degree} must be 1 or 2")
