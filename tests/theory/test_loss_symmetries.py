"""Group actions, constraints and violations against automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from learndyn import claims
from learndyn.simulation import flow, nets, tasks
from learndyn.theory import loss_symmetries as theory

KEY = jax.random.key(0)
T = jnp.array([0.0, 0.7])
ROUNDING = "rounding of back-propagation"


def scale_loss(w):
    """Depends on the direction of a plane vector only."""
    return jnp.sin(2 * jnp.arctan2(w[1], w[0])) + 0.3 * w[0] / jnp.linalg.norm(w)


@pytest.fixture(scope="module")
def unit():
    """Batch norm (ε = 1), ReLU, outgoing weights: loss, weights, inputs."""
    x, y, w, a = (
        jax.random.normal(key, shape)
        for key, shape in zip(
            jax.random.split(KEY, 4), ((30, 4), (30, 2), (4, 3), (3, 2)), strict=True
        )
    )

    def loss(w, a, epsilon):
        u = x @ w
        spread = jnp.sqrt(u.var(0, keepdims=True) + epsilon)
        z = (u - u.mean(0, keepdims=True)) / spread
        return tasks.squared_loss(jax.nn.relu(z) @ a, y)

    return jax.jit(jax.grad(loss, (0, 1))), w, a, x


def test_orbit_follows_the_flow_of_its_generator():
    theta, rate = np.array([1.0, -2.0, 3.0]), np.array([1.0, -2.0, 0.0])
    shift = np.array([0.0, 0.0, 1.5])
    run = flow.solve(lambda w: rate * w + shift, jnp.asarray(theta), T)
    claims.equal(
        theory.orbit(theta, rate, shift, 0.7),
        run.state,
        rtol=1e-8,
        because="solver tolerance 1e-9 a step",
        theorem="loss_symmetries-constraints",
    )
    np.testing.assert_array_equal(theory.orbit(theta, rate, shift, 0.0), theta)


def test_generator_is_the_velocity_of_the_orbit():
    theta, rate = np.array([1.0, -2.0, 3.0]), np.array([1.0, -2.0, 0.0])
    shift = np.array([0.0, 0.0, 1.5])
    ends = [theory.orbit(theta, rate, shift, a) for a in (-1e-6, 1e-6)]
    velocity = (ends[1] - ends[0]) / 2e-6
    np.testing.assert_allclose(
        theory.generator(theta, rate, shift), velocity, rtol=1e-8
    )


def test_hessian_image_and_gradient_of_scale():
    w = jnp.array([0.8, -1.1])
    g, image = jax.jvp(jax.grad(scale_loss), (w,), (w,))
    xi = theory.generator(np.asarray(w), 1.0, 0.0)
    claims.equal(
        0.0, g @ xi, atol=1e-14, because=ROUNDING, theorem="loss_symmetries-cases"
    )
    claims.equal(
        theory.hessian_image(np.asarray(g), 1.0),
        image,
        rtol=1e-13,
        because=ROUNDING,
        theorem="loss_symmetries-cases",
    )


def test_negative_curvature_is_sharp_in_the_plane():
    w = jnp.array([0.8, -1.1])
    g, hessian = jax.grad(scale_loss)(w), jax.hessian(scale_loss)(w)
    size = jnp.linalg.norm(g)
    bound = theory.negative_curvature(
        float(jnp.linalg.norm(w)), float(size), float(g @ hessian @ g / size**2)
    )
    claims.equal(
        bound,
        jnp.linalg.eigvalsh(hessian)[0],
        rtol=1e-12,
        because=ROUNDING,
        theorem="loss_symmetries-negative_law",
    )


@pytest.mark.parametrize("curvature", [-3.0, 0.0, 3.0, 1e9])
def test_negative_curvature_by_two_routes(curvature):
    matrix = np.array([[0.0, -0.5], [-0.5, curvature]])
    expected = np.linalg.det(matrix) / np.linalg.eigvalsh(matrix)[1]
    found = theory.negative_curvature(2.0, 1.0, curvature)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert theory.negative_curvature(1.0, 0.0, abs(curvature)) == 0


def test_query_key_leaves_scores_alone_and_torque_is_exact():
    keys = jax.random.split(KEY, 6)
    query, key = jax.random.normal(keys[0], (2, 3, 5))
    x, y = jax.random.normal(keys[1], (2, 8, 5))
    bias = jax.random.normal(keys[2], (3,))

    def loss(query, key, bias):
        weights = jax.nn.softmax((x @ query.T + bias[None]) @ (x @ key.T).T)
        return tasks.squared_loss(weights @ x, y)

    frame = np.asarray(jax.random.normal(keys[3], (3, 3)))
    moved = theory.query_key(np.asarray(query), np.asarray(key), frame)
    claims.equal(
        np.asarray(loss(query, key, 0 * bias)),
        loss(*moved, 0 * bias),
        rtol=1e-12,
        because=ROUNDING,
        theorem="loss_symmetries-query_key_law",
    )
    np.testing.assert_allclose(moved[0], frame @ np.asarray(query))
    pull_q, pull_k, pull_b = jax.grad(loss, (0, 1, 2))(query, key, bias)
    spin = pull_q @ query.T + pull_k @ key.T
    claims.equal(
        theory.torque(np.asarray(pull_b), np.asarray(bias)),
        spin - spin.T,
        rtol=1e-12,
        because=ROUNDING,
        theorem="loss_symmetries-torque_law",
    )


def test_exchange_keeps_the_function():
    into, out = np.asarray(jax.random.normal(KEY, (2, 3, 3)))
    order = [2, 0, 1]
    moved_in, moved_out = theory.exchange(into, out, order)
    x = jnp.eye(3)
    claims.equal(
        np.asarray(jnp.tanh(x @ into) @ out),
        jnp.tanh(x @ moved_in) @ moved_out,
        rtol=1e-14,
        because="order of a sum",
        theorem="loss_symmetries-swap",
    )
    np.testing.assert_array_equal(moved_in, into[:, order])
    np.testing.assert_array_equal(moved_out, out[order])


def test_epsilon_violation_exact_first_order_and_limits(unit):
    gradient, w, a, x = unit
    variance = np.asarray((x @ w).var(0))
    epsilons, found = np.array([1e-4, 1e-3, 1e-2, 1.0, 1e6]), []
    for epsilon in epsilons:
        pull, push = gradient(w, a, epsilon)
        response = np.asarray((a * push).sum(1))
        found.append((w * pull).sum(0))
        claims.equal(
            theory.epsilon_violation(variance, epsilon, response),
            found[-1],
            rtol=1e-9,
            because=ROUNDING + ", relative to ε",
            theorem="loss_symmetries-epsilon_law",
        )
    claims.order(
        epsilons[:3],
        [jnp.linalg.norm(part) for part in found[:3]],
        order=1,
        atol=0.01,
        because="next order is ε / v, below 1 %",
        theorem="loss_symmetries-epsilon_law",
    )
    assert theory.epsilon_violation(2.0, 0.0, 5.0) == 0
    assert theory.epsilon_violation(0.0, 1.0, 5.0) == 5


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("relu", jax.nn.relu),
        ("tanh", jnp.tanh),
        ("silu", jax.nn.silu),
        ("gelu", lambda u: jax.nn.gelu(u, approximate=False)),
    ],
)
def test_homogeneity_defect_is_eulers(name, activation):
    u = jnp.linspace(-4.0, 4.0, 40)
    slope = jax.vmap(jax.grad(activation))(u)
    claims.equal(
        theory.homogeneity_defect(np.asarray(u), name),
        u * slope - activation(u),
        atol=1e-14,
        because=ROUNDING,
        theorem="loss_symmetries-defect_law",
    )
    assert theory.homogeneity_defect(0.0, name) == 0


def test_flat_directions_at_a_minimum_and_before():
    sizes = (4, 3, 4, 3)
    init, apply = nets.pure(
        lambda rngs: nets.MLP(sizes, normalize=(0,), activation=jnp.tanh, rngs=rngs)
    )
    shapes = jax.eval_shape(init, KEY)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    flat, unravel = ravel_pytree(zeros)
    teacher, away = jax.random.normal(jax.random.key(2), (2, flat.size))
    x = jax.random.normal(jax.random.key(1), (200, 4))
    y = jax.nn.softmax(apply(unravel(teacher), x))

    @jax.jit
    def spectrum(theta):
        def loss(theta):
            return -jnp.mean(y * jax.nn.log_softmax(apply(unravel(theta), x)))

        return jnp.abs(jnp.linalg.eigvalsh(jax.hessian(loss)(theta)))

    count = theory.flat_directions(sizes, normalize=(0,), homogeneous=())
    none = theory.flat_directions(sizes, normalize=(), homogeneous=())
    assert count == 8
    for theta, expected in ((teacher, count), (teacher + away, none)):
        claims.equal(
            expected,
            jnp.sum(spectrum(theta) < 1e-12),
            atol=0.5,
            because="a whole number",
            theorem="loss_symmetries-flat",
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.orbit(1.0, 1.0, 1.0, 0.5), "rate and shift"),
        (lambda: theory.query_key(np.eye(2), np.eye(2), np.ones((2, 2))), "matrix"),
        (lambda: theory.exchange(np.eye(2), np.eye(2), [0, 0]), "order"),
        (lambda: theory.epsilon_violation(-1.0, 0.1, 1.0), "variance"),
        (lambda: theory.epsilon_violation(0.0, 0.0, 1.0), "variance"),
        (lambda: theory.homogeneity_defect(1.0, "cosine"), "activation"),
        (lambda: theory.negative_curvature(0.0, 1.0, 1.0), "theta_norm"),
        (
            lambda: theory.flat_directions((2, 3, 2), normalize=(1,), homogeneous=()),
            "normalize",
        ),
    ],
)
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
