"""Data and losses: the factors ½ and 1/n stand where the book says."""

import jax
import jax.numpy as jnp
import pytest

from learndyn.simulation import tasks


def test_the_squared_loss_has_a_half_and_a_mean_over_samples():
    output, y = jnp.array([[1.0, 2.0], [0.0, 0.0]]), jnp.zeros((2, 2))
    assert tasks.squared_loss(output, y) == 5.0 / 4


def test_cross_entropy_of_equal_logits_is_the_log_of_the_classes():
    logits, y = jnp.zeros((4, 7)), jnp.array([0, 1, 2, 6])
    assert jnp.allclose(tasks.cross_entropy(logits, y), jnp.log(7.0), rtol=1e-14)
    sure = jnp.array([[0.0, 50.0]])
    assert tasks.cross_entropy(sure, jnp.array([1])) < 1e-20


def test_accuracy_counts_the_largest_logit():
    logits = jnp.array([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0], [0.0, 3.0]])
    assert tasks.accuracy(logits, jnp.array([1, 1, 1, 1])) == 0.75


def test_digits_are_real_split_and_the_same_every_time():
    train, test = tasks.digits()
    assert train.x.shape == (1500, 8, 8, 1)
    assert test.x.shape == (297, 8, 8, 1)
    assert (float(train.x.min()), float(train.x.max())) == (0.0, 1.0)
    assert set(train.y.tolist()) == set(range(10))
    again, _ = tasks.digits()
    assert (again.y == train.y).all()
    assert tasks.digits(dtype=jnp.float32)[0].x.dtype == jnp.float32


def test_a_minibatch_has_no_sample_twice_and_keeps_pairs(key):
    data = tasks.Data(jnp.arange(50.0), jnp.arange(50.0) * 2)
    batch = tasks.minibatch(data, 20, key)
    assert len(set(batch.x.tolist())) == 20
    assert (batch.y == 2 * batch.x).all()


def test_teacher_student_has_unit_inputs_and_the_noise_asked_for(key):
    data = tasks.teacher_student(
        lambda x: x[:, :1], samples=40_000, inputs=3, noise=0.5, key=key
    )
    error = 6 * (2 / 40_000) ** 0.5  # six standard errors of a variance
    assert abs(data.x.var() - 1) < error
    assert abs((data.y - data.x[:, :1]).var() / 0.25 - 1) < error


def test_whitened_inputs_have_the_identity_as_second_moment():
    target = jnp.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
    for samples in (0, 6):
        x, y = tasks.whitened_linear(target, samples)
        assert jnp.allclose(x.T @ x / len(x), jnp.eye(3), atol=1e-15)
        assert jnp.allclose(y.T @ x / len(x), target, atol=1e-14)


def test_bad_input_is_named(key):
    data = tasks.Data(jnp.ones(3), jnp.ones(3))
    cases = {
        "size=0": lambda: tasks.minibatch(data, 0, key),
        "size=4": lambda: tasks.minibatch(data, 4, key),
        "train=1797": lambda: tasks.digits(1797),
        "noise=-1": lambda: tasks.teacher_student(
            jnp.sum, samples=1, inputs=1, noise=-1.0, key=key
        ),
        "multiple of 3": lambda: tasks.whitened_linear(jnp.ones((1, 3)), 4),
    }
    for message, call in cases.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_losses_are_differentiable_at_their_minimum():
    y = jnp.array([[1.0, -1.0]])
    gradient = jax.grad(lambda output: tasks.squared_loss(output, y))(y)
    assert (gradient == 0).all()
