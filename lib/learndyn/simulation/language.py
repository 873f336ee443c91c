"""Real text character by character, and a small causal transformer for it.

The text is Python's own reference (`pydoc_data.topics`), so nothing is downloaded;
its wording changes a little with the version of Python. Batches are `tasks.Data`,
x the characters and y those that follow, both of shape [samples, length].

>>> from learndyn.simulation import nets
>>> train, test = topics()
>>> batch = draw(train, 4, 32, jax.random.key(0))
>>> init, apply = nets.pure(lambda rngs: Transformer(rngs=rngs))
>>> apply(init(jax.random.key(1)), batch.x).shape
(4, 32, 96)
"""

from functools import cache
from itertools import chain
from pydoc_data.topics import topics as _TOPICS
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from learndyn.simulation.tasks import Data

CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
"""The vocabulary: newline and printable ASCII; the few others are read as "?"."""

_CODES = {character: code for code, character in enumerate(CHARACTERS)}


def encode(text: str) -> Int[Array, " length"]:
    """Codes of the characters of `text`: places in `CHARACTERS`."""
    unknown = _CODES["?"]
    return jnp.asarray([_CODES.get(c, unknown) for c in text], jnp.int32)


@cache
def topics() -> tuple[Array, Array]:
    """Codes of the training and of the test text: every tenth topic is for testing.

    About 430,000 and 36,000 characters.
    """
    texts = [_TOPICS[name] + "\n\n" for name in sorted(_TOPICS)]
    train = chain.from_iterable(t for i, t in enumerate(texts) if i % 10 != 5)
    return encode("".join(train)), encode("".join(texts[5::10]))


def _cut(codes: Array, starts: Array, length: int) -> Data:
    places = starts[:, None] + jnp.arange(length + 1)[None]
    rows = codes[places]
    return Data(rows[:, :-1], rows[:, 1:])


def draw(
    codes: Int[Array, " text"], size: int, length: int, key: Key[Array, ""]
) -> Data:
    """Draw `size` windows of `length` characters, starts uniform.

    Raises:
        ValueError: `size` below 1, or `length` not between 1 and the text's.
    """
    _check(codes, size, length)
    starts = jax.random.randint(key, (size,), 0, len(codes) - length)
    return _cut(codes, starts, length)


def spread(codes: Int[Array, " text"], size: int, length: int) -> Data:
    """Cut `size` windows of `length` characters, starts evenly spaced: to test on.

    Raises:
        ValueError: `size` below 1, or `length` not between 1 and the text's.
    """
    _check(codes, size, length)
    last = len(codes) - length - 1
    return _cut(codes, jnp.asarray(np.linspace(0, last, size).astype(int)), length)


def _check(codes: Array, size: int, length: int) -> None:
    if size < 1 or not 1 <= length < len(codes):
        raise ValueError(
            f"size={size} must be at least 1, length={length} in 1 … {len(codes) - 1}"
        )


class Block(nnx.Module):
    """One layer: attention, then a dense layer with GELU; both add to their input.

    Parameters: `"query"`, `"key"`, `"value"` of shape (heads, d, width) and
    `"output"` of shape (heads, width, d), so that each head is a matrix acting on
    column vectors; `"up"` and `"down"`, each with `"kernel"` and `"bias"`.
    """

    def __init__(self, width: int, heads: int, *, dtype: Any, rngs: nnx.Rngs):
        def normal(*shape):
            sample = jax.random.normal(rngs.params(), shape, dtype)
            return nnx.Param(sample / jnp.sqrt(jnp.asarray(width, dtype)))

        options: dict[str, Any] = {"dtype": dtype, "param_dtype": dtype, "rngs": rngs}
        d = width // heads
        self.query, self.key = normal(heads, d, width), normal(heads, d, width)
        self.value, self.output = normal(heads, d, width), normal(heads, width, d)
        self.up = nnx.Linear(width, 4 * width, **options)
        self.down = nnx.Linear(4 * width, width, **options)

    def __call__(self, x: Array, query_bias: Array, value_bias: Array) -> Array:
        """Stream of shape [samples, length, width] after this layer."""
        seen = _normalize(x)
        q = jnp.einsum("hdc,stc->shtd", self.query[...], seen)
        k = jnp.einsum("hdc,stc->shtd", self.key[...], seen)
        v = jnp.einsum("hdc,stc->shtd", self.value[...], seen)
        q, v = q + query_bias[None, None, None], v + value_bias[None, None, None]
        scores = jnp.einsum("shid,shjd->shij", q, k) / q.shape[-1] ** 0.5
        past = jnp.tri(x.shape[1], dtype=bool)[None, None]
        weights = jax.nn.softmax(jnp.where(past, scores, -jnp.inf))
        x = x + jnp.einsum("hcd,shij,shjd->sic", self.output[...], weights, v)
        return x + self.down(jax.nn.gelu(self.up(_normalize(x))))


class Transformer(nnx.Module):
    """Causal transformer on codes of characters, with biases that are not trained.

    Parameters: `"embedding"` and `"unembedding"` of shape (vocabulary, width),
    `"position"` of shape (context, width), `"blocks"[l]` as in `Block`. Streams
    are divided by their root mean square where they are read.

    Args:
        vocabulary: number of codes.
        width: of the stream, a multiple of `heads`.
        context: longest text it reads.
        layers: number of blocks.
        heads: of each block, of dimension d = width / heads.
        dtype: of parameters and arithmetic.
        rngs: Flax random streams.

    Raises:
        ValueError: a size below 1, or a width that the heads do not divide.
    """

    def __init__(
        self,
        vocabulary: int = len(CHARACTERS),
        *,
        width: int = 32,
        context: int = 32,
        layers: int = 2,
        heads: int = 4,
        dtype: Any = jnp.float64,
        rngs: nnx.Rngs,
    ):
        if min(vocabulary, width, context, layers, heads) < 1 or width % heads:
            raise ValueError(
                f"vocabulary={vocabulary}, context={context} and layers={layers} must "
                f"be at least 1, width={width} a positive multiple of heads={heads}"
            )

        def normal(*shape):
            return nnx.Param(jax.random.normal(rngs.params(), shape, dtype))

        self.embedding, self.position = (
            normal(vocabulary, width),
            normal(context, width),
        )
        self.unembedding = nnx.Param(normal(vocabulary, width)[...] / width**0.5)
        self.blocks = nnx.List(
            Block(width, heads, dtype=dtype, rngs=rngs) for _ in range(layers)
        )

    def __call__(
        self,
        codes: Int[Array, "samples length"],
        query_bias: Float[Array, "layers d"] | None = None,
        value_bias: Float[Array, "layers d"] | None = None,
    ) -> Array:
        """Logits of the next character, [samples, length, vocabulary].

        A bias is added to the queries (values) of all heads of a layer; none by
        default.
        """
        x = self.embedding[...][codes] + self.position[...][None, : codes.shape[1]]
        none = jnp.zeros((len(self.blocks), self.blocks[0].query.shape[1]), x.dtype)
        query_bias = none if query_bias is None else query_bias
        value_bias = none if value_bias is None else value_bias
        for layer, block in enumerate(self.blocks):
            x = block(x, query_bias[layer], value_bias[layer])
        return jnp.einsum("stc,vc->stv", _normalize(x), self.unembedding[...])


def _normalize(x: Array) -> Array:
    return x * jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)
