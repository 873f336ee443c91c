"""Formulas of the chapter on modular addition against networks and flows."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims, groups
from learndyn.simulation import flow, tasks, train
from learndyn.theory import modular_addition as theory

LAW = "modular_addition-test"
DRAW = np.random.default_rng(0)
PHASED = {"frequency 2": 6 - 2j, "frequency 1": 3j, "frequency 4": -2.0 + 1j}
ODD = groups.template(groups.cyclic(11), PHASED)
EVEN = DRAW.normal(size=8)
EVEN -= EVEN.mean()
both = pytest.mark.parametrize("template", [ODD, EVEN], ids=["odd", "even"])


def shifts(template):
    return jnp.asarray(groups.encode(groups.cyclic(len(template)), template))


def network(neurons, x):
    u, v, w = neurons
    return ((x @ u.T)[:, None] + (x @ v.T)[None]) ** 2 @ w


def targets(x):
    a = jnp.arange(len(x))
    return x[(a[:, None] + a[None]) % len(x)]


def gain(neurons, x):
    """Utility of each neuron, by averaging over all pairs."""
    u, v, w = neurons
    squares = ((x @ u.T)[:, None] + (x @ v.T)[None]) ** 2
    return jnp.mean(squares * (targets(x) @ w.T), (0, 1))


def drawn(p, count=6, scale=1.0):
    return tuple(scale * DRAW.normal(size=(3, count, p)))


def test_the_transform_is_that_of_everybody():
    x = DRAW.normal(size=(2, 9))
    measured = jnp.fft.fft(jnp.asarray(x))
    for part in ("real", "imag"):
        claims.equal(
            getattr(theory.transform(x), part),
            getattr(measured, part),
            atol=1e-13,
            because="rounding",
            theorem=LAW,
        )
    own = np.array(groups.fourier(groups.cyclic(9), x))[:, :, 0, 0].T
    assert np.abs(theory.transform(x) - own).max() < 1e-13


def test_a_shift_turns_the_phase():
    x = theory.transform(groups.encode(groups.cyclic(11), ODD))
    g = np.arange(11)
    turned = theory.transform(ODD) * np.exp(2j * np.pi * np.outer(g, g) / 11)
    assert np.abs(x - turned).max() < 1e-12


@both
def test_utility_is_the_mean_over_pairs(template):
    neurons = drawn(len(template))
    measured = gain(jax.tree.map(jnp.asarray, neurons), shifts(template))
    claims.equal(
        theory.utility(*neurons, template).sum(-1),
        measured,
        rtol=1e-13,
        because="rounding",
        theorem=LAW,
    )


@both
def test_utility_is_additive_over_frequencies_of_a_neuron(template):
    p = len(template)
    neurons = drawn(p)
    whole = theory.utility(*neurons, template)
    for k in range(1, p // 2 + 1):
        group = groups.cyclic(p)
        block = next(i for i, b in enumerate(group.blocks) if k in b)
        parts = [groups.project(group, n, block) for n in neurons]
        alone = theory.utility(*parts, template)
        assert np.abs(alone[:, k - 1] - whole[:, k - 1]).max() < 1e-12
        assert np.abs(np.delete(alone, k - 1, -1)).max() < 1e-12


@both
def test_no_ascent_on_the_sphere_passes_the_maximum(template):
    x, p = shifts(template), len(template)

    def loss(theta, key=None):
        unit = theta / jnp.linalg.norm(theta, axis=(0, 2), keepdims=True)
        return -gain(unit, x).sum()

    start = jnp.asarray(DRAW.normal(size=(3, 12, p)))
    run = jax.jit(
        lambda theta: train.descend(
            loss, theta, optax.adam(0.05), steps=1500, every=1500,
            observe=lambda t, s: (), key=jax.random.key(0),
        ).params
    )(start)  # fmt: skip
    reached = -jax.vmap(lambda t: loss(t[:, None]), in_axes=1)(run)
    best = theory.maximal_utility(template)
    claims.bound(None, reached, best.max() * (1 + 1e-12), theorem=LAW)
    nearest = best[np.argmin(np.abs(best - np.asarray(reached)[:, None]), 1)]
    claims.equal(nearest, reached, rtol=1e-4, because="ascent", theorem=LAW)


@both
def test_aligned_neurons_attain_the_maximum(template):
    best = theory.maximal_utility(template)
    for k in np.flatnonzero(best > 1e-9) + 1:
        nyquist = 2 * k == len(template)
        phases = (np.pi, 0.0) if nyquist else (0.4, -2.0)
        neuron = theory.aligned_neuron(template, int(k), phases)
        assert abs(sum(np.sum(part**2) for part in neuron) - 1) < 1e-12
        measured = gain([jnp.asarray(n)[None] for n in neuron], shifts(template))
        claims.equal(
            best[k - 1], measured[0], rtol=1e-12, because="rounding", theorem=LAW
        )


def test_the_staircase_lists_what_is_left():
    steps = theory.staircase(ODD, 0.1)
    assert steps.order.tolist() == [2, 1, 4]
    x, group = ODD, groups.cyclic(11)
    residual = x.copy()
    for level, k in zip(steps.levels, (*steps.order, None), strict=True):
        target = targets(jnp.asarray(shifts(residual)))
        measured = tasks.squared_loss(
            0 * target.reshape(121, 11), target.reshape(121, 11)
        )
        claims.equal(level, measured, atol=1e-12, because="rounding", theorem=LAW)
        if k is not None:
            block = next(i for i, b in enumerate(group.blocks) if k in b)
            residual = residual - groups.project(group, residual, block)
    rates = 3 * theory.maximal_utility(ODD)[steps.order - 1]
    assert np.abs(steps.bounds * rates - 9).max() < 1e-9


@pytest.mark.parametrize("degree", [2, 3, 5])
def test_growth_of_a_dormant_neuron(degree):
    def field(norm):
        return degree * norm ** (degree - 1) * 0.7

    norms = np.array([0.2, 0.5, 0.9])
    times = theory.activation_time(norms, 0.7, degree)
    grow = jax.jit(jax.vmap(lambda n, span: flow.solve(field, n, span).state))
    ends = grow(jnp.asarray(norms), jnp.outer(times, jnp.array([0.0, 1.0])))
    claims.equal(np.ones(3), ends, atol=1e-7, because="solver", theorem=LAW)


@both
def test_escape_times_are_those_of_the_frozen_flow(template):
    """Integrate all neurons up to a time, and ask how long that norm takes."""
    x, p = shifts(template), len(template)
    start = jnp.asarray(np.stack(drawn(p, 8, 0.1)))
    first = theory.escape_time(*np.asarray(start), template, np.inf).min()
    span = jnp.linspace(0.0, 0.9 * first, 7)
    path = jax.jit(
        lambda start: (
            flow.gradient_flow(
                lambda theta: -gain(theta, x).sum(), start, span, rtol=1e-11, atol=1e-13
            ).records
        )
    )(start)
    waves = jnp.fft.fft(path)[..., 1 : p // 2 + 1] / np.sqrt(p)
    m = np.where(2 * np.arange(1, p // 2 + 1) == p, 1.0, 2.0)
    size = np.sqrt(np.sum(m * np.abs(np.asarray(waves)) ** 2, 1))
    present = theory.maximal_utility(template) > 1e-9
    grows = (np.diff(size, axis=0) > 0).all(0) & present
    assert grows.sum() > 5
    found = theory.escape_time(*np.asarray(start), template, size[-1])
    claims.equal(
        found[grows],
        jnp.full(grows.sum(), span[-1]),
        rtol=1e-6,
        because="solver",
        theorem=LAW,
    )
    dips = (size[1] < size[0]) & (size[-1] > size[0]) & present
    again = theory.escape_time(*np.asarray(start), template, size[-1])
    assert np.abs(again[dips] - span[-1]).max(initial=0) < 1e-6 * span[-1]


def test_limits_of_the_escape_time():
    neuron = theory.aligned_neuron(ODD, 2)
    small = [0.01 * part for part in neuron]
    times = theory.escape_time(*small, ODD, np.inf)
    rate = 3 * theory.maximal_utility(ODD)[1]
    assert abs(times[1] * rate - 100) < 1e-3
    assert (np.delete(times, 1) > 1e15).all()  # inf, were it not for rounding
    assert (theory.escape_time(*neuron, ODD, 0.5)[1]) == 0
    zero = theory.escape_time(*(0 * part for part in neuron), ODD)
    assert np.isinf(zero).all()
    any_neuron = drawn(11)
    half = theory.escape_time(*(part / 2 for part in any_neuron), ODD, np.inf)
    whole = theory.escape_time(*any_neuron, ODD, np.inf)
    assert np.allclose(half[:, [0, 1, 3]], 2 * whole[:, [0, 1, 3]])


@both
def test_the_construction_is_exact(template):
    x = shifts(template)
    made = [jnp.asarray(part) for part in theory.exact_network(template)]
    claims.equal(
        targets(x), network(made, x), atol=1e-12, because="rounding", theorem=LAW
    )
    assert len(made[0]) == (18 if len(template) == 11 else 20)


BAD = [
    (theory.activation_time, (0.1, 1.0, 1), "degree"),
    (theory.activation_time, (0.0, 1.0, 3), "norm"),
    (theory.activation_time, (0.1, 0.0, 3), "utility"),
    (theory.transform, (np.array([np.nan, 1.0]),), "signal"),
    (theory.transform, (np.array(1.0),), "signal"),
    (theory.utility, (ODD[:5], ODD, ODD, ODD), "shape|broadcast"),
    (theory.utility, (EVEN, EVEN, EVEN, ODD), "p values"),
    (theory.maximal_utility, (ODD + 1,), "mean zero"),
    (theory.maximal_utility, (0 * ODD,), "not all zero"),
    (theory.aligned_neuron, (ODD, 6), "frequency"),
    (theory.aligned_neuron, (EVEN, 4, (0.3, 0.0)), "phases"),
    (theory.staircase, (ODD, 2.0), "norm"),
    (theory.escape_time, (ODD, ODD, ODD, ODD, -1.0), "size"),
    (theory.exact_network, (ODD + 1,), "mean zero"),
]


@pytest.mark.parametrize(("formula", "arguments", "name"), BAD)
def test_bad_input_is_named(formula, arguments, name):
    with pytest.raises(ValueError, match=name):
        formula(*arguments)
