"""Formulas of the chapter on sequential composition against ascent and training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from learndyn import claims, groups
from learndyn.simulation import tasks, train
from learndyn.theory import sequential_composition as theory

LAW = "sequential_composition-test"
KEY = jax.random.key(0)
TWISTED = groups.product(groups.cyclic(3), groups.symmetric(3))
OFFERED = [
    groups.cyclic(6),
    groups.dihedral(4),
    groups.quaternion(),
    groups.symmetric(4),
    groups.product(groups.cyclic(2), groups.cyclic(4)),
    TWISTED,
]
every_group = pytest.mark.parametrize("group", OFFERED, ids=lambda group: group.name)


def signal(group, seed=0):
    x = np.random.default_rng(seed).normal(size=group.order)
    return x - x.mean()


def sequences(n, k, count=None):
    every = np.stack(np.meshgrid(*[np.arange(n)] * k, indexing="ij"), -1)
    every = every.reshape(-1, k)
    draw = np.random.default_rng(0)
    return every if count is None else every[draw.choice(len(every), count)]


def product_of(group, seqs):
    result = seqs[:, 0]
    for j in range(1, seqs.shape[1]):
        result = group.table[result, seqs[:, j]]
    return result


def network(u, w, inputs):
    k = u.shape[-2]
    return jnp.einsum("sjh,ijh->si", inputs, u) ** k @ w


def measured_utility(group, x, u, w, seqs):
    """Mean of ⟨f_i, target⟩, one for each neuron."""
    codes = jnp.asarray(groups.encode(group, x))
    k = u.shape[-2]
    z = jnp.einsum("sjh,ijh->si", codes[seqs], u) ** k
    return jnp.mean(z * (codes[product_of(group, seqs)] @ w.T), 0)


@every_group
def test_utility_is_the_mean_of_output_times_target(group):
    k = 2 if group.order > 8 else 3
    x, seqs = signal(group), sequences(group.order, k)
    u = jax.random.normal(KEY, (3, k, group.order))
    w = jax.random.normal(KEY, (3, group.order))
    predicted = theory.utility(group, x, np.asarray(u), np.asarray(w)).sum(-1)
    claims.equal(
        predicted,
        measured_utility(group, x, u, w, seqs),
        rtol=1e-12,
        because="rounding",
        theorem=LAW,
    )


@every_group
@pytest.mark.parametrize("k", [2, 3])
def test_the_aligned_neuron_reaches_the_maximum_and_no_other_passes_it(group, k):
    x = signal(group, 1)
    best = theory.maximal_utility(group, x, k)
    for block in range(1, len(group.blocks)):
        part = theory.aligned_part(group, x, block, k)
        assert abs((k + 1) * part @ part - 1) < 1e-12
        found = theory.utility(group, x, np.tile(part, (k, 1)), part)
        assert abs(found[block] / best[block] - 1) < 1e-10
        assert np.abs(np.delete(found, block)).max() < 1e-10 * best.max()
    u = np.random.default_rng(2).normal(size=(500, k + 1, group.order))
    u /= np.linalg.norm(u, axis=(1, 2), keepdims=True)
    found = theory.utility(group, x, u[:, :k], u[:, k])
    assert (np.abs(found) <= best + 1e-12).all()
    assert best[0] == 0


@pytest.mark.parametrize(
    ("group", "block"),
    [(groups.quaternion(), 4), (TWISTED, -1), (groups.cyclic(6), 3)],
    ids=["quaternionic", "complex plane", "Nyquist"],
)
def test_ascent_on_the_sphere_finds_the_maximum(group, block):
    blocks = range(len(group.blocks))
    x = groups.project(group, signal(group), list(blocks)[block])
    seqs = sequences(group.order, 2)

    def ascend(key):
        def loss(p, key=None):
            return -measured_utility(group, x, p[None, :2], p[None, 2], seqs)[0]

        def update(gradient, state, p):
            ahead = p / jnp.linalg.norm(p) - gradient / jnp.linalg.norm(gradient)
            return ahead / jnp.linalg.norm(ahead) - p, state

        rule = optax.GradientTransformation(lambda p: optax.EmptyState(), update)
        start = jax.random.normal(key, (3, group.order))
        start /= jnp.linalg.norm(start)
        run = train.descend(
            loss, start, rule, steps=200, every=200, observe=lambda p, s: (), key=KEY
        )
        return -loss(run.params)

    found = train.sweep(ascend, key=jax.random.split(KEY, 8)).max()
    predicted = theory.maximal_utility(group, x, 2).max()
    claims.equal(predicted, found, rtol=1e-6, because="200 steps", theorem=LAW)


@every_group
@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_exact_network_composes_and_keeps_the_order(group, k):
    if group.order > 8 and k > 2 and group.order * 6**k > 8000:
        pytest.skip("thousands of neurons")
    x, seqs = signal(group), sequences(group.order, k, 300)
    codes = jnp.asarray(groups.encode(group, x))
    u, w = map(jnp.asarray, theory.exact_network(group, x, k))
    claims.equal(
        np.asarray(codes[product_of(group, seqs)]),
        network(u, w, codes[seqs]),
        atol=1e-10,
        because="rounding times the condition number of x̂",
        theorem=LAW,
    )
    dims = [group.irreps[b[0]].dimension for b in group.blocks[1:]]
    real = [group.indicator(b[0]) == 1 for b in group.blocks[1:]]
    count = sum(
        2 ** (k - 1) * d ** (k + 1) * (1 if r else k + 1)
        for d, r in zip(dims, real, strict=True)
    )
    assert len(w) == count


@every_group
def test_the_gap_between_orders(group):
    x = signal(group)
    codes = jnp.asarray(groups.encode(group, x))
    gaps = (codes[group.table] - codes[group.table.T]) ** 2
    found = jnp.mean(gaps.sum(-1))
    predicted = theory.order_gap(group, x).sum()
    claims.equal(predicted, found, atol=1e-11, because="rounding", theorem=LAW)


def test_real_dimensions():
    assert theory.real_dimensions(groups.cyclic(6)).tolist() == [1, 2, 2, 1]
    assert theory.real_dimensions(groups.symmetric(4)).tolist() == [1, 3, 2, 3, 1]
    assert sorted(theory.real_dimensions(TWISTED).tolist()) == [1, 1, 2, 2, 2, 4]
    for group in OFFERED:  # a real irrep stands d, or d/2 if quaternionic, times in R^n
        sizes = theory.real_dimensions(group)
        kinds = [group.indicator(block[0]) for block in group.blocks]
        d = [group.irreps[block[0]].dimension for block in group.blocks]
        copies = [m if kind >= 0 else m // 2 for m, kind in zip(d, kinds, strict=True)]
        assert (sizes * copies).sum() == group.order


def per_neuron(gradient, state, p):
    size = jnp.linalg.norm(p.reshape(len(p), -1), axis=1)[:, None, None]
    return -0.01 * gradient / size, state


def test_the_staircase_of_a_training_run():
    group = groups.dihedral(3)
    x = groups.template(group, {"sign": 9.0, "rotation 1": 5 * np.eye(2)}) / 2
    stairs = theory.staircase(group, x, 2, 1e-4)
    seqs = sequences(6, 2)
    codes = jnp.asarray(groups.encode(group, x))
    inputs, y = codes[seqs], codes[product_of(group, seqs)]

    def loss(p, key=None):
        return tasks.squared_loss(network(p[:, :2], p[:, 2], inputs), y)

    start = jax.random.normal(KEY, (60, 3, 6))
    start *= 1e-4 / jnp.linalg.norm(start, axis=(1, 2), keepdims=True)
    run = train.descend(
        loss,
        start,
        optax.GradientTransformation(lambda p: optax.EmptyState(), per_neuron),
        steps=3000,
        every=10,
        observe=lambda p, s: (loss(p), jnp.linalg.norm(p, axis=(1, 2)).max()),
        key=KEY,
    )
    values, norms = run.records
    assert stairs.order.tolist() == [1, 2]
    start, middle, end = stairs.levels
    claims.equal(start, values[0], rtol=1e-9, because="start", theorem=LAW)
    slow = jnp.argmin(jnp.abs(jnp.gradient(jnp.log(values[20:120])))) + 20
    claims.equal(middle, values[slow], rtol=0.01, because="plateau", theorem=LAW)
    claims.limit(end, values[-1], atol=0.01, because="learned", theorem=LAW)
    grown = 0.1 * jnp.argmax(norms > 0.5)
    bound = stairs.bounds[0] * np.log(5e3) / np.log(1e4)
    claims.bound(bound, grown, 1.5 * bound, theorem=LAW)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_floor_of_narrow_networks(k):
    width = np.arange(8)
    floor = theory.loss_floor(k, width)
    assert (np.diff(floor) <= 0).all()
    assert (floor <= 1).all()
    peak = {2: 0.5, 3: 0.75, 4: 6 / 16}[k]
    assert np.isclose(floor[0], peak)
    assert (floor[[2, 3, 6][k - 2] :] == 0).all()
    # The best single neuron, w free, explains its squared utility over its power.
    p, group = 11, groups.cyclic(11)
    x = np.cos(2 * np.pi * np.arange(p) / p)
    part = theory.aligned_part(group, x, 1, k)
    codes, seqs = groups.encode(group, x), sequences(p, k)
    out = network(
        *map(jnp.asarray, (np.tile(part, (1, k, 1)), part[None])), codes[seqs]
    )
    found = jnp.mean(jnp.sum(out * codes[product_of(group, seqs)], -1)) ** 2
    found = 1 - found / jnp.mean(jnp.sum(out**2, -1)) / (x @ x)
    claims.bound(floor[1], found, theorem=LAW)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, x: theory.maximal_utility(g, x, 1), "k=1 must"),
        (lambda g, x: theory.maximal_utility(g, x + 1, 2), "x must have mean zero"),
        (lambda g, x: theory.maximal_utility(g, 0 * x, 2), "x must have mean zero"),
        (lambda g, x: theory.order_gap(g, x[:3]), "x must hold 6"),
        (lambda g, x: theory.order_gap(g, x * np.nan), "x must hold 6"),
        (lambda g, x: theory.utility(g, x, x[None], x), "k=1 must"),
        (lambda g, x: theory.aligned_part(g, x, 3, 2), "block=3 must"),
        (lambda g, x: theory.aligned_part(g, x, 0, 2), "block=0 must"),
        (lambda g, x: theory.staircase(g, x, 2, 0.0), "norm=0.0 must"),
        (lambda g, x: theory.exact_network(g, x, 12), "k=12 must"),
        (lambda g, x: theory.loss_floor(2, -1), "width=-1 must"),
        (lambda g, x: theory.loss_floor(1, 1), "k=1 must"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(groups.dihedral(3), signal(groups.dihedral(3)))


def test_a_block_that_is_neither_zero_nor_invertible_is_refused():
    group = groups.dihedral(3)
    x = groups.template(group, {"rotation 1": np.diag([1.0, 0.0])})
    with pytest.raises(ValueError, match="zero or invertible"):
        theory.exact_network(group, x, 2)
