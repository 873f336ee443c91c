"""Networks as pure functions, written out a second time by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from learndyn.simulation import nets

BUILDS = {
    "mlp": (
        lambda rngs, **o: nets.MLP((6, 8, 8, 5), normalize=(0,), rngs=rngs, **o),
        6,
    ),
    "linear": (lambda rngs, **o: nets.DeepLinear((6, 4, 3), rngs=rngs, **o), 6),
    "conv": (lambda rngs, **o: nets.ConvNet(rngs=rngs, **o), (8, 8, 1)),
}


def make(name, key, **options):
    build, shape = BUILDS[name]
    init, apply = nets.pure(lambda rngs: build(rngs, **options))
    x = jax.random.normal(key, (16, *np.atleast_1d(shape)))
    return init(key), apply, x


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_every_leaf_has_the_dtype_asked_for(name, dtype, key):
    params, apply, x = make(name, key, dtype=dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    assert apply(params, x.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("name", BUILDS)
def test_the_key_alone_decides_the_parameters(name, key):
    params, apply, x = make(name, key)
    again, _, _ = make(name, key)
    other, _, _ = make(name, jax.random.split(key)[0])
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), params, again))
    assert not jnp.allclose(apply(params, x), apply(other, x))


def test_an_mlp_is_what_its_docstring_says(key):
    params, apply, x = make("mlp", key)
    first, second, last = (params["layers"][layer] for layer in range(3))
    z = x @ first["kernel"]
    z = jax.nn.relu((z - z.mean(0, keepdims=True)) / z.std(0, keepdims=True))
    z = jax.nn.relu(z @ second["kernel"] + second["bias"][None])
    expected = z @ last["kernel"] + last["bias"][None]
    assert "bias" not in first
    assert jnp.allclose(apply(params, x), expected, atol=1e-12)


def test_a_deep_linear_network_multiplies_its_matrices(key):
    params, apply, x = make("linear", key)
    W1, W2 = params["W"][0], params["W"][1]
    assert (W1.shape, W2.shape) == ((4, 6), (3, 4))
    assert jnp.allclose(apply(params, x), x @ (W2 @ W1).T, atol=1e-12)


def test_the_scale_of_a_deep_linear_network_multiplies_every_layer(key):
    params, _, _ = make("linear", key)
    small, _, _ = make("linear", key, scale=0.1)
    assert jnp.allclose(small["W"][1], 0.1 * params["W"][1], rtol=1e-14)
    wide = nets.pure(lambda rngs: nets.DeepLinear((400, 500), rngs=rngs))[0](key)
    # 200,000 entries of variance 1/400: 6 standard errors of the variance
    assert abs(400 * wide["W"][0].var() - 1) < 6 * (2 / 200_000) ** 0.5


def test_batch_norm_forgets_the_scale_of_its_input_unless_epsilon_reminds_it(key):
    for epsilon, same in ((0.0, True), (1e-2, False)):
        for name in ("mlp", "conv"):
            params, apply, x = make(name, key, epsilon=epsilon)
            first = (params["layers"] if name == "mlp" else params["convs"])[0]
            before = apply(params, x)
            first["kernel"] = 3.0 * first["kernel"]
            assert jnp.allclose(apply(params, x), before, atol=1e-10) == same


def test_a_conv_net_without_normalisation_has_biases_and_keeps_scales(key):
    params, apply, x = make("conv", key, normalize=False)
    assert "bias" in params["convs"][0]
    before = apply(params, x)
    params["convs"][0]["kernel"] = 3.0 * params["convs"][0]["kernel"]
    assert not jnp.allclose(apply(params, x), before, atol=1e-3)


def test_gradients_pass_through_scan(key):
    params, apply, x = make("conv", key)

    def step(params, _):
        gradient = jax.grad(lambda p: jnp.mean(apply(p, x) ** 2))(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient), None

    after, _ = jax.lax.scan(step, params, None, length=2)
    assert jnp.isfinite(apply(after, x)).all()


def test_bad_input_is_named():
    rngs = nnx.Rngs(0)
    with pytest.raises(ValueError, match="sizes"):
        nets.MLP((3,), rngs=rngs)
    with pytest.raises(ValueError, match="normalize"):
        nets.MLP((3, 2), normalize=(0,), rngs=rngs)
    with pytest.raises(ValueError, match="sizes"):
        nets.DeepLinear((3, 0), rngs=rngs)
    with pytest.raises(ValueError, match="epsilon"):
        nets.MLP((3, 3, 2), normalize=(0,), epsilon=-1.0, rngs=rngs)
    with pytest.raises(ValueError, match="hidden=0"):
        nets.ConvNet(hidden=0, rngs=rngs)
    with pytest.raises(ValueError, match="scale"):
        nets.DeepLinear((3, 2), scale=-1.0, rngs=rngs)
