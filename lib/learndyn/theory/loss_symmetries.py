r"""Symmetries of the loss: orbits, forced constraints, sizes of their violation.

Setting: any loss L(θ), mean over samples, with gradient g and Hessian H; a
symmetry is L(ψ_α(θ)) = L(θ) for all α and θ. Elementwise families are given by a
vector of rates r and one of shifts c, shaped like θ, with generator rθ + c:
translation r = 0, c = 1; scale r = 1; rescale r = 1 on the incoming, -k on the
outgoing weights of a unit homogeneous of degree k. No unit of time is involved.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import special

Values = float | Float[np.ndarray, "..."]

_DEFECTS: dict[str, Callable[..., np.ndarray]] = {
    "relu": lambda u: 0 * u,
    "tanh": lambda u: u * (1 - np.tanh(u) ** 2) - np.tanh(u),
    "gelu": lambda u: u**2 * np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi),
    "silu": lambda u: u**2 * special.expit(u) * special.expit(-u),
}


def orbit(theta: Values, rate: Values, shift: Values, alpha: Values) -> Values:
    r"""Move θ by e^{αr}θ + αc, {eq}`loss_symmetries-orbit`; arguments broadcast.

    Solves dθ/dα = rθ + c, rc = 0. Source: {cite}`kunin2021neural`, whose α is e^α.

    >>> orbit(np.array([1.0, 2.0]), np.array([0.0, 1.0]), np.array([3.0, 0.0]), 0.0)
    array([1., 2.])
    """
    if np.any(np.multiply(rate, shift) != 0):
        raise ValueError("rate and shift must not both be nonzero in one entry")
    return np.exp(np.multiply(alpha, rate)) * theta + np.multiply(alpha, shift)


def generator(theta: Values, rate: Values, shift: Values) -> Values:
    r"""Velocity ξ = rθ + c of an orbit at α = 0, {eq}`loss_symmetries-orbit`.

    Arguments broadcast. Source: {cite}`kunin2021neural`, there ∂_α ψ.

    >>> generator(np.array([3.0, 4.0]), np.array([1.0, -1.0]), 0.0)
    array([ 3., -4.])
    """
    return np.multiply(rate, theta) + shift


def hessian_image(gradient: Values, rate: Values) -> Values:
    r"""What the Hessian makes of the generator: Hξ = -rg, {eq}`loss_symmetries-image`.

    Any shift; arguments broadcast. Source: {cite}`kunin2021neural`.

    >>> hessian_image(np.array([3.0, 4.0]), np.array([1.0, -1.0]))
    array([-3.,  4.])
    """
    return -np.multiply(rate, gradient)


def query_key(
    query: Float[np.ndarray, "d inputs"],
    key: Float[np.ndarray, "d inputs"],
    matrix: Float[np.ndarray, "d d"],
) -> tuple[Float[np.ndarray, "d inputs"], Float[np.ndarray, "d inputs"]]:
    r"""Change basis, (MW_Q, M⁻ᵀW_K), {eq}`loss_symmetries-query_key`.

    M invertible; a rotation acts alike on both. {cite}`silverstein2026symmetry`.

    >>> query_key(np.eye(1), np.eye(1), np.array([[2.0]]))
    (array([[2.]]), array([[0.5]]))
    """
    if np.linalg.matrix_rank(matrix) < len(matrix):
        raise ValueError("matrix must be invertible")
    return matrix @ query, np.linalg.solve(matrix.T, key)


def torque(
    bias_gradient: Float[np.ndarray, " d"], bias: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "d d"]:
    r"""Antisymmetric violation by a query bias, {eq}`loss_symmetries-torque`.

    Predicts G_Q W_Qᵀ + G_K W_Kᵀ minus its transpose. Derived here for the biases of
    {cite}`silverstein2026symmetry`.

    >>> torque(np.array([0.0, 2.0]), np.array([1.0, 0.0]))
    array([[ 0.,  2.],
           [-2.,  0.]])
    """
    return np.outer(bias, bias_gradient) - np.outer(bias_gradient, bias)


def exchange(
    incoming: Float[np.ndarray, "inputs units"],
    outgoing: Float[np.ndarray, "units outputs"],
    order: Int[np.ndarray, " units"] | Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    r"""Relabel hidden units, {eq}`loss_symmetries-exchange`.

    `order` is a permutation of 0 … units - 1. Folklore.

    >>> exchange(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), [1, 0])[0]
    array([[2., 1.]])
    """
    order = np.asarray(order)
    if sorted(order.tolist()) != list(range(incoming.shape[-1])):
        raise ValueError(f"order={order} must permute 0 … {incoming.shape[-1] - 1}")
    return incoming[..., order], outgoing[order]


def epsilon_violation(variance: Values, epsilon: Values, response: Values) -> Values:
    r"""⟨g, θ_A⟩ of a unit with batch norm, {eq}`loss_symmetries-epsilon`.

    ε/(v + ε) times `response`, the derivative of L when the unit's output grows by
    e^α; v >= 0 variance over the batch, ε >= 0, not both zero. Derived here.

    >>> float(epsilon_violation(3.0, 1.0, response=8.0))
    2.0
    """
    if np.any(np.less(variance, 0)) or np.any(np.less(epsilon, 0)):
        raise ValueError("variance and epsilon must not be negative")
    total = np.add(variance, epsilon)
    if np.any(total == 0):
        raise ValueError("variance + epsilon must be positive")
    return np.divide(epsilon, total) * response


def homogeneity_defect(u: Values, activation: str) -> Values:
    r"""Euler's defect uφ'(u) - φ(u), {eq}`loss_symmetries-defect`.

    `activation` is relu, tanh, gelu (the exact one) or silu; zero at every
    u exactly for homogeneity of degree one. Derived here.

    >>> float(homogeneity_defect(1.0, "relu"))
    0.0
    """
    if activation not in _DEFECTS:
        raise ValueError(f"activation={activation!r} must be one of {list(_DEFECTS)}")
    return _DEFECTS[activation](np.asarray(u, dtype=float))


def negative_curvature(
    theta_norm: Values, gradient_norm: Values, curvature: Values
) -> Values:
    r"""Bound the lowest eigenvalue of H, {eq}`loss_symmetries-negative`.

    For a scale-symmetric group with norms |θ_A| > 0, |g_A| >= 0 and curvature h of L
    along g_A: λ_min <= h/2 - √(h²/4 + |g_A|²/|θ_A|²). Derived here.

    >>> float(negative_curvature(theta_norm=1.0, gradient_norm=2.0, curvature=3.0))
    -1.0
    """
    if np.any(np.less_equal(theta_norm, 0)) or np.any(np.less(gradient_norm, 0)):
        raise ValueError("theta_norm must be > 0 and gradient_norm >= 0")
    ratio, half = np.divide(gradient_norm, theta_norm), np.divide(curvature, 2)
    root = np.hypot(ratio, half)
    large = np.maximum(root + half, np.finfo(float).tiny)  # no cancellation
    return np.where(half > 0, -(ratio**2) / large, half - root)


def flat_directions(
    sizes: Sequence[int], *, normalize: Sequence[int], homogeneous: Sequence[int]
) -> int:
    r"""Count independent generators of a softmax MLP, {eq}`loss_symmetries-count`.

    One for each input of the softmax layer and its bias, each unit with batch norm
    (ε = 0), each other unit that is homogeneous. Layers as in `nets.MLP`: hidden
    layer l has width sizes[l + 1]. Derived here.

    >>> flat_directions((4, 3, 3, 3), normalize=(0,), homogeneous=(1,))
    10
    """
    hidden = range(len(sizes) - 2)
    if len(sizes) < 3 or not {*normalize, *homogeneous} <= set(hidden):
        raise ValueError("normalize and homogeneous must name hidden layers of sizes")
    units = {*normalize, *homogeneous}
    return sizes[-2] + 1 + sum(sizes[layer + 1] for layer in units)
