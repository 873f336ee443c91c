r"""SGD that has converged: its law in phase space, its current, how far it goes.

Near a minimum the loss is ½ h θ² along each eigenvector of the Hessian, with θ
counted from the minimum of loss plus decay; weight decay γ adds γθ to the gradient
and `noise` is the variance of one step's gradient along the eigenvector (σ²h/S for
regression with residual variance σ² and batch size S). Heavy ball: v ← βv - g,
θ ← θ + ηv. Time is t = η · step; v = dθ/dt. A phase matrix is [..., 2, 2], the
position first. Kunin et al. 2023 write λ for γ, and their noise is σ²h/S.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from learndyn import checks
from learndyn.theory.gradient_flow import (
    damped_oscillator,
    oscillator_constants,
    stationary_variance,
)

Values = float | Float[np.ndarray, "..."]
Matrices = Float[np.ndarray, "... 2 2"]


def phase_flow(
    h: Values, t: Values, *, eta: float, beta: float, decay: float = 0.0
) -> Matrices:
    r"""Return P(t) = exp(-At), which carries (θ, v) without noise over a time t.

    Implements {eq}`limiting_dynamics-flow`. Needs h + γ >= 0, t >= 0, η > 0,
    0 <= β < 1; `h` and `t` broadcast to the leading axes. Source: Kunin et al.
    2023 (the mean of their process); in closed form here.

    >>> flow = phase_flow(1.0, np.array([0.0, 50.0]), eta=0.1, beta=0.9)
    >>> bool(np.allclose(flow[0], np.eye(2))), bool(abs(flow[1]).max() < 1e-9)
    (True, True)
    """
    h, t = checks.finite(h=h, t=t)
    mu, omega = oscillator_constants(_pull(h, decay), eta, beta)
    checks.positive("t", t, zero=True)
    rest = damped_oscillator(mu, omega, t, 1.0, 0.0)
    kick = damped_oscillator(mu, omega, t, 0.0, 1.0)
    return _matrix(rest, kick, -(omega**2) * kick, rest - 2 * mu * kick)


def phase_steps(
    h: Values,
    n: int | Int[np.ndarray, "..."],
    *,
    eta: float,
    beta: float,
    decay: float = 0.0,
) -> Matrices:
    r"""Return Mⁿ, which carries (θ, v) without noise over n steps, exactly.

    Implements {eq}`limiting_dynamics-step`; `h` and the whole numbers n >= 0
    broadcast to the leading axes. η > 0, 0 <= β < 1. Source: the chapter.

    >>> phase_steps(1.0, 2, eta=0.1, beta=0.0)
    array([[ 0.81,  0.  ],
           [-0.9 ,  0.  ]])
    """
    (h,) = checks.finite(h=h)
    n = np.asarray(n)
    if not np.issubdtype(n.dtype, np.integer) or np.any(n < 0):
        raise ValueError(f"n={n} must be whole numbers of at least 0")
    oscillator_constants(0.0, eta, beta)  # checks eta and beta
    pull, n = np.broadcast_arrays(h + decay, n)
    base = _matrix(1 - eta * pull, eta * beta, -pull, beta)
    power = _matrix(np.ones_like(pull), 0.0, 0.0, 1.0)
    while np.any(n):
        odd = (n % 2 == 1)[..., None, None]
        power = np.where(odd, power @ base, power)
        base, n = base @ base, n // 2
    return power


def equilibrium(
    h: Values, noise: Values, *, eta: float, beta: float, decay: float = 0.0
) -> Matrices:
    r"""Stationary covariance of (θ, v) in continuous time, a diagonal matrix.

    Implements {eq}`limiting_dynamics-equilibrium`, for h + γ > 0 and noise >= 0.
    Source: Kunin et al. 2023, with noise = σ²h/S.

    >>> equilibrium(2.0, 2.0, eta=0.1, beta=0.5).round(3)
    array([[0.1  , 0.   ],
           [0.   , 2.667]])
    """
    h, noise = checks.finite(h=h, noise=noise)
    checks.positive("noise", noise, zero=True)
    checks.positive("h + decay", h + decay)
    oscillator_constants(0.0, eta, beta)
    position = eta * noise / (2 * _pull(h, decay) * (1 - beta))
    return _matrix(position, 0.0, 0.0, noise / (1 - beta**2))


def step_equilibrium(
    h: Values, noise: Values, *, eta: float, beta: float, decay: float = 0.0
) -> Matrices:
    r"""Stationary covariance of (θ, v) of the steps, exactly.

    Implements {eq}`limiting_dynamics-step_equilibrium`, for 0 < η(h + γ) < 2(1 + β).
    It solves C = MCMᵀ + noise (η, 1)(η, 1)ᵀ. Source: the chapter.

    >>> step_equilibrium(1.0, 1.0, eta=1.0, beta=0.0)
    array([[1., 1.],
           [1., 2.]])
    """
    h, noise = checks.finite(h=h, noise=noise)
    checks.positive("noise", noise, zero=True)
    pull = _pull(h, decay)
    position = stationary_variance(pull, eta, noise, beta)
    cross = position * pull / (1 + beta)
    return _matrix(position, cross, cross, 2 * cross / eta)


def law_at(
    mean: Float[np.ndarray, "... 2"],
    covariance: Matrices,
    carried: Matrices,
    stationary: Matrices,
) -> tuple[Float[np.ndarray, "... 2"], Matrices]:
    r"""Mean and covariance of (θ, v) at a later time, from those at the start.

    Implements {eq}`limiting_dynamics-moments`: `carried` is P(t) with `stationary`
    the equilibrium, or Mⁿ with that of the steps; then it is exact for every n.
    Source: Kunin et al. 2023.

    >>> still, eye = np.zeros(2), np.eye(2)
    >>> law_at(still, 0 * eye, eye / 2, eye)[1]
    array([[0.75, 0.  ],
           [0.  , 0.75]])
    """
    excess = np.asarray(covariance) - stationary
    moved = carried @ excess @ np.swapaxes(carried, -1, -2)
    return (carried @ np.asarray(mean)[..., None])[..., 0], stationary + moved


def modified_loss(
    theta: Float[np.ndarray, "... d"],
    v: Float[np.ndarray, "... d"],
    hessian: Float[np.ndarray, "d d"],
    *,
    sigma: float,
    eta: float,
    beta: float,
    decay: float = 0.0,
) -> Values:
    r"""Φ(θ, v) of regression: SGD in equilibrium has density ∝ exp(-S(1 - β²)Φ).

    Implements {eq}`limiting_dynamics-potential`; `hessian` symmetric and positive
    definite, `sigma` > 0 the spread of the residuals, θ counted from the minimum.
    Source: Kunin et al. 2023.

    >>> one, H = np.ones(2), np.diag([1.0, 4.0])
    >>> float(modified_loss(one, 0 * one, H, sigma=1.0, eta=0.5, beta=0.0))
    4.0
    """
    checks.positive("sigma", sigma)
    values, vectors = np.linalg.eigh(hessian)
    checks.positive("eigenvalues of hessian", values)
    _, omega = oscillator_constants(_pull(values, decay), eta, beta)
    position, velocity = np.asarray(theta) @ vectors, np.asarray(v) @ vectors
    terms = ((omega * position) ** 2 + velocity**2) / values
    return terms.sum(-1) / (2 * sigma**2)


def density(theta: Values, v: Values, covariance: Matrices) -> Values:
    r"""Gaussian density of mean zero at (θ, v), {eq}`limiting_dynamics-gibbs`.

    `covariance` is an equilibrium with positive noise; arguments broadcast.
    Source: Kunin et al. 2023.

    >>> round(float(density(0.0, 0.0, np.eye(2))), 4)
    0.1592
    """
    a, b, c = (covariance[..., i, j] for i, j in ((0, 0), (0, 1), (1, 1)))
    determinant = a * c - b**2
    checks.positive("determinant of covariance", determinant)
    square = (c * theta**2 - 2 * b * theta * v + a * v**2) / determinant
    return np.exp(-square / 2) / (2 * np.pi * np.sqrt(determinant))


def current(
    theta: Values,
    v: Values,
    h: Values,
    noise: Values,
    *,
    eta: float,
    beta: float,
    decay: float = 0.0,
) -> Float[np.ndarray, "... 2"]:
    r"""Stationary probability current (J_θ, J_v) of one mode at (θ, v).

    Implements {eq}`limiting_dynamics-current`, p · (v, -ω²θ). Domain as
    `equilibrium`, with noise > 0. Source: Kunin et al. 2023 (their -Q∇Φ p).

    >>> current(0.0, 1.0, 1.0, 1.0, eta=0.1, beta=0.9)[1]
    np.float64(0.0)
    """
    at = {"eta": eta, "beta": beta, "decay": decay}
    p = density(theta, v, equilibrium(h, noise, **at))
    _, omega = oscillator_constants(_pull(np.asarray(h), decay), eta, beta)
    return np.stack(np.broadcast_arrays(p * v, -p * omega**2 * theta + 0.0), -1)


def rotation(carried: Matrices, stationary: Matrices) -> Values:
    r"""Lagged rotation E[θ(0) v(t) - v(0) θ(t)] of stationary chains.

    Implements {eq}`limiting_dynamics-rotation`; arguments as `law_at`. In
    continuous time it is -2 Var(v) times the response to a kick. Source: the chapter.

    >>> float(rotation(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(2)))
    -2.0
    """
    lagged = carried @ stationary
    return lagged[..., 1, 0] - lagged[..., 0, 1]


def displacement(carried: Matrices, stationary: Matrices) -> Values:
    r"""Mean squared displacement of stationary chains, summed over modes.

    Implements {eq}`limiting_dynamics-displacement`; modes on the last axis before
    the 2 × 2, arguments as `law_at`. Source: Kunin et al. 2023, whose double sum
    over velocities is this in the limit of small steps.

    >>> float(displacement(np.zeros((3, 2, 2)), np.stack([np.eye(2)] * 3)))
    6.0
    """
    lagged = carried @ stationary
    return 2 * (stationary - lagged)[..., 0, 0].sum(-1)


def local_slope(
    h: Values,
    noise: Values,
    t: Values,
    *,
    eta: float,
    beta: float,
    decay: float = 0.0,
) -> Values:
    r"""d log(displacement) / d log t in continuous time, {eq}`limiting_dynamics-slope`.

    `h` and `noise` [modes]; t > 0 of any shape. From 2 (ballistic) to 0 (all modes
    at rest). Source: the chapter.

    >>> round(float(local_slope(np.ones(1), np.ones(1), 1e-4, eta=0.1, beta=0.9)), 3)
    2.0
    """
    checks.positive("t", t)
    time = np.asarray(t)[..., None]
    at = {"eta": eta, "beta": beta, "decay": decay}
    flow, rest = phase_flow(h, time, **at), equilibrium(h, noise, **at)
    speed = -2 * (flow[..., 1, 0] * rest[..., 0, 0]).sum(-1)
    return t * speed / displacement(flow, rest)


def power_law_displacement(
    t: Values,
    *,
    top: float,
    power: float,
    variance: float,
    beta: float,
    tilt: float = 1,
) -> tuple[Values, float]:
    r"""Displacement for curvatures top · ℓ^(-power), and its exponent c.

    Implements {eq}`limiting_dynamics-power`: noise ∝ h^`tilt`, `variance` that of
    the first mode's position, no decay; 0 < c = 1/power + 1 - tilt < 1. Valid for
    1 ≪ top · t/(1 - β) and the smallest curvature still unresolved.
    Source: the chapter (the paper fits exponents).

    >>> power_law_displacement(1.0, top=1.0, power=2.0, variance=1.0, beta=0.0)[1]
    0.5
    """
    checks.positive("t", t)
    for name, value in (("top", top), ("power", power), ("variance", variance)):
        checks.positive(name, value)
    c = 1 / power + 1 - tilt
    if not 0 < c < 1 or not 0 <= beta < 1:
        raise ValueError(f"tilt={tilt} gives c={c}, must be in (0, 1); beta in [0, 1)")
    growth = special.gamma(1 - c) / (power * c) * (top * t / (1 - beta)) ** c
    return 2 * variance * (growth + special.zeta(power * (tilt - 1))), c


def _pull(h: Values, decay: float) -> Values:
    checks.positive("decay", decay, zero=True)
    checks.positive("h + decay", h + decay, zero=True)
    return h + decay


def _matrix(a: Values, b: Values, c: Values, d: Values) -> Matrices:
    parts = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (a, b, c, d)))
    return np.stack(parts, -1).reshape(*parts[0].shape, 2, 2)
