r"""Rotations of attention heads: orbits, angular momentum, rays of a conserved energy.

Setting: per head, queries, keys and values W x of dimension d, each W of shape
[d, inputs] acting on column vectors, scores qᵀk/√d, output matrix [outputs, d].
Any loss F, mean over samples. An optimizer keeps one momentum P for each matrix A,
P ← βP - κG, A ← A + sP, with numbers β, κ, s common to all matrices that rotate
together. Energy conserving descent: unit speed, so time is path length, h a step;
p = ηD/(2(D - 1)) for concentration η in D dimensions; F₀ is the offset of the loss
("floor"), below all values of F.
"""

import numpy as np
from jaxtyping import Float
from scipy import optimize

from learndyn.theory.loss_symmetries import query_key

Values = float | Float[np.ndarray, "..."]
Matrix = Float[np.ndarray, "_ _"]


def rotate_head(head: dict[str, Matrix], turns: tuple[Matrix, Matrix]) -> dict:
    r"""Change the bases of a head, {eq}`attention_symmetry-orbit`.

    `head` has query, key, value [d, inputs] and output [outputs, d]; the two
    matrices M, N [d, d] must be invertible: (MW_Q, M⁻ᵀW_K), (NW_V, W_O N⁻¹).
    Source: {cite}`silverstein2026symmetry`, there rotations only.

    >>> head = {name: np.eye(1) for name in ("query", "key", "value", "output")}
    >>> float(rotate_head(head, (np.eye(1), np.array([[2.0]])))["output"][0, 0])
    0.5
    """
    query, key = query_key(head["query"], head["key"], turns[0])
    value, _ = query_key(head["value"], head["value"], turns[1])
    output = np.linalg.solve(turns[1].T, head["output"].T).T
    return {"query": query, "key": key, "value": value, "output": output}


def head_output(
    head: dict[str, Matrix],
    x: Float[np.ndarray, "positions inputs"],
    query_bias: Values = 0.0,
    key_bias: Values = 0.0,
    value_bias: Values = 0.0,
) -> Float[np.ndarray, "positions outputs"]:
    r"""What a causal head with biases adds to a stream, {eq}`attention_symmetry-bias`.

    Computed as the theorem says: the key bias is not used, the query bias adds a
    score to each *key*, the value bias a constant to each output. Derived here for
    the biases of {cite}`silverstein2026symmetry`.

    >>> head = {name: np.eye(1) for name in ("query", "key", "value", "output")}
    >>> head_output(head, np.array([[1.0], [0.0]]), value_bias=np.array([3.0]))[0]
    array([4.])
    """
    d = len(head["query"])
    keys = x @ head["key"].T
    prior = keys @ (np.ones(d) * query_bias)
    scores = (x @ head["query"].T @ keys.T + prior[None]) / np.sqrt(d)
    scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    constant = head["output"] @ (np.ones(d) * value_bias)
    return weights @ x @ head["value"].T @ head["output"].T + constant[None]


def flat_rotations(d: int, directions: int = 0) -> int:
    r"""Count generators that keep `directions` vectors, {eq}`attention_symmetry-left`.

    Rotations of d dimensions that leave as many independent biases in place: 0 for
    no bias, 1 for a bias, d for d of them. Elementary.

    >>> flat_rotations(8), flat_rotations(8, 1), flat_rotations(8, 7)
    (28, 21, 0)
    """
    if d < 1 or not 0 <= directions <= d:
        raise ValueError(f"d={d} must be >= 1, directions={directions} in 0 … d")
    return (d - directions) * (d - directions - 1) // 2


def angular_momentum(
    start: Matrix,
    decay: Values,
    kick: Values,
    torque: Float[np.ndarray, "steps rows columns"],
) -> Float[np.ndarray, "times rows columns"]:
    r"""Follow J over the steps of training, {eq}`attention_symmetry-law_eq`.

    J_{n+1} = β_n J_n - κ_n τ_n, with J = PAᵀ - APᵀ summed over the matrices A that
    rotate together, β `decay` and κ `kick` (numbers, or one a step), and τ the
    `loss_symmetries.torque`(∂L/∂b, b), zero without a bias. Returns J_0 … J_steps.
    Derived here; for momentum SGD β = momentum and κ = learning rate.

    >>> J = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> angular_momentum(J, 0.5, 1.0, np.zeros((2, 2, 2)))[:, 0, 1]
    array([1.  , 0.5 , 0.25])
    """
    steps, path = len(torque), [start]
    if not {np.shape(decay), np.shape(kick)} <= {(), (steps,)}:
        raise ValueError(f"decay and kick must be numbers, or {steps}: one a step")
    decay, kick = np.broadcast_to(decay, steps), np.broadcast_to(kick, steps)
    for beta, kappa, tau in zip(decay, kick, torque, strict=True):
        path.append(beta * path[-1] - kappa * tau)
    return np.stack(path)


def exponent(concentration: Values, dimension: int) -> Values:
    r"""Give p of the index n = (F - F₀)^(-p), {eq}`attention_symmetry-index`.

    p = ηD/(2(D - 1)), concentration η > 0, dimension D >= 2. Source: the ECD of
    {cite}`deluca2022born`, q = 1, as coded for {cite}`silverstein2026symmetry`.

    >>> float(exponent(3.0, 2))
    3.0
    """
    if np.any(np.less_equal(concentration, 0)) or dimension < 2:
        raise ValueError(
            f"concentration={concentration} must be > 0, dimension={dimension} >= 2"
        )
    return np.multiply(concentration, dimension / (2 * (dimension - 1)))


def index(loss: Values, floor: float, power: float) -> Values:
    r"""Refractive index n = (F - F₀)^(-p), {eq}`attention_symmetry-index`.

    Needs loss F > floor F₀, power p = `exponent(…)`. Derived here.

    >>> float(index(1.0, -1.0, 3.0))
    0.125
    """
    if np.any(np.less_equal(loss, floor)):
        raise ValueError(f"loss must be above floor={floor}")
    return np.subtract(loss, floor) ** -power


def turn(cosine: Values, angle: Values) -> tuple[Values, Values]:
    r"""Turn u towards the unit vector e, {eq}`attention_symmetry-turn`.

    Solves dc/dt = δ(1 - c²) for c = uᵀe over unit time: returns the new cosine and
    the growth cosh δ + c sinh δ of the momentum's size; -1 <= c <= 1, 0 <= δ <= 700.
    Derived here; see {cite}`versteeg2021hamiltonian`.

    >>> [float(value) for value in turn(0.0, 0.0)]
    [0.0, 1.0]
    """
    if np.any(np.abs(cosine) > 1 + 1e-12):
        raise ValueError("cosine must lie in [-1, 1]")
    if np.any(np.less(angle, 0)) or np.any(np.greater(angle, 700)):
        raise ValueError("angle must lie in [0, 700]")
    growth = np.cosh(angle) + np.multiply(cosine, np.sinh(angle))
    with np.errstate(divide="ignore"):  # c = ±1 stays there: tanh(±∞)
        rapidity = np.arctanh(np.clip(cosine, -1, 1))
    return np.tanh(rapidity + angle), growth


def turning_points(momentum: Values, floor: float, power: float) -> tuple:
    r"""Inner and outer radius of a ray in the bowl, {eq}`attention_symmetry-disc`.

    For F = ½r²: the two r with n(r)r = |J|, J = `momentum`; between them n r >= |J|.
    Needs floor F₀ < 0, power p > ½ and |J| at most max n r; J = 0 gives 0 and
    infinity. Derived here.

    >>> inner, outer = turning_points(0.0, -1.0, 3.0)
    >>> inner, outer
    (0.0, inf)
    """
    if floor >= 0 or power <= 0.5:
        raise ValueError(f"floor={floor} must be < 0 and power={power} above 1/2")
    if momentum == 0:
        return 0.0, np.inf
    top = np.sqrt(-2 * floor / (2 * power - 1))

    def excess(log_r):
        r = np.exp(log_r)
        return log_r - power * np.log(r**2 / 2 - floor) - np.log(abs(momentum))

    middle, height = np.log(top), excess(np.log(top))
    if height < -1e-12:
        raise ValueError(f"momentum={momentum} must be at most max n(r)r in size")
    if height < 1e-12:
        return float(top), float(top)
    width = np.log1p(abs(height)) + 1.0
    while excess(middle - width) > 0 or excess(middle + width) > 0:
        width *= 2
    inner = optimize.brentq(excess, middle - width, middle, xtol=1e-14)
    outer = optimize.brentq(excess, middle, middle + width, xtol=1e-14)
    return float(np.exp(inner)), float(np.exp(outer))
