"""Networks: Flax modules turned into pure functions of an ordinary pytree.

>>> build = lambda rngs: MLP((2, 3, 1), rngs=rngs)
>>> init, apply = pure(build)
>>> params = init(jax.random.key(0))
>>> params["layers"][0]["kernel"].shape
(2, 3)
>>> apply(params, jnp.ones((5, 2))).shape
(5, 1)
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key, PyTree

Initializer = Callable[..., Array]


def pure(
    build: Callable[[nnx.Rngs], nnx.Module],
) -> tuple[Callable[[Key[Array, ""]], PyTree[Array]], Callable[..., Array]]:
    """Split a module into `init(key) -> params` and `apply(params, x) -> output`.

    `params` is a nested dict of arrays, so `grad`, `vmap`, `scan` and diffrax see
    an ordinary pytree. State that is not a parameter (running statistics) starts
    afresh in every call.
    """
    shape = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    graph, everything = nnx.split(shape)
    others = nnx.filter_state(everything, nnx.Not(nnx.Param))

    def init(key):
        return nnx.to_pure_dict(nnx.state(build(nnx.Rngs(key)), nnx.Param))

    def apply(params, *inputs):
        variables = nnx.State(jax.tree.map(nnx.Param, params))
        state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), others)
        return nnx.merge(graph, variables, state, copy=True)(*inputs)

    return init, apply


def batch_norm(
    width: int, *, epsilon: float = 0.0, dtype: Any = jnp.float64, rngs: nnx.Rngs
) -> nnx.BatchNorm:
    """Batch normalisation by the statistics of the batch, without gain or bias.

    With `epsilon=0` its output does not change when its input is scaled; a
    constant input then divides by zero, which `MLP` and `ConvNet` never feed it.

    Raises:
        ValueError: negative `epsilon`.
    """
    if epsilon < 0:
        raise ValueError(f"epsilon={epsilon} must not be negative")
    norm = nnx.BatchNorm(
        width,
        use_running_average=False,
        epsilon=epsilon,
        use_bias=False,
        use_scale=False,
        use_fast_variance=False,
        dtype=dtype,
        param_dtype=dtype,
        rngs=rngs,
    )
    # Flax keeps running statistics in float32 whatever the dtypes say.
    norm.mean = nnx.BatchStat(jnp.zeros(width, dtype))
    norm.var = nnx.BatchStat(jnp.ones(width, dtype))
    return norm


class MLP(nnx.Module):
    """Dense layers x ↦ φ(xW + b), the last one linear.

    Parameters: `params["layers"][l]["kernel"]` of shape (in, out), and `"bias"`.

    Args:
        sizes: widths from input to output, at least two.
        activation: φ, ReLU by default.
        normalize: hidden layers (0, 1, …) with batch norm before φ.
        bias: whether layers carry biases (normalised layers never do).
        epsilon: of batch norm.
        kernel_init: a `jax.nn.initializers` function, LeCun normal by default.
        bias_init: likewise, zeros by default.
        dtype: of parameters and arithmetic.
        rngs: Flax random streams.

    Raises:
        ValueError: fewer than two sizes, a size below 1, an unknown layer.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Callable[[Array], Array] = jax.nn.relu,
        normalize: Sequence[int] = (),
        bias: bool = True,
        epsilon: float = 0.0,
        kernel_init: Initializer | None = None,
        bias_init: Initializer = jax.nn.initializers.zeros,
        dtype: Any = jnp.float64,
        rngs: nnx.Rngs,
    ):
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes={sizes} must be at least two widths of 1 or more")
        if not set(normalize) <= set(range(len(sizes) - 2)):
            raise ValueError(
                f"normalize={normalize} must name hidden layers 0 … {len(sizes) - 3}"
            )
        self.activation = activation
        self.layers = nnx.List(
            nnx.Linear(
                fan_in,
                fan_out,
                use_bias=bias and layer not in normalize,
                kernel_init=kernel_init or jax.nn.initializers.lecun_normal(),
                bias_init=bias_init,
                dtype=dtype,
                param_dtype=dtype,
                rngs=rngs,
            )
            for layer, (fan_in, fan_out) in enumerate(pairwise(sizes))
        )
        self.norms = nnx.Dict(
            {
                f"norm{layer}": batch_norm(
                    sizes[layer + 1], epsilon=epsilon, dtype=dtype, rngs=rngs
                )
                for layer in normalize
            }
        )

    def __call__(self, x: Float[Array, "samples inputs"]) -> Array:
        """Outputs of shape [samples, outputs]."""
        for layer, linear in enumerate(self.layers[:-1]):
            x = linear(x)
            if f"norm{layer}" in self.norms:
                x = self.norms[f"norm{layer}"](x)
            x = self.activation(x)
        return self.layers[-1](x)


class DeepLinear(nnx.Module):
    """Deep linear network f(x) = W_L … W_1 x, with W_l of shape (out, in).

    Parameters: `params["W"][0]` is W_1. Entries start as
    `scale` · N(0, 1/fan-in).

    Raises:
        ValueError: fewer than two sizes, a size below 1, or negative scale.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        scale: float = 1.0,
        dtype: Any = jnp.float64,
        rngs: nnx.Rngs,
    ):
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes={sizes} must be at least two widths of 1 or more")
        if scale < 0:
            raise ValueError(f"scale={scale} must not be negative")
        self.W = nnx.List(
            nnx.Param(
                scale
                * jax.random.normal(rngs.params(), (fan_out, fan_in), dtype)
                / jnp.sqrt(jnp.asarray(fan_in, dtype))
            )
            for fan_in, fan_out in pairwise(sizes)
        )

    def __call__(self, x: Float[Array, "samples inputs"]) -> Array:
        """Outputs of shape [samples, outputs]."""
        for W in self.W:
            x = x @ W[...].T
        return x


class ConvNet(nnx.Module):
    """Small image network: 3x3 convolutions, mean pool, one dense hidden layer.

    Each convolution is followed by batch norm (if `normalize`) and φ, the second
    halves the image; then the mean over positions, a dense layer with φ and no
    normalisation, and the linear read-out. Parameters: `"convs"[l]["kernel"]` of
    shape (3, 3, in, out), `"hidden"` and `"readout"`, each `"kernel"`, `"bias"`.

    Args:
        channels: of the two convolutions.
        hidden: width of the dense hidden layer.
        classes: number of outputs.
        activation: φ, ReLU by default.
        normalize: whether the convolutions carry batch norm.
        epsilon: of batch norm.
        dtype: of parameters and arithmetic.
        rngs: Flax random streams.

    Raises:
        ValueError: a width below 1, or not two channels.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, int] = (8, 16),
        hidden: int = 32,
        classes: int = 10,
        activation: Callable[[Array], Array] = jax.nn.relu,
        normalize: bool = True,
        epsilon: float = 0.0,
        dtype: Any = jnp.float64,
        rngs: nnx.Rngs,
    ):
        if len(channels) != 2 or min(*channels, hidden, classes) < 1:
            raise ValueError(
                f"channels={channels} must be two widths; these, hidden={hidden} and "
                f"classes={classes} must be at least 1"
            )
        options: dict[str, Any] = {"dtype": dtype, "param_dtype": dtype, "rngs": rngs}
        self.activation = activation
        self.convs = nnx.List(
            nnx.Conv(
                fan_in,
                fan_out,
                (3, 3),
                strides=stride,
                use_bias=not normalize,
                kernel_init=jax.nn.initializers.he_normal(),
                **options,
            )
            for fan_in, fan_out, stride in (
                (1, channels[0], 1),
                (channels[0], channels[1], 2),
            )
        )
        self.norms = nnx.List(
            batch_norm(width, epsilon=epsilon, dtype=dtype, rngs=rngs)
            for width in channels
            if normalize
        )
        self.hidden = nnx.Linear(channels[1], hidden, **options)
        self.readout = nnx.Linear(hidden, classes, **options)

    def __call__(self, x: Float[Array, "samples height width 1"]) -> Array:
        """Logits of shape [samples, classes]."""
        for layer, conv in enumerate(self.convs):
            x = conv(x)
            if len(self.norms):
                x = self.norms[layer](x)
            x = self.activation(x)
        return self.readout(self.activation(self.hidden(x.mean((1, 2)))))
