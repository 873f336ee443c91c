"""Formulas of the chapter on broken conservation against runs of real networks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims
from learndyn.simulation import measure, nets, tasks, train
from learndyn.theory import broken_conservation as theory
from learndyn.theory.conservation_laws import discrete_charge
from learndyn.theory.gradient_flow import curvature_thresholds, modified_flow

LAW = "broken_conservation-test"
KEYS = jax.random.split(jax.random.key(0), 4)
DATA = tasks.Data(
    jax.random.normal(KEYS[0], (64, 6)), jax.random.randint(KEYS[1], (64,), 0, 5)
)
WIDE = jax.nn.initializers.normal(0.6)
INIT, APPLY = nets.pure(
    lambda rngs: nets.MLP((6, 8, 8, 5), normalize=(0,), kernel_init=WIDE, rngs=rngs)
)
DEGREES = {"translation": 1, "scale": 2, "rescale": 2}
ETAS = 0.1 / 4.0 ** np.arange(3)
PLAIN = [(0.1, 0.05, 0.0), (0.02, 0.05, 0.0), (0.1, 0.0, 0.0)]
HEAVY = [(0.05, 0.05, 0.6), (0.05, 0.05, 0.99)]
FAMILY = [(float(e), 0.05, float(1 - 0.1 * np.sqrt(e))) for e in ETAS]
RULES = PLAIN + HEAVY + FAMILY


def charges(p):
    below, hidden, readout = p["layers"].values()
    return {
        "translation": measure.translation_charge(readout["kernel"]),
        "scale": measure.scale_charge(below["kernel"]),
        "rescale": measure.rescale_charge(hidden, readout["kernel"]),
    }


def descend(rule):
    eta, decay, beta = rule
    sgd = optax.sgd(eta, momentum=beta)

    def loss(p, key):
        batch = tasks.minibatch(DATA, 16, key)
        return tasks.cross_entropy(APPLY(p, batch.x), batch.y)

    return train.descend(
        loss,
        INIT(KEYS[2]),
        optax.chain(optax.add_decayed_weights(decay), sgd),
        steps=600,
        every=1,
        key=KEYS[3],
        observe=lambda p, s: (charges(p), charges(s[1][0].trace)),
        total=lambda p, g: charges(g),
    )


@pytest.fixture(scope="module")
def runs():
    """For each rule and charge: (charges, buffers, squares of the gradients)."""
    out = train.sweep(descend, rule=jnp.asarray(RULES))
    return {
        (rule, name): (
            out.records[0][name][i],
            np.asarray(out.records[1][name][i]),
            np.diff(np.asarray(out.totals[name][i]), axis=0),
        )
        for i, rule in enumerate(RULES)
        for name in DEGREES
    }


def options(rule, name):
    return {"eta": rule[0], "decay": rule[1], "degree": DEGREES[name]}


@pytest.mark.parametrize("name", DEGREES)
@pytest.mark.parametrize("rule", PLAIN)
def test_the_recursion_to_rounding(runs, rule, name):
    found, _, squares = runs[rule, name]
    start = np.asarray(found[0])
    exact = theory.decayed_charge(start, squares, **options(rule, name))
    claims.equal(exact, found, atol=1e-13, because="rounding", theorem=LAW)


@pytest.mark.parametrize("name", DEGREES)
@pytest.mark.parametrize("rule", PLAIN[:2])
@pytest.mark.parametrize("order", [1, 2])
def test_the_continuous_formula_within_its_gap(runs, rule, name, order):
    found, _, squares = runs[rule, name]
    start = np.asarray(found[0])
    smooth = theory.continuous_charge(
        start, squares, **options(rule, name), order=order
    )
    heat = (DEGREES[name] - 1) * rule[0] ** 2 * np.abs(squares).sum(0)
    error = jnp.abs(found - smooth).max(0)
    gap = theory.decay_gap(*rule[:2], order) * (np.abs(start) + heat)
    claims.bound(0.6 * gap, error, gap + 1e-13, theorem=LAW)


def test_without_decay_the_old_law_comes_back(runs):
    found, _, squares = runs[PLAIN[2], "scale"]
    old = discrete_charge(
        np.asarray(found[0]), 0.1, np.concatenate([0 * squares[:1], squares.cumsum(0)])
    )
    for law in (theory.decayed_charge, theory.continuous_charge):
        now = law(np.asarray(found[0]), squares, eta=0.1, decay=0.0)
        assert np.abs(now - old).max() < 1e-13


@pytest.mark.parametrize("name", DEGREES)
@pytest.mark.parametrize("rule", RULES)
def test_the_recursion_with_momentum(runs, rule, name):
    found, buffers, _ = runs[rule, name]
    exact = theory.heavy_ball_charge(
        np.asarray(found[0]), buffers, **options(rule, name), beta=rule[2]
    )
    claims.equal(exact, found, atol=3e-12, because="rounding / (1 - β)", theorem=LAW)


@pytest.mark.parametrize("rule", HEAVY)
def test_the_oscillator_of_a_linear_charge(runs, rule):
    found, buffers, _ = runs[rule, "translation"]
    swing = theory.oscillating_charge(
        np.asarray(found[0]), buffers, **options(rule, "translation"), beta=rule[2]
    )
    claims.equal(swing, found, rtol=1e-3, because="(ωη)²/24, 4 times", theorem=LAW)


@pytest.mark.parametrize(("at_rest", "order"), [(False, 1.0), (True, 0.5)])
@pytest.mark.parametrize("name", DEGREES)
def test_the_order_of_the_oscillator(runs, name, at_rest, order):
    errors = []
    for rule in FAMILY:
        n = int(12 / np.sqrt(rule[0]))
        found, buffers, _ = runs[rule, name]
        swing = theory.oscillating_charge(
            np.asarray(found[0]),
            buffers[:n],
            **options(rule, name),
            beta=rule[2],
            at_rest=at_rest,
        )
        errors.append(jnp.abs(found[:n] - swing).max())
    claims.order(
        ETAS, jnp.stack(errors), order=order, atol=0.2, because="√η", theorem=LAW
    )


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("beta", [0.3, 0.9])
def test_a_charge_swings_above_the_critical_decay(degree, beta):
    critical = theory.critical_decay(0.1, beta, degree)
    still = np.zeros(4000)

    def crosses(factor):
        law = {"eta": 0.1, "decay": factor * critical, "degree": degree}
        path = theory.oscillating_charge(1.0, still, **law, beta=beta)
        return (path < -1e-200).any()

    assert crosses(1.03)
    assert not crosses(0.97)
    exact = curvature_thresholds(0.1, beta)[0] / degree
    assert 0 <= exact / critical - 1 < (1 - beta) ** 2 / 4


def test_plain_steps_are_heavy_balls_without_momentum(runs):
    found, buffers, squares = runs[PLAIN[0], "rescale"]
    law, start = options(PLAIN[0], "rescale"), np.asarray(found[0])
    one = theory.heavy_ball_charge(start, buffers, **law, beta=0.0)
    two = theory.decayed_charge(start, squares, **law)
    assert np.abs(one - two).max() < 1e-13


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("a", [1e-6, 0.01, 0.5, 0.95])
def test_the_gap_is_the_largest_distance(a, order):
    n = np.linspace(0, 40 / a, 400_001)  # the supremum is over real times
    rate = a + (order - 1) * a**2 / 2
    gap = np.abs(np.exp(-rate * n) - np.exp(n * np.log1p(-a))).max()
    assert abs(theory.decay_gap(1.0, a, order) / gap - 1) < 2e-3 + 1e-10 / a**order
    assert theory.decay_gap(1.0, 0.0, order) == 0


def test_the_modified_flow_breaks_the_charge_at_second_order():
    def loss(w, key):
        return 0.5 * (1 - w[0] * w[1]) ** 2

    def run(lr):
        rule = optax.chain(optax.add_decayed_weights(0.2), optax.sgd(lr))
        return train.descend(
            loss, jnp.array([0.4, 1.7]), rule, steps=144, every=16,
            observe=lambda w, s: w[1] ** 2 - w[0] ** 2, key=KEYS[0],
        ).records  # fmt: skip

    def full(w):
        return loss(w, None) + 0.1 * jnp.sum(w**2)

    slope, curve = jax.jit(jax.grad(full)), jax.jit(jax.hessian(full))
    etas = 0.16 / 2.0 ** np.arange(4)
    ends = train.sweep(run, lr=jnp.asarray(etas))[jnp.arange(4), 2 ** jnp.arange(4)]
    errors = []
    for eta, end in zip(etas, ends, strict=True):
        path = modified_flow(
            lambda w: np.asarray(slope(w)), lambda w: np.asarray(curve(w)),
            np.array([0.4, 1.7]), np.array([0.0, 2.56]), eta=float(eta),
        )  # fmt: skip
        errors.append(jnp.abs(end - (path[1, 1] ** 2 - path[1, 0] ** 2)))
    claims.order(etas, jnp.stack(errors), order=2, atol=0.2, because="ηS", theorem=LAW)


def test_the_mean_over_minibatches():
    init, apply = nets.pure(lambda rngs: nets.MLP((6, 8, 5), rngs=rngs))
    params = init(KEYS[2])

    def form(g):
        layer, readout = g["layers"].values()
        return measure.rescale_charge(layer, readout["kernel"])

    def gradient(data):
        return jax.grad(lambda p: tasks.cross_entropy(apply(p, data.x), data.y))(params)

    singles = jax.vmap(lambda x, y: gradient(tasks.Data(x[None], y[None])))(*DATA)
    full = gradient(DATA)
    trace = jax.vmap(form)(jax.tree.map(lambda s, g: s - g[None], singles, full)).mean(
        0
    )
    square = np.asarray(form(full))
    keys = jax.random.split(KEYS[3], 4096)
    samples = jax.vmap(lambda k: form(gradient(tasks.minibatch(DATA, 8, k))))(keys)
    predicted = theory.expected_square(square, np.asarray(trace), samples=64, size=8)
    claims.mean(predicted, samples, k=4, theorem=LAW)
    everything = theory.expected_square(square, np.asarray(trace), samples=64, size=64)
    claims.limit(
        everything, form(gradient(DATA)), atol=1e-15, because="rounding", theorem=LAW
    )


ONE = np.ones(3)
LAWS = {"eta": 0.1, "decay": 0.1}


@pytest.mark.parametrize(
    ("formula", "arguments", "named", "name"),
    [
        (theory.decayed_charge, (1.0, ONE), LAWS | {"eta": 0.0}, "eta"),
        (theory.decayed_charge, (1.0, ONE), LAWS | {"decay": -1.0}, "decay"),
        (theory.decayed_charge, (1.0, ONE), LAWS | {"degree": 3}, "degree"),
        (theory.decayed_charge, (ONE, ONE), LAWS, "initial"),
        (theory.continuous_charge, (1.0, ONE), LAWS | {"order": 0}, "order"),
        (theory.continuous_charge, (1.0, ONE), LAWS | {"eta": np.nan}, "eta"),
        (theory.decay_gap, (1.0, 1.0), {}, "decay"),
        (theory.expected_square, (1.0, 1.0, 8, 9), {}, "size"),
        (theory.heavy_ball_charge, (1.0, ONE), LAWS | {"beta": 1.0}, "beta"),
        (theory.oscillating_charge, (1.0, ONE), LAWS | {"beta": -0.1}, "beta"),
        (theory.critical_decay, (0.1, 1.0), {}, "beta"),
        (theory.critical_decay, (0.0, 0.5), {}, "eta"),
        (theory.critical_decay, (0.1, 0.5, 4), {}, "degree"),
    ],
)
def test_bad_input_is_named(formula, arguments, named, name):
    with pytest.raises(ValueError, match=name):
        formula(*arguments, **named)
