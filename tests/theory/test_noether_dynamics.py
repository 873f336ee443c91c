"""Formulas of the chapter on Noether's learning dynamics against runs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import flow, tasks, train
from learndyn.theory import noether_dynamics as theory

LAW = "noether_dynamics-test"
KEYS = jax.random.split(jax.random.key(0), 5)
TEACHER = jax.random.normal(KEYS[0], (6, 1)) / 6**0.5
DATA = tasks.teacher_student(
    lambda x: x @ TEACHER, samples=64, inputs=6, noise=1.0, key=KEYS[1]
)
START = jax.random.normal(KEYS[2], (6,))
RULES = [(0.05, 0.02, 0.0), (0.2, 0.05, 0.0), (0.2, 0.0, 0.0), (0.1, 0.05, 0.8)]
STEPS = 4000


def fit(q, key):
    batch = tasks.minibatch(DATA, 8, key)
    return tasks.squared_loss(batch.x @ q[:, None] / jnp.linalg.norm(q), batch.y)


def descend(rule):
    eta, decay, beta = rule
    sgd = optax.sgd(eta, momentum=beta)
    return train.descend(
        fit, START, optax.chain(optax.add_decayed_weights(decay), sgd),
        steps=STEPS, every=1, observe=lambda q, s: q, key=KEYS[3],
        total=lambda q, g: (q @ q) * (g @ g),
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs():
    """For each rule: weights, angles of the steps, squared gradients on the sphere."""
    out = train.sweep(descend, rule=jnp.asarray(RULES))
    q, squares = out.records, np.diff(np.asarray(out.totals), axis=1)
    before, after = q[:, :-1], q[:, 1:]
    square = jnp.sum(before**2, -1)
    dot = jnp.sum(before * after, -1)
    aside = after - (dot / square)[..., None] * before
    phi = jnp.arctan2(jnp.linalg.norm(aside, axis=-1) * jnp.sqrt(square), dot)
    return {r: (q[i], phi[i], squares[i]) for i, r in enumerate(RULES)}


@pytest.mark.parametrize("rule", RULES[:3])
def test_the_fourth_power_of_the_norm(runs, rule):
    q, phi, squares = runs[rule]
    r4, law = jnp.sum(q**2, -1) ** 2, {"eta": rule[0], "decay": rule[1]}
    low = theory.fourth_power(float(r4[0]), squares, **law)
    driven = theory.fourth_power(0.0, squares, **law)
    top = 0.5 * float(jnp.tan(phi).max()) ** 2
    upper = (low + top * driven) * (1 + 1e-12)
    claims.bound(low * (1 - 1e-12), r4, upper, theorem=LAW)
    assert float(((r4 - low)[1:] / driven[1:]).max()) > 0.1 * top  # and it is needed
    smooth = theory.fourth_power(float(r4[0]), squares, **law, continuous=True)
    drive = 2 * rule[0] * rule[1] + top + 1e-12
    claims.equal(smooth, r4, rtol=drive, because="(1 - a)² and tan²/2", theorem=LAW)


@pytest.mark.parametrize("rule", RULES[:3])
def test_the_angles_of_the_steps(runs, rule):
    q, phi, _ = runs[rule]
    growth = np.asarray(jnp.linalg.norm(q[-1]) / jnp.linalg.norm(q[0]))
    exact = theory.log_cosines(*rule[:2], growth, STEPS - 1)
    claims.equal(
        exact, jnp.log(jnp.cos(phi)).sum(), rtol=1e-11, because="rounding", theorem=LAW
    )


@pytest.mark.parametrize("rule", [RULES[0], RULES[1], RULES[3]])
def test_the_equilibrium(runs, rule):
    eta, decay, beta = rule
    q, phi, squares = runs[rule]
    late, a = slice(2000, None), eta * decay
    wander = 1 / (4 * a * 2000 * (1 - beta)) ** 0.5
    found = jnp.sqrt((phi[late] ** 2).mean())
    claims.equal(
        theory.angle_per_step(eta, decay, beta), found, rtol=2 * a / (1 - beta) + 0.005,
        because="next order in ηγ/(1 - β), finite time", theorem=LAW,
    )  # fmt: skip
    settled = theory.settled_fourth(eta, decay, squares[late].mean(), beta)
    claims.equal(
        settled, (jnp.sum(q[late] ** 2, -1) ** 2).mean(), rtol=wander / 2,
        because="fluctuation over the run", theorem=LAW,
    )  # fmt: skip


@pytest.mark.parametrize("rule", RULES[:3])
def test_the_direction_moves_by_the_effective_step(runs, rule):
    q, phi, squares = runs[rule]
    r4 = np.asarray(jnp.sum(q**2, -1)) ** 2
    step = theory.effective_step(r4[:-1], eta=rule[0], decay=rule[1])
    found = jnp.tan(phi) / np.sqrt(squares[: len(phi)])
    claims.equal(
        step, found, rtol=1e-10, because="k: a difference of sums", theorem=LAW
    )


@pytest.mark.parametrize("rule", RULES[:2])
def test_the_dictionary_reproduces_the_network(runs, rule):
    """RMSProp on the sphere, its moment corrected, is normalised SGD exactly."""
    q, _, _ = runs[rule]
    rho, rate, scale = theory.rmsprop_constants(*rule[:2])

    def update(g, moment, u):
        k = g @ g
        new = u - rate / jnp.sqrt(moment) * g
        more = k * (1 + 0.5 * rate**2 * k / moment)
        return new / jnp.linalg.norm(new) - u, rho * moment + (1 - rho) * more

    first = scale * (START @ START) ** 2
    twin = jax.jit(
        lambda u: train.descend(
            fit, u, optax.GradientTransformation(lambda u: first, update), key=KEYS[3],
            steps=STEPS, every=1, observe=lambda u, s: (u, s),
        ).records
    )(START / jnp.linalg.norm(START))  # fmt: skip
    norms = jnp.linalg.norm(q, axis=1, keepdims=True)
    assert jnp.abs(q / norms - twin[0]).max() < 1e-10
    assert jnp.abs(twin[1] / (scale * norms[:, 0] ** 4) - 1).max() < 1e-10


def test_the_dictionary_to_leading_order():
    sizes, off = 0.08 / 2.0 ** np.arange(4), []
    for a in sizes:
        rho, rate, scale = theory.rmsprop_constants(0.5, a / 0.5)
        leading = [4 * a, np.sqrt(2 * a), 2 * (a / 0.5) / 0.5]
        off.append(np.abs(np.array([1 - rho, rate, scale]) / leading - 1))
    for error in np.array(off).T:
        claims.order(
            sizes, error, order=1, atol=0.15, because="ηγ is small", theorem=LAW
        )


MASS, FRICTION, DECAY = 0.3, 0.4, 0.05


@pytest.fixture(scope="module")
def swing():
    """Momentum along the scale symmetry and its source, along a swinging mass."""

    def loss(q):
        return 0.5 * q @ (jnp.arange(3.0) * q) / (q @ q)

    def field(state):
        q, v = state
        return v, -(jax.grad(loss)(q) + DECAY * q + FRICTION * v) / MASS

    q, v = flow.solve(
        field,
        (jnp.array([0.9, -0.5, 0.7]), jnp.array([0.3, 0.6, -0.4])),
        jnp.linspace(0, 6, 481),
    ).records
    source = MASS * jnp.sum(v**2, 1) - DECAY * jnp.sum(q**2, 1)
    return MASS * jnp.sum(q * v, 1), np.asarray(source)


def test_the_balance_of_the_charge(swing):
    charge, source = swing
    sizes, errors = [], []
    for skip in (1, 2, 4, 8):
        dt = 6 / 480 * skip
        law = {"mass": MASS, "friction": FRICTION, "dt": dt}
        predicted = theory.noether_charge(float(charge[0]), source[::skip], **law)
        sizes.append(dt)
        errors.append(jnp.abs(charge[::skip] - predicted).max())
    claims.order(
        np.array(sizes), jnp.stack(errors), order=2, atol=0.1,
        because="the source is taken as linear between two times", theorem=LAW,
    )  # fmt: skip
    claims.limit(predicted, charge[::8], atol=2e-3, because="dt² / 12", theorem=LAW)


@pytest.mark.parametrize("friction", [0.0, 1e-6, 1e-2, 0.5, 30.0])
def test_a_linear_source_is_solved_exactly(friction):
    t, x = np.linspace(0, 2, 21), friction / 0.5
    law = {"mass": 0.5, "friction": friction, "dt": 0.1}
    found = theory.noether_charge(0.7, 1 + 3 * t, **law)
    fine = np.linspace(0, 2, 200_001)
    many = theory.noether_charge(0.7, 1 + 3 * fine, **law | {"dt": 1e-5})
    assert np.abs(found - many[::10_000]).max() < 1e-10
    if friction > 0.1:
        slow = (1 + 3 * t) / x - 3 / x**2
        exact = slow + (0.7 - slow[0]) * np.exp(-x * t)
        assert np.abs(found - exact).max() < 1e-12


def test_the_constants_are_those_of_the_oscillator():
    from learndyn.theory.gradient_flow import oscillator_constants

    mass, friction = theory.lagrangian_constants(0.1, 0.9)
    mu, omega = oscillator_constants(0.3, 0.1, 0.9)
    assert np.isclose(friction / mass, 2 * mu)
    assert np.isclose(0.3 / mass, omega**2)


def test_no_step_size_is_too_large():
    x, y = DATA
    A, b = x.T @ x / 64, x.T @ y[:, 0] / 64
    low, *_, high = np.linalg.eigvalsh(np.asarray(A))
    size = float(jnp.linalg.norm(b))
    bounds = {
        "curvature": 1.5 * (high - low) + 2 * size,
        "slope": (high - low) / 2 + size,
        "drop": (high - low) / 2 + 2 * size,
    }

    def loss(q, key):
        return tasks.squared_loss(x @ q[:, None] / jnp.linalg.norm(q), y)

    def run(eta):
        return train.descend(
            loss, START, optax.sgd(eta), steps=1000, every=10, key=KEYS[4],
            observe=lambda q, s: (q @ q, jax.grad(loss)(q, None) @ q),
        )  # fmt: skip

    etas = np.array([0.1, 3.0, 100.0, 3000.0])
    out = train.sweep(run, eta=jnp.asarray(etas))
    ceiling = theory.square_bound(float(START @ START), etas, **bounds)
    claims.bound(float(START @ START), out.records[0].max(1), ceiling, theorem=LAW)
    left = jax.vmap(lambda q: jnp.linalg.norm(jax.grad(loss)(q, None)) * (q @ q) ** 0.5)
    assert left(out.params).max() < 0.5  # the largest step is still on its way
    assert left(out.params)[:3].max() < 1e-9
    exact = theory.square_bound(2.0, 1.0, curvature=3.0, slope=2.0, drop=0.5)
    assert exact == 3 + 4 / 2 + 1
    assert theory.square_bound(4.0, 1.0, curvature=3.0, slope=2.0, drop=0.0) == 4


ONE = np.ones(3)
LAWS = {"eta": 0.1, "decay": 0.1}
MOVE = {"mass": 1.0, "friction": 1.0, "dt": 0.1}
BALL = {"curvature": 1.0, "slope": 1.0, "drop": 1.0}


@pytest.mark.parametrize(
    ("formula", "arguments", "named", "name"),
    [
        (theory.lagrangian_constants, (0.1, 1.0), {}, "beta"),
        (theory.lagrangian_constants, (0.0, 0.5), {}, "eta"),
        (theory.noether_charge, (1.0, ONE), MOVE | {"mass": 0.0}, "mass"),
        (theory.noether_charge, (1.0, ONE), MOVE | {"dt": np.inf}, "dt"),
        (theory.noether_charge, (1.0, ONE), MOVE | {"friction": -1.0}, "friction"),
        (theory.fourth_power, (1.0, ONE), LAWS | {"decay": 10.0}, "decay"),
        (theory.fourth_power, (1.0, ONE), LAWS | {"eta": -1.0}, "eta"),
        (theory.effective_step, (0.0,), LAWS, "fourth"),
        (theory.rmsprop_constants, (0.1, 0.0), {}, "decay"),
        (theory.settled_fourth, (0.1, 0.0, 1.0), {}, "decay"),
        (theory.settled_fourth, (0.1, 0.1, 1.0, 1.0), {}, "beta"),
        (theory.angle_per_step, (-0.1, 0.1), {}, "eta"),
        (theory.log_cosines, (0.1, 0.1, 0.0, 5), {}, "growth"),
        (theory.log_cosines, (0.1, 0.1, 1.0, 0), {}, "steps"),
        (theory.square_bound, (0.0, 1.0), BALL, "initial"),
        (theory.square_bound, (1.0, 0.0), BALL, "eta"),
        (theory.square_bound, (1.0, 1.0), BALL | {"slope": -1.0}, "slope"),
    ],
)
def test_bad_input_is_named(formula, arguments, named, name):
    with pytest.raises(ValueError, match=name):
        formula(*arguments, **named)
