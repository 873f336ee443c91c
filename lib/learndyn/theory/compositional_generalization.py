r"""Rendering an image from two factors, and which unseen combinations come out right.

A factor x and a factor y take `values` values each; the target is an image
T(x, y) of so many pixels. Bumps are bright on a black ground, so that an empty
image is zero, and errors are relative to it: Σ |f - T|² / Σ |T|² over the
combinations meant, 1 for a blank. Held out is the square of combinations whose
factors are *both* `inside`; each value occurs in training. Losses carry ½ and the
mean over samples; t = learning rate × step.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array, csgraph

Values = float | Float[np.ndarray, "..."]
Factor = Float[np.ndarray, "values pixels"]
Images = Float[np.ndarray, "values values pixels"]
Hole = Float[np.ndarray, "hole hole pixels"]
Inside = Bool[np.ndarray, " values"]


def bumps(size: int, width: float = 1.0) -> Float[np.ndarray, "size size"]:
    r"""One-dimensional factor a_j(x) = exp(-(j - x)²/2w²) of the bump at x.

    Implements {eq}`compositional_generalization-bump`; rows are the values x, the
    columns pixels j. `size` at least 2, `width` positive, in pixels.
    Source: Liang et al. 2025, their bump task (σ is `width`, ground inverted).

    >>> bumps(3).diagonal()
    array([1., 1., 1.])
    """
    if size < 2 or not (np.isfinite(width) and width > 0):
        raise ValueError(f"size={size} must be at least 2, width={width} positive")
    place = np.arange(size)
    return np.exp(-((place - place[:, None]) ** 2) / (2 * width**2))


def additive_rendering(images: Images, inside: Inside) -> Hole:
    r"""Best additive model F(x) + G(y) of the seen images, on the held-out square.

    Implements {eq}`compositional_generalization-superposition`: mean seen image
    with this x, plus the same for y, minus the mean image of the corners. Shape
    [inside, inside, pixels]. Source: derived in the chapter.

    >>> T = np.arange(9.0).reshape(3, 3, 1)  # additive itself
    >>> additive_rendering(T, np.array([False, True, True]))[..., 0]
    array([[4., 5.],
           [7., 8.]])
    """
    frame, hole = _split(images, inside)
    row = images[hole][:, frame].mean(1)
    column = images[frame][:, hole].mean(0)
    corner = images[frame][:, frame].mean((0, 1))
    return row[:, None] + column[None] - corner


def superposition_error(factor: Factor, inside: Inside) -> float:
    r"""Relative held-out error of the additive model on products a(x) ⊗ a(y).

    Implements {eq}`compositional_generalization-error`, the square of
    Σ |a(x) - ā|² / Σ |a(x)|² over x inside, with ā the mean outside. It exceeds
    1, a blank image, when ā does not overlap the inside factors.
    Source: derived in the chapter.

    >>> superposition_error(np.eye(3), np.array([False, True, True]))
    4.0
    """
    frame, hole = _split(factor, inside)
    away = factor[hole] - factor[frame].mean(0)
    return float(((away**2).sum() / (factor[hole] ** 2).sum()) ** 2)


def additive_floor(factor: Factor, inside: Inside) -> float:
    r"""Smallest relative error on the held-out square of *any* F(x) + G(y).

    Implements {eq}`compositional_generalization-floor`: as `superposition_error`,
    with the mean over the inside values themselves, for targets a(x) ⊗ a(y).
    Source: derived in the chapter.

    >>> additive_floor(np.eye(4), np.array([False, False, True, True]))
    0.25
    """
    _, hole = _split(factor, inside)
    away = factor[hole] - factor[hole].mean(0)
    return float(((away**2).sum() / (factor[hole] ** 2).sum()) ** 2)


def relu_kernel(depth: int) -> Float[np.ndarray, "3"]:
    r"""Tangent kernel of a wide ReLU network on pairs sharing 0, 1, 2 factors.

    Implements {eq}`compositional_generalization-tangent`: `depth` ≥ 1 hidden
    layers without bias, weights standard normal times √(2/fan-in) (tangent
    parametrisation), one-hot pairs, whose cosines are 0, ½, 1. The unit is
    2 |input|²/inputs, so that k(2) = depth + 1.
    Source: Jacot et al. 2018, with the integrals of Cho and Saul 2009.

    >>> relu_kernel(1).round(4)
    array([0.3183, 0.9423, 2.    ])
    """
    if depth < 1:
        raise ValueError(f"depth={depth} must be at least 1")
    kernel = cosine = np.array([0.0, 0.5, 1.0])
    for _ in range(depth):
        angle = np.arccos(np.minimum(cosine, 1.0))
        gate = 1 - angle / np.pi
        cosine = np.sin(angle) / np.pi + cosine * gate
        kernel = cosine + kernel * gate
    return kernel


def lazy_rendering(
    images: Images, inside: Inside, kernel: Float[np.ndarray, "3"]
) -> Hole:
    r"""Held-out images of the kernel machine that fits all seen images exactly.

    Implements {eq}`compositional_generalization-lazy`. `kernel` holds k(0), k(1),
    k(2), the kernel of two pairs that share none, one, both of the factors; it
    must be positive definite (α ≥ 0, β > 0, γ > 0 in the chapter). As γ → 0 this
    is `additive_rendering`. Shape [inside, inside, pixels].
    Source: derived in the chapter; the shape of the kernel in Liang et al. 2025.

    >>> T = np.ones((3, 3, 1))
    >>> out = lazy_rendering(T, np.array([False, False, True]), np.array([0, 1, 3.0]))
    >>> float(out[0, 0, 0].round(4))
    0.75
    """
    none, one, both = kernel
    beta, gamma = one - none, both - 2 * one + none
    if not (np.isfinite(kernel).all() and none >= 0 and beta > 0 and gamma > 0):
        raise ValueError(f"kernel={kernel} must have α ≥ 0, β > 0, γ > 0")
    frame, hole = _split(images, inside)
    n, m = len(inside), int(frame.sum())
    full, part = gamma + n * beta, gamma + m * beta
    left, right = images[frame].sum((0, 1)), images[:, frame].sum((0, 1))
    side = images[hole][:, frame].sum((0, 1))
    reach = m * (n * none + beta) / full
    total = part * left / full + side - (n - m) * beta * right / full
    total /= part * (1 + reach) + (n - m) * (m * none - beta * reach)
    rows = images[hole][:, frame].sum(1) - m * none * total
    rows -= beta * (right / full - reach * total)
    columns = images[frame][:, hole].sum(0) - m * none * total
    columns -= beta * (left / full - reach * total)
    return none * total + beta / part * (rows[:, None] + columns[None])


def components(seen: Bool[np.ndarray, "xs ys"]) -> tuple[Int[np.ndarray, "..."], ...]:
    r"""Component of each x and of each y in the graph of seen combinations.

    The graph of {prf:ref}`compositional_generalization-graph`: a product model is
    determined on (x, y) exactly when both carry the same label. Returns labels of
    shapes [xs] and [ys]; a value never seen is alone in its component.
    Source: derived in the chapter.

    >>> components(np.eye(2, dtype=bool))[1].tolist()
    [0, 1]
    """
    if not seen.size:
        raise ValueError(f"seen has shape {seen.shape}; it must not be empty")
    x, y = np.nonzero(seen)
    nodes = sum(seen.shape)
    graph = coo_array((np.ones(len(x)), (x, y + len(seen))), shape=(nodes, nodes))
    labels = csgraph.connected_components(graph, directed=False)[1]
    return labels[: len(seen)], labels[len(seen) :]


def component_scale(rows: Values, columns: Values, charge: Values = 0.0) -> Values:
    r"""Factor s by which gradient flow scales a(x) in a component, and 1/s b(y).

    Implements {eq}`compositional_generalization-scale`: `rows` = Σ |a*(x)|² and
    `columns` = Σ |b*(y)|² over the component (positive), `charge` the conserved
    Σ |a|² - Σ |b|² of its initial weights. The image of x from component C and y
    from D comes out multiplied by s_C/s_D. Source: derived in the chapter.

    >>> component_scale(1.0, 16.0)
    2.0
    """
    for name, value in (("rows", rows), ("columns", columns)):
        if not (np.all(np.isfinite(value)) and np.all(np.asarray(value) > 0)):
            raise ValueError(f"{name}={value} must be positive and finite")
    if not np.all(np.isfinite(charge)):
        raise ValueError(f"charge={charge} must be finite")
    product = 4 * np.asarray(rows) * np.asarray(columns)
    root = np.hypot(charge, np.sqrt(product))
    # the sum without cancellation, whichever sign the charge has
    large = (root + np.abs(charge)) / 2
    up = np.where(np.asarray(charge) >= 0, large, product / (4 * large))
    scale = np.sqrt(up / rows)
    return float(scale) if scale.ndim == 0 else scale


def coverage(size: int, samples: int) -> float:
    r"""Probability that random combinations show each x and each y at least once.

    Implements {eq}`compositional_generalization-coverage`: `samples` ≥ 0 pairs,
    uniform and with replacement, on a grid of `size` ≥ 1 values a factor.
    Summed as a Markov chain in the number of values found: no cancellation.
    Source: the collector's problem, squared.

    >>> coverage(2, 2)
    0.25
    """
    if size < 1 or samples < 0:
        raise ValueError(
            f"size={size} must be at least 1, samples={samples} at least 0"
        )
    found = np.arange(size + 1) / size
    chain = np.diag(found) + np.diag(1 - found[:-1], 1)  # [now, after one more]
    return float(np.linalg.matrix_power(chain, samples)[0, size]) ** 2


def _split(
    images: Float[np.ndarray, "values *rest"], inside: Inside
) -> tuple[Inside, Inside]:
    """Masks of the values outside and inside, checked."""
    if len(inside) != len(images) or inside.all() or not inside.any():
        raise ValueError(
            f"inside must mark some, not all, of the {len(images)} values: {inside}"
        )
    return ~inside, inside
