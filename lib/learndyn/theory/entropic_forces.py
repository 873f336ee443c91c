r"""Entropic forces: what steps of finite size and noise add to a loss.

SGD takes θ ← θ - η g, g the gradient of a minibatch; time is t = η · step. The loss of
a sample is ℓ = ½ |f - y|², decay adds (γ/2)|θ|². The *energy* of a group of weights is
E |g|² of its minibatch gradient, and the entropic loss is `noise_equilibrium`'s,
L + (η/4) E |g|². Deep linear networks have f = W_D … W_1 Z x on data y = V x + ε,
with Σ_x = E x xᵀ and Σ_ε = E ε εᵀ independent of x, one sample a step.

The source has no ½ and decay γ|θ|²: its η is half of ours, its energies four times
ours, its γ is ours.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from learndyn.checks import definite, finite, positive

Values = float | Float[np.ndarray, "..."]
Vector = Float[np.ndarray, " d"]
Matrix = Float[np.ndarray, "_ _"]


def step_error(
    gradient: Vector, hessian: Matrix, third: Matrix, eta: float, order: int = 1
) -> Vector:
    r"""Leading term of one step minus the flow for time η, {eq}`entropic_forces-local`.

    `order` 1: the flow of the loss; 2: that of the entropic loss of the step. `third`
    is the derivative of the Hessian along the gradient, [d, d]. Source: backward error
    analysis of Euler's scheme, derived in the chapter.

    >>> step_error(np.ones(1), 2 * np.eye(1), np.zeros((1, 1)), 0.1)
    array([-0.01])
    """
    g, h, t = finite(gradient=gradient, hessian=hessian, third=third)
    positive("eta", eta, zero=True)
    if order not in (1, 2):
        raise ValueError(f"order={order} must be 1 or 2")
    if not h.shape == t.shape == (len(g), len(g)):
        raise ValueError("hessian and third must have the shape [d, d] of gradient")
    if order == 1:
        return -(eta**2) / 2 * h @ g
    return -(eta**3) * (h @ h @ g / 3 + t @ g / 12)


def curl(hessian: Matrix, third: Matrix, eta: float) -> Matrix:
    r"""Antisymmetric part of the Jacobian of the third-order field: -(η²/12)[H, T].

    Implements {eq}`entropic_forces-curl`; arguments as `step_error`. Where it is not
    zero no loss exists whose flow follows descent to this order. Source: derived in the
    chapter.

    >>> turn = curl(np.diag([1.0, 2.0]), np.ones((2, 2)), 1.0)[0, 1]
    >>> round(12 * float(turn), 12)
    1.0
    """
    h, t = finite(hessian=hessian, third=third)
    positive("eta", eta, zero=True)
    return -(eta**2) / 12 * (h @ t - t @ h)


def resampling_shift(
    gradients: Float[np.ndarray, "batches d"],
    hessians: Float[np.ndarray, "batches d d"],
    eta: float,
) -> Vector:
    r"""Mean of m independent draws of m batches minus the flow of the entropic loss.

    Implements {eq}`entropic_forces-resampling`, the leading term: it undoes the noise
    part of the entropic force. Shuffled batches have no such term. `gradients` and
    `hessians` are those of the m batches. Source: derived in the chapter.

    >>> resampling_shift(np.array([[1.0], [-1.0]]), np.array([[[3.0]], [[1.0]]]), 0.1)
    array([0.01])
    """
    g, h = finite(gradients=gradients, hessians=hessians)
    positive("eta", eta, zero=True)
    each = np.einsum("kij,kj->ki", h, g).mean(0)
    return len(g) * eta**2 / 2 * (each - h.mean(0) @ g.mean(0))


def layer_scales(
    energies: Vector, norms: Vector, eta: float = 1.0, decay: float = 0.0
) -> Vector:
    r"""Factors for the layers, of product 1, at the least entropic loss.

    Implements {eq}`entropic_forces-scales`: layers with `energies` E_i > 0 and
    squared `norms` N_i > 0 in a network homogeneous in each layer. Without decay
    they make energies equal, without η they make norms equal; one of the two must
    be positive. Source: Ziyin et al. 2025 for the condition, solved in the chapter.

    >>> layer_scales(np.array([4.0, 0.25]), np.ones(2))
    array([2. , 0.5])
    """
    e, n = finite(energies=energies, norms=norms)
    if e.shape != n.shape:
        raise ValueError("energies and norms must have one entry for each layer")
    for name, value in (("energies", e), ("norms", n)):
        positive(name, value)
    for name, value in (("eta", np.asarray(eta)), ("decay", np.asarray(decay))):
        positive(name, value, zero=True)
    if eta == 0 and decay == 0:
        raise ValueError("decay must be above 0 where eta is 0")
    up, down = decay * n, eta / 2 * e  # of x = factor²: up · x - down / x = μ

    def logs(mu):  # the root without cancellation, for either sign of μ
        root = np.sqrt(mu**2 + 4 * up * down)
        if mu > 0:
            return np.log((mu + root) / 2) - np.log(up)
        return np.log(down) - np.log((root - mu) / 2)

    if decay == 0 or eta == 0:
        x = np.log(e) if decay == 0 else -np.log(n)
        return np.exp((x - x.mean()) / 2)
    far = np.max(up) + np.max(down)
    while logs(far).sum() < 0 or logs(-far).sum() > 0:
        far *= 2
    mu = brentq(lambda m: logs(m).sum(), -far, far, xtol=1e-14 * far, rtol=1e-14)
    return np.exp(logs(mu) / 2)


def platonic_kernel(target: Matrix, sx: Matrix, se: Matrix) -> Matrix:
    r"""Matrix K of the universal kernel: h(x)ᵀh(x') ∝ xᵀ K x'.

    Implements {eq}`entropic_forces-kernel`: every hidden layer of every deep linear
    network at the least entropy, up to a factor. `target` V of shape [outputs, inputs],
    `sx` and `se` positive definite. Source: Ziyin et al. 2025; Ziyin and Chuang 2025.

    >>> platonic_kernel(np.array([[3.0]]), 4 * np.eye(1), np.eye(1))
    array([[1.5]])
    """
    p, sx, _ = _problem(target, sx, se)
    root = _power(sx, -0.5)
    return root @ _power(p.T @ p, 0.5) @ root


def layer_constants(
    target: Matrix, sx: Matrix, se: Matrix, depth: int, power: float
) -> Vector:
    r"""Factors c_1, …, c_{D-1} of the universal kernel in the hidden layers.

    Implements {eq}`entropic_forces-constants`, a geometric sequence. `power` is
    E |Zx|² of the inputs as the network sees them, `depth` D ≥ 2 the number of weight
    matrices. Source: derived in the chapter.

    >>> layer_constants(np.eye(1), np.eye(1), np.eye(1), 3, 8.0)
    array([4., 2.])
    """
    s, b = _strength(target, sx, se, depth, power)
    part = np.arange(1, depth) / depth
    return (power / s) ** (1 - part) * (s / b) ** part


def least_energy(
    target: Matrix, sx: Matrix, se: Matrix, depth: int, power: float
) -> float:
    r"""Least Σ_i E |g_i|² among the minima of a deep linear network.

    Implements {eq}`entropic_forces-least`; η/4 times it is the entropy. Arguments as
    `layer_constants`. Source: derived in the chapter.

    >>> least_energy(np.eye(1), np.eye(1), np.eye(1), 2, 1.0)
    2.0
    """
    s, b = _strength(target, sx, se, depth, power)
    return float(depth * s**2 * (power * b / s**2) ** (1 / depth))


def curvature(
    target: Matrix, sx: Matrix, se: Matrix, depth: int, power: float
) -> float:
    r"""Trace of the Hessian at the least entropy of a deep linear network.

    Implements {eq}`entropic_forces-trace`; with Σ_ε = I it is the least trace of all
    minima. Arguments as `layer_constants`. Source: Ziyin et al. 2025 for D = 2, half
    of it here; any depth: derived in the chapter.

    >>> curvature(np.eye(1), np.eye(1), np.eye(1), 2, 1.0)
    2.0
    """
    s, b = _strength(target, sx, se, depth, power)
    p, _, se = _problem(target, sx, se)
    q = np.trace(np.linalg.solve(se, _power(p @ p.T, 0.5)))
    rate = (power * b / s**2) ** (1 / depth)
    return float(s * rate * ((depth - 1) * q + len(se) * s / b))


def decayed_kernel(target: Matrix, transform: Matrix, depth: int, layer: int) -> Matrix:
    r"""Matrix of the kernel of a hidden layer whose weights have balanced norms.

    Implements {eq}`entropic_forces-decayed`: what vanishing weight decay selects, up to
    no factor at all. `transform` is Z, invertible; `layer` from 1 to `depth` - 1.
    Source: Ziyin et al. 2025; balanced layers as in linear networks.

    >>> decayed_kernel(np.array([[9.0]]), np.eye(1), 2, 1)
    array([[9.]])
    """
    v, z = finite(target=target, transform=transform)
    if not 1 <= layer < depth:
        raise ValueError(f"layer={layer} must lie in 1 … depth - 1 = {depth - 1}")
    inputs = v.shape[-1]
    if z.shape != (inputs, inputs) or np.linalg.matrix_rank(z) < inputs:
        raise ValueError("transform must be invertible and fit the target")
    _, s, right = np.linalg.svd(np.linalg.solve(z.T, v.T).T, full_matrices=False)
    seen = right @ z
    return seen.T @ (s[:, None] ** (2 * layer / depth) * seen)


def _power(matrix: Matrix, power: float) -> Matrix:
    """Power of a symmetric matrix; eigenvalues below 0 are rounding."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.maximum(values, 0) ** power @ vectors.T


def _problem(target: Matrix, sx: Matrix, se: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """P = Σ_ε^½ V Σ_x^½ and the two covariances."""
    (v,) = finite(target=target)
    sx, se = definite(sx=sx, se=se)
    if v.shape != (len(se), len(sx)) or not np.any(v):
        raise ValueError("target must have shape [outputs, inputs] and not be 0")
    return _power(se, 0.5) @ v @ _power(sx, 0.5), sx, se


def _strength(
    target: Matrix, sx: Matrix, se: Matrix, depth: int, power: float
) -> tuple[float, float]:
    """Sum of the singular values of P, and Tr Σ_ε."""
    if depth < 2:
        raise ValueError(f"depth={depth} must be at least 2")
    positive("power", power)
    p, _, se = _problem(target, sx, se)
    return float(np.linalg.svd(p, compute_uv=False).sum()), float(np.trace(se))
