r"""Charges of gradient flow, and what a finite step does to them.

Time is t = learning rate × step, gradient flow is dθ/dt = -∇L. The two-weight
model has prediction w₂w₁ and loss L = ½ (target - w₂w₁)²; its charge is
q = w₂² - w₁² (second layer minus first), its residual e = target - w₂w₁. No
weight decay, no momentum: those change these laws and belong to a later chapter.
"""

import numpy as np
from jaxtyping import Float

from learndyn import checks

Values = float | Float[np.ndarray, "..."]


def discrete_charge(initial: Values, eta: Values, squares: Values) -> Values:
    r"""Charge after n steps of gradient descent: C₀ + η² Σ gᵀAg.

    Implements {eq}`conservation_laws-recursion`. A scale or rescale charge θᵀAθ,
    or the matrix W₂ᵀW₂ - W₁W₁ᵀ, changes at a step by exactly η² times the same
    form of the gradient (of that step's minibatch), a linear charge not at all.

    `squares` is Σ over steps of gᵀAg (0 for a linear charge), `eta` > 0.
    Source: integral form in Kunin et al. 2021 (λ = 0); exact sum: the chapter.

    >>> float(discrete_charge(1.0, 0.1, 5.0))
    1.05
    """
    if not (np.all(np.isfinite(eta)) and np.all(np.asarray(eta) > 0)):
        raise ValueError(f"eta={eta} must be positive and finite")
    return np.asarray(initial) + eta**2 * np.asarray(squares)


def hyperbola_flow(
    w1: Values, w2: Values, target: Values, t: Values
) -> Float[np.ndarray, "... 2"]:
    r"""Weights (w₁, w₂) at time t of gradient flow on ½ (target - w₂w₁)².

    Implements {eq}`conservation_laws-path`: in the coordinates w₂ ± w₁, whose
    product is the charge, both squares obey a Riccati equation. Arguments (t not
    negative, all finite) broadcast; the last axis of the result is (w₁, w₂).
    Source: derived in the chapter; Saxe et al. 2014 solve w₁ = w₂.

    >>> hyperbola_flow(0.0, 1.0, 1.0, 0.0)
    array([0., 1.])
    """
    w1, w2, y, t = checks.finite(w1=w1, w2=w2, target=target, t=t)
    if not np.all(t >= 0):
        raise ValueError("t must be at least 0")
    q = w2**2 - w1**2
    rate = np.hypot(q, 2 * y)
    fade = np.exp(-rate * t)
    phi = np.where(rate > 0, -np.expm1(-rate * t) / np.where(rate > 0, rate, 1), t)

    def cone(start, y):  # w₂ ± w₁ at time t; only positive terms are added
        top = start**2 * (2 * fade + _gap(q, -y) * phi) + q**2 * phi
        bottom = start**2 * phi + 2 * fade + _gap(q, y) * phi
        return np.sign(start) * np.sqrt(top / np.maximum(bottom, 1e-300))

    plus, minus = cone(w2 + w1, y), cone(w2 - w1, -y)
    return np.stack([(plus - minus) / 2, (plus + minus) / 2], axis=-1)


def limit_point(w1: Values, w2: Values, target: Values) -> Float[np.ndarray, "... 2"]:
    r"""Where gradient flow from (w₁, w₂) ends: the minimum on its own hyperbola.

    Implements {eq}`conservation_laws-endpoint`. The heavier weight keeps its sign.
    On the separatrix, |w₁| = |w₂| with a product not of the target's sign, the end
    is the saddle at the origin. Source: derived in the chapter.

    >>> limit_point(2.0, 2.0, 1.0)
    array([1., 1.])
    >>> limit_point(-1.0, 1.0, 1.0)
    array([0., 0.])
    """
    w1, w2, y = np.broadcast_arrays(*checks.finite(w1=w1, w2=w2, target=target))
    q = w2**2 - w1**2
    sign = np.sign(np.where(q < 0, w1, w2))
    heavy = sign * np.sqrt((np.hypot(q, 2 * y) + np.abs(q)) / 2)
    heavy = np.where((q == 0) & (w1 * w2 * y <= 0), 0.0, heavy)
    light = np.divide(y, heavy, out=np.zeros_like(heavy), where=heavy != 0)
    first, second = np.where(q < 0, heavy, light), np.where(q < 0, light, heavy)
    return np.stack([first, second], axis=-1)


def sharpness(charge: Values, target: Values) -> Values:
    r"""Top Hessian eigenvalue √(q² + 4 target²) at the minimum of charge q.

    Implements {eq}`conservation_laws-sharpness`; also the rate at which the flow
    arrives there. Descent with learning rate above 2/sharpness cannot stay.
    Source: derived in the chapter.

    >>> float(sharpness(3.0, 2.0))
    5.0
    """
    charge, target = checks.finite(charge=charge, target=target)
    return np.hypot(charge, 2 * target)


def drift_rate(
    w1: Values, w2: Values, target: Values, product: Values | None = None
) -> Values:
    r"""First-order drift of the charge under descent: q - q₀ = η · drift_rate + O(η²).

    Implements {eq}`conservation_laws-closed_drift`: -q ∫ e² dt along gradient flow
    from (w₁, w₂) until w₂w₁ has come to `product` (at most the target, which is the
    default: t → ∞). Zero if q = 0. Source: derived in the chapter.

    >>> bool(drift_rate(1.0, 1.0, 3.0) == 0)
    True
    """
    w1, w2, y = checks.finite(w1=w1, w2=w2, target=target)
    p = y if product is None else checks.finite(product=product)[0]
    if not np.all((p - w1 * w2) * (y - p) >= -1e-12 * (1 + y**2)):
        raise ValueError("product must lie between w1 * w2 and target")
    q = w2**2 - w1**2
    size = np.where(q == 0, 1.0, np.abs(q))

    def primitive(p):
        return y / 2 * np.arcsinh(2 * p / size) - np.hypot(q, 2 * p) / 4

    return -q * (primitive(p) - primitive(w1 * w2))


def holonomy_angle(leg: Values) -> Values:
    r"""Angle by which a closed loop of invariant gradient flows turns a matrix.

    Implements {eq}`conservation_laws-holonomy`: a 2×2 matrix W = I flows for a time
    `leg` on each of ½ tr(X WᵀW), X = Z, F, -Z, -F with Z = diag(1, -1) and F the
    exchange of the axes, then on ¼ |WᵀW - I|² until WᵀW = I again. Result in
    radians, in [0, π). Source: derived in the chapter.

    >>> bool(abs(holonomy_angle(0.01) / 2e-4 - 1) < 1e-3)
    True
    """
    if not np.all(np.isfinite(leg)) or not np.all(np.asarray(leg) >= 0):
        raise ValueError("leg must be finite and at least 0")
    return np.arctan2(np.sinh(2 * leg) ** 2 / 2, 1 - 2 * np.sinh(leg) ** 4)


def _gap(q: Values, y: Values) -> Values:
    """√(q² + 4y²) - 2y without cancellation."""
    total = np.hypot(q, 2 * y) + 2 * np.abs(y)
    return np.where(y > 0, q**2 / np.where(total > 0, total, 1), total)
