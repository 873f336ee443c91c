"""Data and losses: squared loss carries ½, every loss the mean over samples."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key
from sklearn.datasets import load_digits


class Data(NamedTuple):
    """Inputs and targets, samples on the leading axis."""

    x: Array
    y: Array


def squared_loss(output: Float[Array, "n outputs"], y: Float[Array, "n outputs"]):
    """½ · mean over samples of |output - y|²."""
    return 0.5 * jnp.mean(jnp.sum((output - y) ** 2, axis=-1))


def cross_entropy(logits: Float[Array, "n classes"], y: Int[Array, " n"]):
    """Mean over samples of -log softmax(logits)[y]."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def accuracy(logits: Float[Array, "n classes"], y: Int[Array, " n"]):
    """Share of samples whose largest logit is the label's."""
    return jnp.mean(jnp.argmax(logits, -1) == y)


def minibatch(data: Data, size: int, key: Key[Array, ""]) -> Data:
    """Draw `size` samples without replacement.

    Raises:
        ValueError: `size` not between 1 and the number of samples.
    """
    if not 1 <= size <= len(data.x):
        raise ValueError(f"size={size} must lie in 1 … {len(data.x)}")
    chosen = jax.random.choice(key, len(data.x), (size,), replace=False)
    return Data(data.x[chosen], data.y[chosen])


def digits(train: int = 1500, *, dtype=jnp.float64) -> tuple[Data, Data]:
    """Real handwritten digits (scikit-learn's copy), split into train and test.

    1,797 grey images, x of shape [n, 8, 8, 1] in [0, 1], y the digit; shuffled
    once, in the same way for everybody.

    Raises:
        ValueError: `train` not between 1 and 1796.
    """
    images, labels = load_digits(return_X_y=True)
    if not 1 <= train < len(images):
        raise ValueError(f"train={train} must lie in 1 … {len(images) - 1}")
    shuffled = np.random.default_rng(0).permutation(len(images))
    x = jnp.asarray(images[shuffled].reshape(-1, 8, 8, 1) / 16, dtype)
    y = jnp.asarray(labels[shuffled])
    return Data(x[:train], y[:train]), Data(x[train:], y[train:])


def teacher_student(
    teacher, *, samples: int, inputs: int, noise: float = 0.0, key: Key[Array, ""]
) -> Data:
    """Gaussian inputs N(0, I), targets teacher(x) plus N(0, noise²).

    Raises:
        ValueError: `samples` or `inputs` below 1, or negative `noise`.
    """
    if samples < 1 or inputs < 1 or noise < 0:
        raise ValueError(
            f"samples={samples} and inputs={inputs} must be at least 1, "
            f"noise={noise} not negative"
        )
    key_x, key_y = jax.random.split(key)
    x = jax.random.normal(key_x, (samples, inputs))
    y = teacher(x)
    return Data(x, y + noise * jax.random.normal(key_y, y.shape))


def whitened_linear(map_: Float[Array, "outputs inputs"], samples: int = 0) -> Data:
    """Inputs with (1/n) Σ x xᵀ = I exactly, targets y = map x.

    The samples are the columns of √n · I (repeated up to `samples`, which must be
    a multiple of the number of inputs; 0 for one of each), so every average over
    the data equals its expectation and Σ_yx is `map_` itself.

    Raises:
        ValueError: `samples` not a multiple of the number of inputs.
    """
    inputs = map_.shape[1]
    copies, rest = divmod(samples or inputs, inputs)
    if rest or copies < 1:
        raise ValueError(f"samples={samples} must be a multiple of {inputs}")
    x = jnp.tile(jnp.sqrt(float(inputs)) * jnp.eye(inputs), (copies, 1))
    return Data(x, x @ map_.T)
