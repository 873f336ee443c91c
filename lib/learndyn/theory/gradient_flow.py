"""Flow, descent, momentum and noise: what a step of finite size changes.

Descent takes θ ← θ - η ∇L(θ); heavy ball keeps v ← βv - ∇L(θ), θ ← θ + ηv and
starts with v = 0. Time is t = η · step, with and without momentum. `h` is a
curvature (an eigenvalue of the Hessian) and quadratic problems are L = ½ h θ².
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

Values = float | Float[np.ndarray, "..."]
Field = Callable[[np.ndarray], np.ndarray]


def descent_rate(h: Values, eta: float) -> Values:
    """Rate r of descent on ½ h θ²: θ = θ(0) exp(-r t), {eq}`gradient_flow-rate`.

    Exact for 0 <= ηh < 1; r → h as η → 0. Source: Barrett and Dherin 2021, whose
    step is also η. `h` any shape, 1/time.

    >>> float(round(descent_rate(2.0, 0.1), 4))
    2.2314
    """
    _at_least_zero("eta", eta)
    if np.any(np.asarray(h) < 0) or np.any(eta * np.asarray(h) >= 1):
        raise ValueError(
            f"h={h} must lie in [0, 1/eta) = [0, {1 / max(eta, 1e-300):g})"
        )
    return -np.log1p(-eta * h) / eta if eta > 0 else h


def modified_flow(
    gradient: Field,
    hessian: Field,
    start: np.ndarray,
    times: np.ndarray,
    *,
    eta: float,
) -> Float[np.ndarray, "times parameters"]:
    """Flow of L + (η/4)|∇L|², {eq}`gradient_flow-modified`; η = 0 is plain flow.

    Solves dθ/dt = -∇L - (η/2) H∇L from `start` at times[0] to 1e-10; `gradient`
    maps [parameters] to [parameters], `hessian` to a square matrix. Times start at
    0 or later and increase. Source: Barrett and Dherin 2021, λ = η · parameters/4
    there.

    >>> one = np.array([1.0])
    >>> path = modified_flow(
    ...     lambda w: w, lambda w: np.eye(1), one, np.array([0.0, 1.0]), eta=0.2
    ... )
    >>> float(round(path[1, 0], 4))  # exp(-1.1)
    0.3329
    """
    _at_least_zero("eta", eta)

    def field(t, w):
        g = gradient(w)
        return -g - eta / 2 * hessian(w) @ g

    return _solve(field, start, times)


def inertial_flow(
    gradient: Field, start: np.ndarray, times: np.ndarray, *, eta: float, beta: float
) -> Float[np.ndarray, "times parameters"]:
    """Second-order flow of heavy ball, {eq}`gradient_flow-inertial`, to 1e-10.

    Solves ½ η (1 + β) θ'' + (1 - β) θ' = -∇L(θ) with θ'(0) = -∇L(θ(0))/(1 + β),
    for η > 0 and 0 <= β < 1; arguments as `modified_flow`. Source: Kunin et al.
    2021 (their v has the other sign), the initial velocity is derived here.

    >>> flat = lambda w: np.ones(1)
    >>> path = inertial_flow(
    ...     flat, np.zeros(1), np.array([0.0, 9.0]), eta=0.1, beta=0.5
    ... )
    >>> float(round(path[1, 0], 4))  # heavy ball after 90 steps
    -17.8
    """
    _momentum(eta, beta)
    size = len(start)

    def field(t, state):
        w, v = state[:size], state[size:]
        force = -gradient(w) - (1 - beta) * v
        return np.concatenate([v, 2 * force / (eta * (1 + beta))])

    velocity = -gradient(np.asarray(start)) / (1 + beta)
    return _solve(field, np.concatenate([start, velocity]), times)[:, :size]


def oscillator_constants(h: Values, eta: float, beta: float) -> tuple[float, Values]:
    """Damping γ and frequency ω of heavy ball, {eq}`gradient_flow-constants`.

    γ = (1 - β)/(η(1 + β)), ω² = 2h/(η(1 + β)), both 1/time, for h >= 0, η > 0 and
    0 <= β < 1. Source: Kunin et al. 2021, sections on momentum.

    >>> gamma, omega = oscillator_constants(2.0, 0.1, 0.9)
    >>> round(gamma, 4), float(round(omega, 4))
    (0.5263, 4.5883)
    """
    _momentum(eta, beta)
    _at_least_zero("h", h)
    return (1 - beta) / (eta * (1 + beta)), np.sqrt(2 * h / (eta * (1 + beta)))


def damped_oscillator(
    gamma: Values, omega: Values, t: Values, x0: Values, v0: Values
) -> Values:
    """Solve x'' + 2γx' + ω²x = 0 in all three regimes, {eq}`gradient_flow-oscillator`.

    Broadcasts its arguments: γ, ω, t >= 0 (1/time, 1/time, time), x0 = x(0) and
    v0 = x'(0). No overflow for any γt, no loss of digits near γ = ω. The velocity
    solves the same equation: put x0 → v0 and v0 → -ω²x0 - 2γv0.
    Source: Kunin et al. 2021 (there started at rest, v0 = 0).

    >>> float(round(damped_oscillator(1.0, 1.0, 2.0, 1.0, 0.0), 4))  # (1 + t)exp(-t)
    0.406
    """
    for name, value in (("gamma", gamma), ("omega", omega), ("t", t)):
        _at_least_zero(name, value)
    gamma, omega, t = np.asarray(gamma), np.asarray(omega), np.asarray(t)
    gap = (gamma - omega) * (gamma + omega)
    rate = np.sqrt(np.abs(gap))  # κ if overdamped, Ω if underdamped
    over, twice = gap > 0, 2 * rate * t
    slow = np.where(over, omega * (omega / np.maximum(gamma + rate, 1e-300)), gamma)
    some = np.where(twice > 0, twice, 1.0)
    even = np.where(over, 0.5 * (1 + np.exp(-twice)), np.cos(rate * t))
    odd = t * np.where(over, -np.expm1(-some) / some, np.sinc(rate * t / np.pi))
    return (np.exp(-slow * t) * (x0 * even + (v0 + gamma * x0) * odd))[()]


def curvature_thresholds(eta: float, beta: float = 0.0) -> tuple[float, float]:
    """Curvatures where heavy ball starts to oscillate and to diverge.

    (1 - √β)²/η and 2(1 + β)/η, {eq}`gradient_flow-thresholds`, exact on quadratics,
    for η > 0 and 0 <= β < 1; β = 0 is descent. Source: Polyak 1964, Cohen et al. 2021.

    >>> curvature_thresholds(0.1)
    (10.0, 20.0)
    """
    _momentum(eta, beta)
    return (1 - beta**0.5) ** 2 / eta, 2 * (1 + beta) / eta


def stationary_variance(
    h: Values, eta: float, noise: Values, beta: float = 0.0
) -> Values:
    """Stationary variance of SGD on ½ h θ², {eq}`gradient_flow-variance`.

    `noise` is the variance of one step's gradient (per-sample variance over the
    batch size), independent of θ; 0 < h < 2(1 + β)/η. Exact for every step.
    Source: Kunin et al. 2021 ("limiting dynamics") for η → 0, ησ²/(2Sh(1-β)).

    >>> float(round(stationary_variance(1.0, 1.0, 3.0), 4))
    3.0
    """
    limit = curvature_thresholds(eta, beta)[1]
    _at_least_zero("noise", noise)
    if np.any(np.asarray(h) <= 0) or np.any(np.asarray(h) >= limit):
        raise ValueError(f"h={h} must lie in (0, 2(1 + beta)/eta) = (0, {limit:g})")
    a = eta * np.asarray(h, dtype=float)
    return (eta**2 * noise * (1 + beta) / (a * (1 - beta) * (2 + 2 * beta - a)))[()]


def edge_orbit(target: float, c: float, eta: float) -> tuple[float, float]:
    """Curvature y and mean of x² at the edge, {eq}`gradient_flow-edge`.

    For L = ½ y x² + ½ c (target - y)² under descent: (2/η, 2c(target - 2/η)), or
    (target, 0) when target <= 2/η; c > 0, η > 0. The orbit is exact and attracts
    for η · target < 5/2. Source: Cohen et al. 2025, whose σ² is the mean of x².

    >>> edge_orbit(24.0, 0.5, 0.1)
    (20.0, 4.0)
    """
    for name, value in (("c", c), ("eta", eta)):
        if not value > 0:
            raise ValueError(f"{name}={value} must be positive")
    edge = 2 / eta
    return (edge, 2 * c * (target - edge)) if target > edge else (target, 0.0)


def _solve(field, start, times):
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or len(times) < 2 or not (np.diff(times) > 0).all():
        raise ValueError("times must be one axis of at least two increasing times")
    span = (times[0], times[-1])
    found = solve_ivp(field, span, start, "DOP853", times, rtol=1e-10, atol=1e-12)
    if not found.success:
        raise ValueError(f"start={start} leads to no solution: {found.message}")
    return found.y.T


def _at_least_zero(name: str, value: Values) -> None:
    if not np.all(np.asarray(value) >= 0):
        raise ValueError(f"{name}={value} must be at least 0")


def _momentum(eta: float, beta: float) -> None:
    if not eta > 0:
        raise ValueError(f"eta={eta} must be positive")
    if not 0 <= beta < 1:
        raise ValueError(f"beta={beta} must lie in [0, 1)")
