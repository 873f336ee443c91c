"""Noether's law with a source, and the adaptive step that normalisation makes of it.

Loss L (a mean over samples or a minibatch), weight decay γ in the gradient, plain
SGD θ ← (1 - ηγ)θ - ηg unless a momentum β is named; time is t = η · step. For a
loss that does not depend on the length r of θ, k = r²|g|² is the squared gradient
at the unit vector θ/r, and η/r² the effective step. Arrays have steps on the first
axis, units (filters, runs) on the others. Tanaka and Kunin 2021 write λ for γ.
"""

import numpy as np
from jaxtyping import Float
from scipy.signal import lfilter

from learndyn.theory.broken_conservation import continuous_charge, decayed_charge

Values = float | Float[np.ndarray, "..."]
Charges = Float[np.ndarray, "_ *units"]


def lagrangian_constants(eta: float, beta: float = 0.0) -> tuple[float, float]:
    """Mass m and friction c of the Lagrangian that heavy ball follows.

    Implements {eq}`noether_dynamics-constants`: m = η(1 + β)/2 (a time) and
    c = 1 - β in m θ'' + c θ' = -∇L - γθ, for eta > 0, 0 <= beta < 1. Source:
    Tanaka and Kunin 2021.

    >>> lagrangian_constants(0.5, 0.5)
    (0.375, 0.5)
    """
    _rates(eta, 0.0, beta)
    return eta * (1 + beta) / 2, 1 - beta


def noether_charge(
    initial: Values, source: Charges, *, mass: float, friction: float, dt: float
) -> Charges:
    """Momentum along a symmetry, P = m ⟨θ', ξ⟩, at times 0, dt, 2 dt, …

    Implements {eq}`noether_dynamics-memory`, the solution of P' = -(c/m) P + source:
    exact for a source that is linear between two times, else with an error of
    order dt². `source` has times on its first axis; mass, dt > 0, friction >= 0.
    Source: Tanaka and Kunin 2021.

    >>> noether_charge(1.0, np.zeros(3), mass=1.0, friction=np.log(2), dt=1.0)
    array([1.  , 0.5 , 0.25])
    >>> noether_charge(0.0, np.ones(3), mass=1.0, friction=0.0, dt=0.5)
    array([0. , 0.5, 1. ])
    """
    for name, value in (("mass", mass), ("dt", dt)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name}={value} must be positive and finite")
    if not (np.isfinite(friction) and friction >= 0):
        raise ValueError(f"friction={friction} must be at least 0 and finite")
    x = friction * dt / mass
    whole = -np.expm1(-x) / x if x > 0 else 1.0
    late = (1 - whole) / x if x > 1e-3 else 0.5 - x / 6 + x**2 / 24
    push = dt * ((whole - late) * source[:-1] + late * source[1:])
    start = np.broadcast_to(np.asarray(initial, dtype=float), source.shape[1:])
    return lfilter([1.0], [1.0, -np.exp(-x)], np.concatenate([start[None], push]), 0)


def fourth_power(
    initial: Values,
    squares: Charges,
    *,
    eta: float,
    decay: float,
    continuous: bool = False,
) -> Charges:
    """r⁴ before each step and after the last, from the gradients on the sphere.

    Implements {eq}`noether_dynamics-fourth_steps`, which is a lower bound of r⁴, or
    the integral {eq}`noether_dynamics-fourth_integral` if `continuous`. `squares`
    holds k = r²|g|² of the steps, `initial` is r⁴ at the start; eta > 0 and
    0 <= eta · decay < 1. Source: the integral is Tanaka and Kunin's (2021).

    >>> fourth_power(1.0, np.array([2.0, 0.0]), eta=0.5, decay=0.0)
    array([1., 2., 2.])
    """
    kept = _rates(eta, decay, 0.0)
    if continuous:
        return continuous_charge(initial, 2 * squares, eta=eta, decay=2 * decay)
    twice = decay * (1 + kept)  # (1 - η twice)² = (1 - ηγ)⁴
    return decayed_charge(initial, 2 * kept**2 * squares, eta=eta, decay=twice)


def effective_step(fourth: Values, *, eta: float, decay: float) -> Values:
    """Step of the direction θ/r along the gradient at θ/r: η/((1 - ηγ) r²).

    Implements {eq}`noether_dynamics-direction_step`, exact for SGD; η/r² to leading
    order. `fourth` is r⁴ > 0; eta > 0, 0 <= eta · decay < 1. Source: derived in the
    chapter; Tanaka and Kunin 2021 have η/r².

    >>> float(effective_step(16.0, eta=0.4, decay=0.0))
    0.1
    """
    if not np.all(np.asarray(fourth) > 0):
        raise ValueError("fourth must be positive")
    return eta / (_rates(eta, decay, 0.0) * np.sqrt(fourth))


def rmsprop_constants(eta: float, decay: float) -> tuple[float, float, float]:
    """Dictionary (ρ, learning rate, moment per r⁴) from SGD to RMSProp.

    Implements {eq}`noether_dynamics-dictionary`: with moment G = scale · r⁴, the
    direction moves by rate/√G and G ← ρG + (1 - ρ)k(1 + tan²φ/2), φ the angle of
    the step. To leading order ρ = 1 - 4ηγ, rate = √(2ηγ), scale = 2γ/η. Needs
    eta > 0 and 0 < eta · decay < 1 (without decay: AdaGrad). Source: leading order
    Tanaka and Kunin 2021, exact: the chapter.

    >>> rho, rate, scale = rmsprop_constants(0.1, 0.001)
    >>> round((1 - rho) / 4e-4, 3), round(rate**2 / 2e-4, 3), round(scale / 0.02, 3)
    (1.0, 1.0, 1.0)
    """
    kept = _rates(eta, decay, 0.0)
    if decay == 0:
        raise ValueError("decay=0 must be positive: without decay nothing is forgotten")
    fresh = -np.expm1(4 * np.log1p(-eta * decay))  # 1 - ρ
    scale = fresh / (2 * (eta * kept) ** 2)
    return float(kept**4), float(np.sqrt(fresh / 2) / kept**2), float(scale)


def settled_fourth(
    eta: Values, decay: Values, square: Values, beta: Values = 0.0
) -> Values:
    """Mean of r⁴ at equilibrium, to leading order in ηγ: ηk/(2γ(1 - β)).

    Implements {eq}`noether_dynamics-settled`; `square` is the mean of k. With
    momentum, for gradients that are independent from step to step. eta and decay
    positive, 0 <= beta < 1. Source: Tanaka and Kunin 2021; with β: the chapter.

    >>> settled_fourth(0.1, 0.05, 2.0)
    2.0
    """
    _equilibrium(eta, decay, beta)
    return eta * square / (2 * decay * (1 - beta))


def angle_per_step(eta: Values, decay: Values, beta: Values = 0.0) -> Values:
    """Angle by which the direction turns in a step at equilibrium: √(2ηγ/(1 + β)).

    Implements {eq}`noether_dynamics-angle_size`, root mean square, in radians, to
    leading order in ηγ (and, for β > 0, in ηγ/(1 - β)); arguments as
    `settled_fourth`. Source: Tanaka and Kunin 2021; with β: the chapter.

    >>> float(round(angle_per_step(0.5, 0.01), 3))
    0.1
    """
    _equilibrium(eta, decay, beta)
    return np.sqrt(2 * eta * decay / (1 + beta))


def log_cosines(eta: float, decay: float, growth: Values, steps: int) -> Values:
    """Sum over steps of log cos φ, exactly: steps · log(1 - ηγ) - log growth.

    Implements {eq}`noether_dynamics-cosines`; φ is the angle by which a step turns
    θ and `growth` > 0 the ratio of the last r to the first. eta > 0,
    0 <= eta · decay < 1, steps >= 1. Source: derived in the chapter.

    >>> float(log_cosines(0.1, 0.0, np.sqrt(2.0), 1).round(4))  # a step of 45 degrees
    -0.3466
    """
    _rates(eta, decay, 0.0)
    if not np.all(np.asarray(growth) > 0):
        raise ValueError("growth must be positive")
    if steps < 1:
        raise ValueError(f"steps={steps} must be at least 1")
    return steps * np.log1p(-eta * decay) - np.log(growth)


def square_bound(
    initial: Values, eta: Values, *, curvature: float, slope: float, drop: float
) -> Values:
    """Largest r² that descent without decay can reach, whatever the step.

    Implements {eq}`noether_dynamics-ceiling`: `initial` is r² at the start; on the
    unit sphere, `curvature` bounds the Hessian's norm, `slope` the gradient's, and
    `drop` the loss's range. All positive (drop may be 0). Source: the chapter;
    Arora, Li and Lyu 2019 for the argument.

    >>> float(square_bound(4.0, 1.0, curvature=2.0, slope=1.0, drop=0.5))
    5.0
    """
    for name, value in (("initial", initial), ("eta", eta)):
        if not np.all(np.asarray(value) > 0):
            raise ValueError(f"{name} must be positive")
    for name, bound in (("curvature", curvature), ("slope", slope), ("drop", drop)):
        if not (bound > 0 or (bound == 0 and name == "drop")):
            raise ValueError(f"{name}={bound} must be positive")
    crossing = eta * curvature + (eta * slope) ** 2 / initial
    crossing = np.where(initial > eta * curvature, initial, crossing)
    return crossing + 2 * eta * drop


def _rates(eta: float, decay: float, beta: float) -> float:
    """Check the three and return 1 - ηγ, what a step keeps."""
    if not (np.isfinite(eta) and eta > 0):
        raise ValueError(f"eta={eta} must be positive and finite")
    if not 0 <= beta < 1:
        raise ValueError(f"beta={beta} must lie in [0, 1)")
    if not 0 <= eta * decay < 1:
        raise ValueError(f"decay={decay} must lie in [0, 1/eta) = [0, {1 / eta:g})")
    return 1 - eta * decay


def _equilibrium(eta: Values, decay: Values, beta: Values) -> None:
    for name, value in (("eta", eta), ("decay", decay)):
        if not np.all(np.asarray(value) > 0):
            raise ValueError(f"{name}={value} must be positive")
    if np.any(np.asarray(beta) < 0) or np.any(np.asarray(beta) >= 1):
        raise ValueError(f"beta={beta} must lie in [0, 1)")
