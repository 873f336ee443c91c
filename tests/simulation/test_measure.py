"""Measurements against what can be computed by hand."""

import jax
import jax.numpy as jnp
import pytest

from learndyn.simulation import measure, nets


def test_the_kernel_of_a_linear_model_is_the_gram_matrix(key):
    x, other = jax.random.normal(key, (2, 4, 3))
    params = {"w": jnp.ones((3, 2))}
    kernel = measure.ntk(lambda p, x: x @ p["w"], params, x, other)
    expected = jnp.einsum("id,jd,ab->iajb", x, other, jnp.eye(2))
    assert jnp.allclose(kernel, expected, atol=1e-13)


def test_the_kernel_has_no_one_over_width(key):
    init, apply = nets.pure(lambda rngs: nets.DeepLinear((3, 5, 1), rngs=rngs))
    params, x = init(key), jax.random.normal(key, (4, 3))
    W1, W2 = params["W"][0], params["W"][1]
    expected = x @ (W1.T @ W1 + (W2 @ W2.T) * jnp.eye(3)) @ x.T
    assert jnp.allclose(measure.ntk(apply, params, x)[:, 0, :, 0], expected, atol=1e-12)


@pytest.fixture
def quadratic(key):
    matrix = jax.random.normal(key, (12, 12))
    matrix = matrix + matrix.T
    return matrix, lambda p: 0.5 * p["a"] @ matrix @ p["a"], {"a": jnp.ones(12)}


def test_hessian_vector_product(quadratic):
    matrix, loss, params = quadratic
    vector = {"a": jnp.arange(12.0)}
    product = measure.hessian_vector(loss, params, vector)["a"]
    assert jnp.allclose(product, matrix @ vector["a"], atol=1e-12)


def test_lanczos_finds_the_spectrum_and_its_top(quadratic, key):
    matrix, loss, params = quadratic
    values = jnp.linalg.eigvalsh(matrix)
    found = measure.hessian_spectrum(loss, params, key=key, iterations=12)
    assert jnp.allclose(found, values, atol=1e-11)
    assert jnp.allclose(
        measure.sharpness(loss, params, key=key, iterations=12), values[-1], atol=1e-11
    )


def test_lanczos_vectors_are_eigenvectors_and_the_outer_ones_come_first(key):
    matrix = jnp.diag(jnp.concatenate([jnp.linspace(0, 1, 37), jnp.array([2, 4, 8])]))
    loss = lambda p: 0.5 * p @ matrix @ p  # noqa: E731
    values, vectors = measure.hessian_modes(loss, jnp.ones(40), key=key, iterations=20)
    assert vectors.shape == (20, 40)
    assert jnp.allclose(vectors @ vectors.T, jnp.eye(20), atol=1e-12)
    assert jnp.allclose(values[-3:], jnp.array([2, 4, 8]), atol=1e-10)
    assert jnp.allclose(
        vectors[-3:] @ matrix, values[-3:, None] * vectors[-3:], atol=1e-6
    )


def test_lanczos_survives_a_krylov_space_that_ends_early(key):
    loss = lambda p: 1.5 * jnp.sum(p**2)  # noqa: E731
    found = measure.hessian_spectrum(loss, jnp.ones(8), key=key, iterations=8)
    assert jnp.isclose(found[-1], 3.0)
    assert jnp.allclose(found[:-1], 0.0, atol=1e-12)


def test_balancedness_of_balanced_and_unbalanced_layers(key):
    W1 = jax.random.normal(key, (3, 5))
    # W2ᵀ W2 = W1 W1ᵀ
    W2 = jnp.linalg.cholesky(W1 @ W1.T).T
    (balanced,) = measure.balancedness([W1, W2])
    assert jnp.allclose(balanced, 0.0, atol=1e-12)
    (unbalanced,) = measure.balancedness([W1, 2 * W2])
    assert jnp.allclose(unbalanced, 3 * W1 @ W1.T, atol=1e-11)


def test_effective_rank_of_equal_values_counts_them():
    assert jnp.isclose(measure.effective_rank(jnp.diag(jnp.array([2.0, 2, 2, 0]))), 3.0)
    assert measure.effective_rank(jnp.zeros((2, 3))) == 0.0
    expected = jnp.exp(-(0.75 * jnp.log(0.75) + 0.25 * jnp.log(0.25)))
    assert jnp.isclose(
        measure.effective_rank(jnp.diag(jnp.array([3.0, 1.0]))), expected
    )


def test_charges_of_dense_and_convolutional_units(key):
    kernel = jax.random.normal(key, (3, 3, 2, 4))
    bias, outgoing = jnp.arange(4.0), jax.random.normal(key, (4, 5))
    assert measure.translation_charge(outgoing).shape == (4,)
    assert jnp.allclose(measure.translation_charge(outgoing), outgoing @ jnp.ones(5))
    norms = jnp.array([jnp.sum(kernel[..., unit] ** 2) for unit in range(4)])
    assert jnp.allclose(measure.scale_charge(kernel), norms)
    expected = norms + bias**2 - jnp.sum(outgoing**2, axis=1)
    found = measure.rescale_charge({"kernel": kernel, "bias": bias}, outgoing)
    assert jnp.allclose(found, expected)
    after = jax.random.normal(key, (3, 3, 4, 6))
    sums = jnp.array([jnp.sum(after[:, :, unit] ** 2) for unit in range(4)])
    assert jnp.allclose(measure.rescale_charge(kernel, after), norms - sums)


def test_drift_is_relative_to_the_largest_first_charge():
    charges = jnp.array([[1.0, -4.0], [1.5, -4.0], [1.0, -6.0]])
    assert measure.drift(charges) == 0.5


def test_bad_input_is_named(key):
    with pytest.raises(ValueError, match="iterations=9"):
        measure.sharpness(jnp.sum, jnp.ones(8), key=key, iterations=9)
    with pytest.raises(ValueError, match="2 layers"):
        measure.balancedness([jnp.ones((2, 2))])
    with pytest.raises(ValueError, match="two times"):
        measure.drift(jnp.ones((1, 3)))
