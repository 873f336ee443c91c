"""Formulas of the chapter on the law of balance against runs and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import quad

from learndyn import claims
from learndyn.simulation import flow, train
from learndyn.theory import law_of_balance as theory

LAW = "law_of_balance-test"
KEY = jax.random.key(0)
GAUSS = theory.gaussian_moments(1.0, 2.0)
COIN = np.array([1.0, 1.0, 0.0, 0.0, 4.0])  # x = ±1, y = x ± 2
COLD = 0.1


def sample(key, slope, sigma):
    a, b = jax.random.normal(key, (2, 200_000))
    return a, slope * a + sigma * b


def noise_of(v):
    return 2 * v**2 - 4 * v + 6.0


def test_moments_and_gradient_noise_are_those_of_samples():
    x, y = sample(KEY, 0.7, 1.5)
    moments = theory.gaussian_moments(0.7, 1.5)
    gradient = jax.vmap(lambda v: jax.vmap(jax.grad(lambda v, x, y: 0.5 * (v*x - y)**2),
                                           (None, 0, 0))(v, x, y))  # fmt: skip
    v = jnp.array([-1.0, 0.3, 2.0])
    each = gradient(v).T
    pull = moments[0] * np.asarray(v) - moments[1]
    claims.mean(pull, each, theorem=LAW)
    claims.mean(
        theory.gradient_noise(np.asarray(v), moments),
        (each - pull[None]) ** 2,
        theorem=LAW,
    )
    pair = jnp.stack([x**2, x * y], 1)
    claims.mean(moments[:2], pair, theorem=LAW)
    pair = pair - moments[None, :2]
    pair = jnp.stack([pair[:, 0] ** 2, pair[:, 0] * pair[:, 1], pair[:, 1] ** 2], 1)
    claims.mean(moments[2:], pair, theorem=LAW)


def two_factors(eta, key):
    """SGD on two factors with decay 0.2, from (2, 0.5); moments of a coin."""

    def loss(w, key):
        sign = jax.random.rademacher(key, ())
        fit = 0.5 * (w[0] * w[1] - 1 - 2.0 * sign) ** 2
        return fit + 0.1 * w @ w

    def total(w, g):
        return {"noise": 4.0 * eta, "time": eta, "size": eta * w @ w}

    return train.descend(
        loss, jnp.array([2.0, 0.5]), optax.sgd(eta), steps=1600, every=100,
        key=key, observe=lambda w, s: w[1] ** 2 - w[0] ** 2, total=total,
    )  # fmt: skip


def test_the_charge_decays_as_the_law_of_balance_says():
    etas = 0.04 / jnp.sqrt(2.0) ** jnp.arange(4)
    run = train.sweep(two_factors, eta=etas, key=jax.random.split(KEY, 64))
    at = jnp.array([2, 4, 8, 15])  # η² · step nearly the same

    def deviation(i, j):
        one = {name: np.asarray(v[i, :, j]) for name, v in run.totals.items()}
        predicted = theory.balanced_charge(
            -3.75, one["noise"], float(etas[i]), 0.2, one["time"]
        )
        return jnp.abs(run.records[i, :, j] / predicted - 1).mean()

    errors = jnp.stack([deviation(i, int(j)) for i, j in enumerate(at)])
    claims.order(
        etas, errors, order=1, atol=0.3, because="next order, few steps", theorem=LAW
    )
    assert errors[-1] < 0.06


def test_isotropic_noise_lets_the_charge_diffuse():
    def path(key):
        def drift(s):
            e = s[0] * s[1] - 1
            return jnp.stack([-e * s[1], -e * s[0], s[0] ** 2 + s[1] ** 2])

        return flow.diffuse(
            drift, lambda s: jnp.array([0.4, 0.4, 0.0]), jnp.array([1.5, 0.5, 0.0]),
            jnp.array([0.0, 1.0]), dt=0.02, key=key,
        ).state  # fmt: skip

    u, w, size = train.sweep(path, key=jax.random.split(KEY, 20_000)).T
    charge = u**2 - w**2
    claims.mean(2.0, charge, theorem=LAW)
    predicted = theory.langevin_variance(float(size.mean()), 0.08)
    claims.mean(predicted, (charge - 2.0) ** 2, theorem=LAW)


def test_balanced_noise_bounds_the_ratio_of_norms():
    a, b, c, d = jax.random.split(KEY, 4)
    c1, c2 = (m @ m.T + jnp.eye(len(m)) for m in
              (jax.random.normal(a, (3, 3)), jax.random.normal(b, (4, 4))))  # fmt: skip
    low, high = theory.norm_ratio_range(np.asarray(c1), np.asarray(c2))
    u, w = jax.random.normal(c, (4000, 3)), jax.random.normal(d, (4000, 4))
    forms = [jnp.einsum("ni,ij,nj->n", v, m, v) for v, m in ((u, c1), (w, c2))]
    ratio = (u**2).sum(1) / (w**2).sum(1) * forms[1] / forms[0]
    claims.bound(low, ratio, high, theorem=LAW)
    v1 = np.linalg.eigh(np.asarray(c1))[1]
    e2 = np.linalg.eigvalsh(np.asarray(c2))
    for expected, i, j in ((low, -1, 0), (high, 0, -1)):  # both ends are attained
        assert v1[:, i] @ c1 @ v1[:, i] * expected == pytest.approx(e2[j])


def late(depth, temperature, width=1):
    """Chains of the balanced network: v, and the weights 1/h of the new clock."""

    def parts(s):
        v = jnp.sum(jnp.exp((depth + 1) * s))
        pull = jnp.exp((depth - 1) * s)
        noise = pull * jnp.sqrt(temperature * noise_of(v))
        drift = -pull * (v - 1) - 0.5 * noise**2
        return v, drift, noise, jnp.max(noise**2 + jnp.abs(drift))

    def chain(key):
        return flow.diffuse(
            lambda s: parts(s)[1] / parts(s)[3],
            lambda s: (parts(s)[2] / jnp.sqrt(parts(s)[3]))[:, None],
            jnp.full(width, -jnp.log(width) / (depth + 1)), jnp.linspace(0, 12.0, 3),
            dt=0.02, key=key, observe=lambda s: (parts(s)[0], 1 / parts(s)[3]),
        ).records  # fmt: skip

    v, weight = train.sweep(chain, key=jax.random.split(KEY, 500))
    return v[:, -1], weight[:, -1]


@pytest.mark.parametrize(
    ("depth", "temperature", "width"), [(1, 0.1, 1), (2, 0.15, 1), (3, 0.3, 4)]
)
def test_the_stationary_law_of_a_diffusion(depth, temperature, width):
    v, weight = late(depth, temperature, width)
    setting = (temperature, GAUSS, depth, width)
    at = np.array([0.2, 0.5, 1.0, 1.5])
    below = v[:, None] <= at[None]
    gap = weight[:, None] * (below - theory.stationary_cdf(at, *setting)[None])
    claims.mean(0.0, gap, theorem=LAW)
    clipped = theory.stationary_average(lambda v: np.minimum(v, 4), *setting)
    claims.mean(0.0, weight * (jnp.minimum(v, 4) - clipped), theorem=LAW)


@pytest.mark.parametrize("moments", [GAUSS, COIN, theory.gaussian_moments(0.7, 0.5)])
@pytest.mark.parametrize("depth", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("width", [1, 3])
def test_the_closed_forms_and_quadrature_are_two_routes(moments, depth, width):
    temperature = 0.4 * theory.critical_temperature(moments)
    b1, b2, *_ = moments
    cold = 2 * width ** (1 - 2 / (depth + 1)) / ((depth + 1) * temperature)

    def pull(s):
        power = s ** (2 * depth / (depth + 1))
        return (b1 * s - b2) / power / theory.gradient_noise(s, moments)

    def route(v):
        integral = quad(pull, 1.0, v, epsabs=1e-11, epsrel=1e-11)[0]
        noise = np.log(theory.gradient_noise(v, moments))
        return -3 * depth / (depth + 1) * np.log(v) - noise - cold * integral

    v = np.array([0.01, 0.3, 3.0, 40.0])
    found = theory.log_density(v, temperature, moments, depth, width)
    found = found - theory.log_density(1.0, temperature, moments, depth, width)
    expected = np.array([route(each) - route(1.0) for each in v])
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("depth", "decay"), [(0, 0.0), (1, 0.0), (2, 0.0), (1, 0.3)])
def test_density_cdf_and_averages_belong_together(depth, decay):
    setting = (COLD, GAUSS, depth, 1, decay)
    v = np.linspace(0.05, 3, 40_001)
    density = theory.stationary_density(v, *setting)
    assert np.all(density > 0)
    mass = np.trapezoid(density, v)
    cdf = theory.stationary_cdf(v[[0, -1]], *setting)
    assert mass == pytest.approx(cdf[1] - cdf[0], abs=2e-5)
    above = theory.stationary_average(lambda v: 1.0 * (v > 1.3), *setting)
    assert above == pytest.approx(1 - theory.stationary_cdf(1.3, *setting), abs=1e-3)


def test_deeper_networks_are_colder_by_their_width():
    v = np.array([0.3, 1.0, 2.0])
    wide = theory.stationary_density(v, 0.3, GAUSS, 3, 4)
    assert wide == pytest.approx(theory.stationary_density(v, 0.15, GAUSS, 3, 1))


def test_a_coin_gives_a_gaussian_and_a_gamma_law():
    mean = theory.stationary_average(lambda v: v, 0.2, COIN, 1)
    assert mean == pytest.approx(1 - 0.2 * 4 / 2)
    for width in (1, 3):
        spread = theory.stationary_average(lambda v: (v - 1) ** 2, 0.2, COIN, 0, width)
        assert spread == pytest.approx(width * 0.2 * 4 / 2)


def test_moments_of_the_linear_regressor_and_of_log_v():
    """From E of the generator of v, v² and log v."""
    b1, b2, a1, a2, a3 = GAUSS
    first, second = (
        theory.stationary_average(lambda v, n=n: v**n, COLD, GAUSS, 0) for n in (1, 2)
    )
    assert first == pytest.approx(b2 / b1)
    assert second * (2 * b1 - COLD * a1) == pytest.approx(
        2 * b2 * first + COLD * (a3 - 2 * a2 * first), rel=1e-4
    )
    pull = theory.stationary_average(
        lambda v: b1 * v - b2 + COLD / 2 * (a1 * v**2 - 2 * a2 * v + a3), COLD, GAUSS, 1
    )
    assert abs(pull) < 1e-4


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_the_mode_is_where_the_density_peaks(decay):
    v = np.linspace(0.3, 1.5, 120_001)
    peak = v[np.argmax(theory.log_density(v, 0.03, GAUSS, 1, 1, decay))]
    assert theory.mode(0.03, GAUSS, decay) == pytest.approx(peak, abs=2e-5)
    assert theory.mode(1e-12, GAUSS, decay) == pytest.approx(1 - decay)
    assert theory.mode(0.3, GAUSS) == 0  # only the spike at zero is left
    assert theory.mode(0.1, COIN) == pytest.approx(1 - 1.5 * 0.1 * 4)


def growth(temperature, decay, key):
    """Drift of log u at the origin, for which the collapse is named."""

    def drift(s):
        return (
            -(jnp.exp(2 * s) + decay - 1) - temperature * noise_of(jnp.exp(2 * s)) / 2
        )

    def noise(s):
        return jnp.sqrt(temperature * noise_of(jnp.exp(2 * s)))

    path = flow.diffuse(drift, noise, jnp.array([-300.0]), jnp.array([0.0, 40.0]),
                        dt=0.1, key=key)  # fmt: skip
    return (path.state[0] + 300) / 40


def test_at_the_critical_temperature_the_origin_neither_attracts_nor_repels():
    decay = np.array([0.0, 0.0, 0.4, 0.4])
    critical = np.array([theory.critical_temperature(GAUSS, each) for each in decay])
    warm = critical * np.array([1.0, 1.5, 1.0, 1.5])
    rates = train.sweep(
        lambda at, key: growth(at[0], at[1], key),
        at=jnp.stack([warm, decay], 1),
        key=jax.random.split(KEY, 200),
    )
    predicted = (1 - decay) * np.array([0.0, -0.5, 0.0, -0.5])
    claims.mean(predicted, rates.T, theorem=LAW)
    assert theory.critical_temperature(GAUSS, 1.5) == 0


def test_the_tail_is_a_power_that_no_data_change():
    v = np.array([1e5, 1e6])
    for depth in (1, 2, 4):
        for moments in (GAUSS, theory.gaussian_moments(0.5, 1.0)):
            low, high = theory.log_density(v, COLD, moments, depth)
            slope = (high - low) / np.log(10)
            assert slope == pytest.approx(-5 + 3 / (depth + 1), abs=1e-3)


def test_limits_are_handled():
    assert theory.balanced_charge(-2.0, 0.0, 1.0) == -2
    assert np.isfinite(theory.log_density(1e-200, 0.1, GAUSS, 1))
    v, almost = np.array([2.0, 0.5]), COIN + 1e-7 * np.eye(5)[2]
    near = np.subtract(*theory.log_density(v, 0.1, almost, 2))
    exact = np.subtract(*theory.log_density(v, 0.1, COIN, 2))
    assert near == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.gaussian_moments(1.0, -1.0), "sigma=-1.0 must be at least"),
        (lambda: theory.gaussian_moments(np.inf, 1.0), "slope must be finite"),
        (lambda: theory.gradient_noise(1.0, np.zeros(5)), "moments must have"),
        (lambda: theory.gradient_noise(np.nan, GAUSS), "v must be finite"),
        (
            lambda: theory.balanced_charge(1.0, -1.0, 1.0),
            "noise=-.* must be at least 0",
        ),
        (lambda: theory.balanced_charge(1.0, 1.0, 1.0, -1.0), "decay=.* must be"),
        (lambda: theory.balanced_charge(1.0, 1.0, 1.0, 1.0, -1.0), "time=.* must be"),
        (lambda: theory.langevin_variance(-1.0, 1.0), "size=-.* must be at least 0"),
        (lambda: theory.norm_ratio_range(-np.eye(2), np.eye(2)), "c1 must be"),
        (lambda: theory.log_density(-1.0, 0.1, GAUSS, 1), "v must be positive"),
        (lambda: theory.log_density(1.0, 0.4, GAUSS, 1), "below critical"),
        (lambda: theory.log_density(1.0, 0.0, GAUSS, 0), "must be positive"),
        (lambda: theory.log_density(1.0, 0.1, GAUSS, -1), "depth=-1 must be"),
        (lambda: theory.log_density(1.0, 0.1, GAUSS, 1, 0), "width=0 must be"),
        (lambda: theory.log_density(1.0, 0.1, GAUSS, 2, 1, 0.1), "must be 0 at depth"),
        (lambda: theory.mode(0.1, GAUSS, 2.0), "must exceed decay"),
        (lambda: theory.critical_temperature(GAUSS, -0.1), "decay=.* must be at least"),
        (lambda: theory.stationary_cdf(np.nan, 0.1, GAUSS, 1), "v must be finite"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
