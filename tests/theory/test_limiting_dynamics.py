"""Formulas of the chapter on the limiting dynamics against runs and other routes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import linalg, stats

from learndyn import claims
from learndyn.simulation import flow, train
from learndyn.theory import limiting_dynamics as theory
from learndyn.theory.gradient_flow import oscillator_constants

LAW = "limiting_dynamics-test"
KEY = jax.random.key(0)
H = np.array([0.3, 1.0, 3.0])  # over- and underdamped
RULE = {"eta": 0.1, "beta": 0.8, "decay": 0.2}


def heavy_ball(eta, beta, decay):
    return optax.chain(optax.add_decayed_weights(decay), optax.sgd(eta, momentum=beta))


def chains(start, noise, steps, every=1):
    """Positions and velocities of runs on ½ h θ² with additive noise."""

    def loss(x, key):
        push = jnp.sqrt(noise) * jax.random.normal(key, x.shape)
        return 0.5 * x @ (H * x) + push @ x

    def run(key):
        return train.descend(
            loss, jnp.asarray(start), heavy_ball(**RULE), steps=steps, every=every,
            observe=lambda x, s: (x, -s[1][0].trace), key=key,
        ).records  # fmt: skip

    return run


def test_the_flow_is_that_of_the_oscillator():
    times = np.array([0.0, 0.2, 1.0, 4.0])
    mu, omega = oscillator_constants(H + 0.2, 0.1, 0.8)
    square = jnp.asarray(omega**2)[:, None]

    def field(x):  # both columns, all modes
        position, velocity = x
        return jnp.stack([velocity, -square * position - 2 * mu * velocity])

    start = jnp.eye(2)[:, None] + jnp.zeros((2, 3, 2))
    found = flow.solve(field, start, jnp.asarray(times)).records
    predicted = theory.phase_flow(H[:, None], times, **RULE)
    found = jnp.moveaxis(found, (0, 1, 2), (1, 2, 0))
    claims.equal(predicted, found, rtol=1e-7, because="solver", theorem=LAW)


def test_the_steps_are_those_of_training():
    x, v = chains(np.ones(3), 0.0, 30)(KEY)
    power = theory.phase_steps(H, np.arange(30)[:, None], **RULE)
    found = jnp.stack([x, v], -1)
    claims.equal(power[..., 0], found, atol=1e-13, because="rounding", theorem=LAW)
    moved = jnp.diff(x, axis=0) / 0.1
    claims.equal(power[1:, :, 1, 0], moved, atol=1e-12, because="rounding", theorem=LAW)
    one = theory.phase_steps(H, 1, **RULE)
    assert np.linalg.matrix_power(one[1], 7) == pytest.approx(
        theory.phase_steps(H[1], 7, **RULE)
    )
    assert one[..., 1, 1] == pytest.approx(0.8)
    assert one[..., 0, 1] == pytest.approx(0.08)


def test_the_law_of_steps_at_any_time_is_that_of_many_runs():
    noise = np.array([0.5, 1.0, 2.0])
    keys = jax.random.split(KEY, 20_000)
    x, v = train.sweep(chains(np.ones(3), noise, 42, 6), key=keys)
    at = np.array([6, 12, 36])
    both = jnp.stack([x, v], -1)[:, at // 6]
    late = theory.step_equilibrium(H, noise, **RULE)
    carried = theory.phase_steps(H, at[:, None], **RULE)
    start = np.array([1.0, 0.0])
    mean, covariance = theory.law_at(start, np.zeros((2, 2)), carried, late)
    claims.mean(mean, both, theorem=LAW)
    away = both - mean[None]
    claims.mean(covariance, away[..., :, None] * away[..., None, :], theorem=LAW)
    zero = jnp.stack([x, v], -1)[:, 5]  # nearly stationary by then
    assert theory.rotation(np.eye(2) + 0 * late, late) == pytest.approx(0)
    one = theory.phase_steps(H, 6, **RULE)
    spread = theory.law_at(start, np.zeros((2, 2)), theory.phase_steps(H, 30, **RULE),
                           late)  # fmt: skip
    second = spread[1] + spread[0][..., None] * spread[0][..., None, :]
    then = both[:, 2]
    turn = zero[..., 0] * then[..., 1] - zero[..., 1] * then[..., 0]
    claims.mean(theory.rotation(one, second), turn, theorem=LAW)


def test_displacement_of_stationary_chains():
    noise = np.array([0.5, 1.0, 2.0])
    keys = jax.random.split(KEY, 20_000)
    x, _ = train.sweep(chains(np.zeros(3), noise, 480, 40), key=keys)
    at = np.array([40, 80])
    moved = ((x[:, 9:11] - x[:, 8:9]) ** 2).sum(-1)
    late = theory.step_equilibrium(H, noise, **RULE)
    predicted = theory.displacement(theory.phase_steps(H, at[:, None], **RULE), late)
    claims.mean(predicted, moved, theorem=LAW)


def test_the_equilibrium_is_that_of_a_diffusion_and_of_a_lyapunov_equation():
    noise = 1.5
    mu, omega = oscillator_constants(1.2, 0.1, 0.8)
    drift = np.array([[0.0, -1.0], [omega**2, 2 * mu]])
    source = np.diag([0.0, 4 * noise / (0.1 * 1.8**2)])
    exact = theory.equilibrium(1.0, noise, **RULE)
    route = linalg.solve_continuous_lyapunov(drift, source)
    assert exact == pytest.approx(route, rel=1e-9, abs=1e-12)

    def path(key):
        return flow.diffuse(
            lambda x: -jnp.asarray(drift) @ x,
            lambda x: jnp.asarray(np.sqrt(source)), jnp.zeros(2),
            jnp.array([0.0, 4.0]), dt=0.004, key=key,
        ).state  # fmt: skip

    end = train.sweep(path, key=jax.random.split(KEY, 4000))
    carried = theory.phase_flow(1.0, 4.0, **RULE)
    _, late = theory.law_at(np.zeros(2), np.zeros((2, 2)), carried, exact)
    claims.mean(late, end[:, :, None] * end[:, None, :], theorem=LAW)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.95])
def test_the_equilibrium_of_steps_solves_its_lyapunov_equation(beta):
    step = theory.phase_steps(2.0, 1, eta=0.3, beta=beta, decay=0.1)
    kick = np.array([0.3, 1.0])
    route = linalg.solve_discrete_lyapunov(step, 0.7 * np.outer(kick, kick))
    exact = theory.step_equilibrium(2.0, 0.7, eta=0.3, beta=beta, decay=0.1)
    assert exact == pytest.approx(route, rel=1e-10)


def test_the_two_equilibria_part_at_first_order_in_the_step():
    """The response of training to one kick, squared and summed, is a covariance."""
    etas = 0.2 / 4.0 ** jnp.arange(4)

    def response(eta):
        sgd = optax.sgd(eta, momentum=1 - 0.5 * jnp.sqrt(eta))
        return train.descend(  # without noise: θ from η kicks is the kick of size 1
            lambda x, key: 0.5 * x**2, eta, sgd,
            steps=1600, every=1, observe=lambda x, s: x, key=KEY,
        ).records  # fmt: skip

    free = train.sweep(response, eta=etas)
    gaps = []
    for eta, path in zip(np.asarray(etas).tolist(), free, strict=True):
        at = {"eta": eta, "beta": 1 - 0.5 * eta**0.5}
        power = theory.phase_steps(1.0, np.arange(50), **at)
        kicked = power @ np.array([eta, 1.0])
        start = power[:, 0, 0] * eta
        claims.equal(start, path[:50], atol=1e-12, because="rounding", theorem=LAW)
        extra = kicked[:, 0] - start  # what the kick's velocity adds
        first = np.cumsum(at["beta"] ** np.arange(50)) * eta * at["beta"]
        assert extra[1] == pytest.approx(first[0])
        exact = theory.step_equilibrium(1.0, 1.0, **at)[0, 0]
        gaps.append(exact / theory.equilibrium(1.0, 1.0, **at)[0, 0] - 1)
    claims.order(etas, np.array(gaps), order=1, atol=0.05, because="next", theorem=LAW)


def test_the_modified_loss_belongs_to_the_equilibrium():
    basis = np.linalg.qr(np.arange(9.0).reshape(3, 3) + np.eye(3))[0]
    hessian = (basis * H) @ basis.T
    sigma, size, at = 0.7, 16, {"eta": 0.1, "beta": 0.8}
    here = np.concatenate([np.eye(3), np.zeros((3, 3))])
    both = np.concatenate([here, np.roll(here, 3, 0)], 1)
    for decay in (0.0, 0.4):
        full = theory.equilibrium(H, sigma**2 * H / size, decay=decay, **at)

        def energy(z, decay=decay):
            return theory.modified_loss(
                z[..., :3], z[..., 3:], hessian, sigma=sigma, decay=decay, **at
            )

        form = np.array([[energy(a + b) - energy(a) - energy(b) for a in both]
                         for b in both])  # fmt: skip
        inverse = np.linalg.inv(size * (1 - 0.8**2) * form)
        position = basis @ np.diag(full[:, 0, 0]) @ basis.T
        velocity = basis @ np.diag(full[:, 1, 1]) @ basis.T
        expected = linalg.block_diag(position, velocity)
        assert inverse == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_density_and_current():
    late = theory.equilibrium(1.0, 2.0, **RULE)
    theta, v = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-2, 2, 5))
    route = stats.multivariate_normal(cov=late).pdf(np.stack([theta, v], -1))
    assert theory.density(theta, v, late) == pytest.approx(route)
    tilted = theory.step_equilibrium(1.0, 2.0, **RULE)
    route = stats.multivariate_normal(cov=tilted).pdf(np.stack([theta, v], -1))
    assert theory.density(theta, v, tilted) == pytest.approx(route)

    def field(theta, v):
        return theory.current(theta, v, 1.0, 2.0, **RULE)

    mu, omega = oscillator_constants(1.2, 0.1, 0.8)
    step = 1e-5
    slope = (
        theory.density(theta, v + step, late) - theory.density(theta, v - step, late)
    ) / (2 * step)
    p, push = theory.density(theta, v, late), 2 * mu * late[1, 1]
    drift = np.stack([v, -(omega**2) * theta - 2 * mu * v], -1) * p[..., None]
    drift[..., 1] -= push * slope
    assert field(theta, v) == pytest.approx(drift, abs=1e-7)
    spread = (field(theta + step, v) - field(theta - step, v))[..., 0]
    spread = spread + (field(theta, v + step) - field(theta, v - step))[..., 1]
    assert spread / (2 * step) == pytest.approx(0, abs=1e-7)


def test_the_local_slope_is_the_derivative():
    noise, t = np.ones(3), np.array([1e-3, 0.5, 3.0, 30.0])
    late = theory.equilibrium(H, noise, **RULE)

    def logarithm(t):
        flowed = theory.phase_flow(H, t[:, None], **RULE)
        return np.log(theory.displacement(flowed, late))

    step = 1e-4
    route = (logarithm(t * np.exp(step)) - logarithm(t * np.exp(-step))) / (2 * step)
    slope = theory.local_slope(H, noise, t, **RULE)
    assert slope == pytest.approx(route, abs=1e-6)
    assert slope[0] == pytest.approx(2, abs=0.01)
    assert slope[-1] < 0.1


@pytest.mark.parametrize(("power", "tilt"), [(2.0, 1.0), (1.5, 1.0), (2.0, 0.9)])
def test_a_power_law_of_curvatures_gives_a_power_law_of_displacement(power, tilt):
    h = 2.0 * np.arange(1, 200_001) ** -power
    t = np.array([20.0, 100.0])
    at = {"eta": 1e-4, "beta": 0.5}  # overdamped
    noise = 3.0 * h**tilt
    late = theory.equilibrium(h, noise, **at)
    found = theory.displacement(theory.phase_flow(h, t[:, None], **at), late)
    law, c = theory.power_law_displacement(
        t, top=2.0, power=power, variance=float(late[0, 0, 0]), beta=0.5, tilt=tilt
    )
    # cut off: modes beyond the last add t · h at most
    if power == 2.0:
        assert found == pytest.approx(law, rel=5e-3)
    rise = np.log(found[1] / found[0]) / np.log(5)
    assert c == pytest.approx(1 / power + 1 - tilt)
    assert rise == pytest.approx(c, abs=0.06)


def test_limits_are_handled():
    assert theory.phase_flow(0.0, 1e3, **RULE | {"decay": 0.0})[0, 0] == 1
    assert np.all(theory.equilibrium(1.0, 0.0, **RULE) == 0)
    critical = 0.2**2 / (2 * 0.1 * 1.8)
    at = {"eta": 0.1, "beta": 0.8}
    near = theory.phase_flow(critical + 1e-12, 1.0, **at)
    assert near == pytest.approx(theory.phase_flow(critical, 1.0, **at), abs=1e-9)
    assert theory.phase_steps(1.0, 0, **RULE) == pytest.approx(np.eye(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.phase_flow(-1.0, 1.0, **RULE), "h . decay must be at least"),
        (lambda: theory.phase_flow(1.0, -1.0, **RULE), "t must be at least 0"),
        (lambda: theory.phase_steps(1.0, -1, **RULE), "n=-1 must be whole"),
        (lambda: theory.phase_steps(1.0, 1, eta=0.1, beta=1.0), "beta=1.0 must lie"),
        (lambda: theory.equilibrium(0.0, 1.0, eta=0.1, beta=0.5), "must be above 0"),
        (lambda: theory.equilibrium(1.0, -1.0, **RULE), "noise must be at least 0"),
        (lambda: theory.equilibrium(1.0, 1.0, eta=0.0, beta=0.5), "eta=0.0 must be"),
        (lambda: theory.step_equilibrium(40.0, 1.0, **RULE), "must lie in"),
        (lambda: theory.modified_loss(np.ones(1), np.ones(1), np.zeros((1, 1)),
                                      sigma=1.0, eta=0.1, beta=0.5), "eigenvalues of"),
        (lambda: theory.density(0.0, 0.0, np.zeros((2, 2))), "determinant"),
        (lambda: theory.current(0.0, 0.0, 1.0, 0.0, **RULE), "determinant"),
        (lambda: theory.local_slope(H, H, 0.0, **RULE), "t must be above 0"),
        (lambda: theory.power_law_displacement(
            1.0, top=1.0, power=0.5, variance=1.0, beta=0.0), "gives c=2"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
