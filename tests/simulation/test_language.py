"""Text read back, windows, and the transformer written out a second time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learndyn.simulation import language, nets

SIZES = {"vocabulary": 11, "width": 6, "context": 7, "layers": 2, "heads": 2}


def make(key, **options):
    init, apply = nets.pure(
        lambda rngs: language.Transformer(**SIZES | options, rngs=rngs)
    )
    codes = jax.random.randint(key, (5, 7), 0, SIZES["vocabulary"])
    return init(key), apply, codes


def test_codes_are_read_back_and_what_is_unknown_is_a_question_mark():
    text = 'if x:\n    print("~")'
    assert "".join(language.CHARACTERS[code] for code in language.encode(text)) == text
    assert language.encode("\t").tolist() == language.encode("?").tolist()
    assert len(set(language.CHARACTERS)) == len(language.CHARACTERS) == 96


def test_the_topics_are_english_and_no_test_topic_is_trained_on():
    train, test = language.topics()
    assert train.dtype == test.dtype == jnp.int32
    assert len(train) > 5 * len(test) > 100_000
    words = ["".join(language.CHARACTERS[c] for c in part) for part in (train, test)]
    assert all(" the " in part for part in words)
    opening = words[1][:300]
    assert opening not in words[0]


def test_targets_follow_their_characters(key):
    codes = jnp.arange(100)
    for batch in (
        language.draw(codes, 40, 8, key),
        language.spread(codes, 40, 8),
        language.draw(codes, 3, 99, key),
    ):
        np.testing.assert_array_equal(batch.y, batch.x + 1)
        assert batch.x.min() >= 0
        assert batch.y.max() <= 99
    ends = language.spread(codes, 2, 8)
    assert (ends.x[0, 0], ends.y[1, -1]) == (0, 99)
    assert language.draw(codes, 40, 8, key).x.shape == (40, 8)
    assert len(np.unique(language.draw(codes, 400, 8, key).x[:, 0])) > 80


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_every_leaf_has_the_dtype_asked_for(dtype, key):
    params, apply, codes = make(key, dtype=dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    assert apply(params, codes).dtype == dtype
    assert apply(params, codes).shape == (5, 7, 11)


def test_the_key_alone_decides_the_parameters(key):
    (params, apply, codes), (again, *_) = make(key), make(key)
    other = make(jax.random.split(key)[0])[0]
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), params, again))
    assert not jnp.allclose(apply(params, codes), apply(other, codes))


def test_the_future_is_not_seen_and_shorter_texts_are_read(key):
    params, apply, codes = make(key)
    changed = codes.at[:, 4].add(1) % 11
    before, after = apply(params, codes), apply(params, changed)
    assert jnp.allclose(before[:, :4], after[:, :4], atol=1e-13)
    assert not jnp.allclose(before[:, 4:], after[:, 4:], atol=1e-3)
    assert jnp.allclose(before[:, :3], apply(params, codes[:, :3]), atol=1e-13)


def test_a_transformer_is_what_its_docstring_says(key):
    params, apply, codes = make(key)
    biases = np.asarray(jax.random.normal(key, (2, 2, 3)))
    found = apply(params, codes, *jnp.asarray(biases))[1, -1]
    p = jax.tree.map(np.asarray, params)
    unit = lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)  # noqa: E731
    x = p["embedding"][np.asarray(codes[1])] + p["position"]
    for layer in range(2):
        block, (b, c) = p["blocks"][layer], biases[:, layer]
        seen, new = unit(x), x.copy()
        for head in range(2):
            W = {
                name: block[name][head] for name in ("query", "key", "value", "output")
            }
            for i in range(7):
                scores = [
                    (W["query"] @ seen[i] + b) @ (W["key"] @ seen[j]) / np.sqrt(3)
                    for j in range(i + 1)
                ]
                weight = np.exp(scores) / np.exp(scores).sum()
                mean = sum(w * (W["value"] @ seen[j] + c) for j, w in enumerate(weight))
                new[i] += W["output"] @ mean
        up, down = block["up"], block["down"]
        dense = np.asarray(jax.nn.gelu(unit(new) @ up["kernel"] + up["bias"]))
        x = new + dense @ down["kernel"] + down["bias"]
    np.testing.assert_allclose(found, p["unembedding"] @ unit(x)[-1], atol=1e-12)


def test_bad_input_is_named(key):
    with pytest.raises(ValueError, match="heads=4"):
        make(key, heads=4)
    with pytest.raises(ValueError, match="layers=0"):
        make(key, layers=0)
    for cut in (lambda *a: language.draw(*a, key), language.spread):
        with pytest.raises(ValueError, match="length=100"):
            cut(jnp.arange(100), 3, 100)
        with pytest.raises(ValueError, match="size=0"):
            cut(jnp.arange(100), 0, 3)
