r"""Where the noise of SGD leaves the weights on the orbit of an exponential symmetry.

One step θ ← θ - η g, g the gradient of a minibatch of S independent samples; decay adds
(γ/2)|θ|² to the loss; t = η · step, T = η / S. A loss with the symmetry A = Aᵀ obeys
ℓ(exp(λA) θ) = ℓ(θ) for every sample; its charge is C = θᵀAθ. The squared loss of a
sample carries ½.

The source has no ½, and decay γ|θ|²: its η and T are half of ours, its γ is ours.
"""

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import logsumexp

from learndyn.checks import definite, finite, positive

Values = float | Float[np.ndarray, "..."]
Row = Float[np.ndarray, " eigenvalues"]
Matrix = Float[np.ndarray, "_ _"]


def entropic_loss(loss: Values, gradient_square: Values, eta: Values) -> Values:
    r"""What SGD of step η descends, to first order in η: L + (η/4) E|g|².

    Implements {eq}`noise_equilibrium-entropic`. `gradient_square` = E|g|² ≥ 0 is the
    mean over minibatches of the squared norm of the *minibatch* gradient, so it holds
    |∇L|² and the noise, Tr Σ / S; `eta` ≥ 0; all three broadcast. The factor does not
    depend on the normalisation of the loss. Source: Smith et al. 2021 (modified loss of
    SGD over one epoch); Ziyin et al. 2025, where it is the entropic loss.

    >>> float(entropic_loss(1.0, 2.0, 0.1))
    1.05
    """
    (loss,) = finite(loss=loss)
    positive("gradient_square", gradient_square, zero=True)
    positive("eta", eta, zero=True)
    return loss + np.multiply(eta, gradient_square) / 4


def orbit_potential(
    shift: Values, charges: Row, noise: Row, weight: Row, *,
    eta: float, decay: float = 0.0,
) -> Values:  # fmt: skip
    r"""Entropic loss at exp(λA) θ, less the loss, which is constant: Φ(λ).

    Implements {eq}`noise_equilibrium-potential`; convex in the `shift` λ. `charges` are
    the eigenvalues μ of A, `noise` and `weight` the squared norms of the parts of the
    minibatch gradient (in the mean) and of θ in their eigenspaces, both at λ = 0; eta >
    0, decay >= 0. Source: derived in the chapter from Ziyin et al. 2024.

    >>> pair = np.array([1.0, -1.0]), np.array([2.0, 2.0]), np.ones(2)
    >>> float(orbit_potential(0.0, *pair, eta=0.1))
    0.1
    """
    mu, m, s = _orbit(charges, noise, weight, eta, decay)
    grow = np.exp(2 * np.multiply.outer(finite(shift=shift)[0], mu))
    return entropic_loss(decay / 2 * (grow @ s), (1 / grow) @ m, eta)


def charge_drift(
    shift: Values, charges: Row, noise: Row, weight: Row, *,
    eta: float, decay: float = 0.0,
) -> Values:  # fmt: skip
    r"""Drift dC/dt of the charge θᵀAθ at exp(λA) θ; equals -2 Φ'(λ).

    Implements {eq}`noise_equilibrium-drift`; decreasing in the `shift` λ. Arguments as
    `orbit_potential`. Source: Ziyin et al. 2024 (their 4γ is our 2γ).

    >>> pair = np.array([1.0, -1.0]), np.array([3.0, 1.0]), np.ones(2)
    >>> round(float(charge_drift(0.0, *pair, eta=0.1)), 12)
    0.2
    """
    mu, m, s = _orbit(charges, noise, weight, eta, decay)
    grow = np.exp(2 * np.multiply.outer(finite(shift=shift)[0], mu))
    return (1 / grow) @ (eta * mu * m) - grow @ (2 * decay * mu * s)


def equilibrium_shift(
    charges: Row, noise: Row, weight: Row, *, eta: float, decay: float = 0.0
) -> float:
    r"""The shift λ* at which the drift of the charge vanishes; ±inf if it runs away.

    Implements {eq}`noise_equilibrium-balance`, the root of a monotone function.
    Arguments as `orbit_potential`. Where every point is an equilibrium (no noise and no
    decay off the kernel of A): ValueError. Source: Ziyin et al. 2024.

    >>> pair = np.array([1.0, -1.0]), np.array([16.0, 1.0]), np.ones(2)
    >>> round(equilibrium_shift(*pair, eta=0.1), 4)  # a quarter of log 16
    0.6931
    """
    mu, m, s = _orbit(charges, noise, weight, eta, decay)
    push, pull, size = eta * m, 2 * decay * s, np.abs(mu)
    up, down = np.where(mu > 0, (push, pull), (pull, push)) * size
    if not up.any() and not down.any():
        raise ValueError("noise must not vanish off the kernel of A without decay")
    if not (up.any() and down.any()):
        return float(np.inf if up.any() else -np.inf)

    def gap(shift: float) -> float:  # falls, with a slope of at least 4 min |μ|
        rise = logsumexp(-2 * size * shift, b=up)
        return float(rise - logsumexp(2 * size * shift, b=down))

    ends = np.array([0.0, gap(0.0) / (4 * size[size > 0].min())])
    ends += np.array([-1e-9, 1e-9]) * (1 if ends[1] >= 0 else -1)
    return float(brentq(gap, *ends, xtol=1e-13))


def relaxation(
    times: Float[np.ndarray, " times"], charges: Row, noise: Row, weight: Row, *,
    eta: float, decay: float = 0.0,
) -> Float[np.ndarray, " times"]:  # fmt: skip
    r"""Shift λ(t) of a point that SGD moves along its orbit, from λ = 0 at t = 0.

    Implements {eq}`noise_equilibrium-relaxation`. `times` increase from 0; the others
    as `orbit_potential`, of the starting point. Source: derived in the chapter.

    >>> one = np.ones(1)  # scale invariance: |θ|⁴ = 1 + 2ηt
    >>> path = relaxation(np.array([0.0, 4.0]), one, one, one, eta=0.1)
    >>> round(float(np.exp(4 * path[1])), 5)
    1.8
    """
    mu, m, s = _orbit(charges, noise, weight, eta, decay)
    (times,) = finite(times=times)
    if times[0] != 0 or np.any(np.diff(times) <= 0):
        raise ValueError("times must increase from 0")

    def speed(_, shift):
        grow = np.exp(2 * mu * shift)
        drift = mu @ (eta * m / grow - 2 * decay * s * grow)
        return drift / (2 * mu**2 @ (s * grow))

    law = {"method": "LSODA", "rtol": 1e-9, "atol": 1e-11}
    return solve_ivp(speed, (0.0, times[-1]), [0.0], t_eval=times, **law).y[0]


def relaxation_rate(
    charges: Row, noise: Row, weight: Row, *, eta: float, decay: float = 0.0
) -> float:
    r"""Rate at which a small displacement along the orbit decays at λ*.

    Implements {eq}`noise_equilibrium-rate`; 0 where the orbit runs away. Arguments as
    `orbit_potential`; in 1/t. Source: derived in the chapter.

    >>> pair = np.array([1.0, -1.0]), np.array([2.0, 2.0]), np.ones(2)
    >>> round(relaxation_rate(*pair, eta=0.1), 12)
    0.2
    """
    mu, m, s = _orbit(charges, noise, weight, eta, decay)
    shift = equilibrium_shift(charges, noise, weight, eta=eta, decay=decay)
    if not np.isfinite(shift):
        return 0.0
    grow = np.exp(2 * mu * shift)
    force = mu**2 @ (eta * m / grow + 2 * decay * s * grow)
    return float(force / (mu**2 @ (s * grow)))


def layer_noise(
    first: Matrix, second: Matrix, inputs: Matrix, residuals: Matrix
) -> Float[np.ndarray, "2"]:
    r"""Squared gradients (second, first layer) of one sample at a global minimum.

    Implements {eq}`noise_equilibrium-layers`, for UWx with covariances of inputs and
    of label noise that does not depend on them: (Tr Σε Tr WΣxWᵀ, Tr Σx Tr UᵀΣεU).
    Source: Ziyin et al. 2024 (without the ½, four times as large).

    >>> layer_noise(np.eye(2), 2 * np.eye(2), np.eye(2), np.eye(2))
    array([ 4., 16.])
    """
    w, u, x, e = finite(first=first, second=second, inputs=inputs, residuals=residuals)
    forward, backward = np.trace(w @ x @ w.T), np.trace(u.T @ e @ u)
    return np.array([np.trace(e) * forward, np.trace(x) * backward])


def orbit_metric(forward: Matrix, backward: Matrix) -> Matrix:
    r"""P = GᵀG of the G that carries (W, U) to (GW, UG⁻¹) at noise equilibrium.

    Implements {eq}`noise_equilibrium-metric`: the positive solution of P F P = B, the
    geometric mean of F⁻¹ and B. `forward` F = E gᵤᵀgᵤ and `backward` B = E g_w g_wᵀ,
    symmetric positive definite. Source: derived in the chapter.

    >>> orbit_metric(np.eye(2), np.diag([4.0, 9.0]))
    array([[2., 0.],
           [0., 3.]])
    """
    f, b = definite(forward=forward, backward=backward)
    root, back = _power(f, 0.5), _power(f, -0.5)
    return back @ _power(root @ b @ root, 0.5) @ back


def equilibrium_layers(
    target: Matrix, inputs: Matrix, residuals: Matrix, depth: int = 2
) -> list[Matrix]:
    r"""Layers W₁ … W_L of a deep linear network at noise equilibrium.

    Implements {eq}`noise_equilibrium-alignment`, up to rotations between the layers;
    hidden widths are the rank of the `target` V. `inputs`, `residuals` are positive
    definite covariances, `depth` L >= 2. Source: Ziyin et al. 2024.

    >>> layers = equilibrium_layers(np.diag([4.0, 1.0]), np.eye(2), np.eye(2), 3)
    >>> np.round(np.linalg.svd(layers[1])[1] ** 3, 12)  # s / √(ab), s the sum
    array([2.5, 2.5])
    """
    (v,) = finite(target=target)
    x, e = definite(inputs=inputs, residuals=residuals)
    if depth < 2 or not np.any(v):
        raise ValueError(f"depth={depth} must be >= 2, target must not be zero")
    left, s, right = np.linalg.svd(_power(e, 0.5) @ v @ _power(x, 0.5))
    rank = int(np.sum(s > 1e-12 * s[0]))
    s, left, right = s[:rank], left[:, :rank], right[:rank]
    a, b = np.trace(x) / s.sum(), s.sum() / np.trace(e)
    c = a * (b / a) ** (np.arange(depth + 1) / depth)
    first = np.sqrt(c[1] * s)[:, None] * right @ _power(x, -0.5)
    last = _power(e, -0.5) @ left * np.sqrt(s / c[-2])
    middle = [(b / a) ** (0.5 / depth) * np.eye(rank)] * (depth - 2)
    return [first, *middle, last]


def hessian_trace(first: Matrix, second: Matrix, inputs: Matrix) -> float:
    r"""Trace of the Hessian of E ½|UWx - y|²: Tr Σx |U|² + d_y Tr WΣxWᵀ.

    Implements {eq}`noise_equilibrium-trace`, at any (W, U). Source: Ziyin et al. 2024,
    whose loss has no ½.

    >>> hessian_trace(np.eye(2), np.eye(2), np.eye(2))
    8.0
    """
    w, u, x = finite(first=first, second=second, inputs=inputs)
    return float(np.trace(x) * np.sum(u**2) + len(u) * np.trace(w @ x @ w.T))


def flattest_trace(target: Matrix, inputs: Matrix) -> float:
    r"""Least trace of the Hessian among all minima UW = V: 2 √(d_y Tr Σx) |V Σx^½|_*.

    Implements {eq}`noise_equilibrium-flattest`; nuclear norm. Source: derived in the
    chapter.

    >>> flattest_trace(np.eye(2), np.eye(2))
    8.0
    """
    (v,), (x,) = finite(target=target), definite(inputs=inputs)
    size = np.linalg.norm(v @ _power(x, 0.5), "nuc")
    return float(2 * np.sqrt(len(v) * np.trace(x)) * size)


def _orbit(charges, noise, weight, eta, decay) -> list[np.ndarray]:
    positive("eta", eta)
    positive("decay", decay, zero=True)
    rows = finite(charges=charges, noise=noise, weight=weight)
    if rows[0].ndim != 1 or not rows[0].any() or len({r.shape for r in rows}) > 1:
        raise ValueError("charges must be a row, not all 0; noise and weight as long")
    positive("noise", noise, zero=True)
    positive("weight", weight, zero=True)
    return rows


def _power(matrix: Matrix, exponent: float) -> Matrix:
    values, vectors = np.linalg.eigh(matrix)
    return vectors * values**exponent @ vectors.T
