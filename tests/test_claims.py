"""The ways to agree: each holds where it should, and raises where it should not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from learndyn import claims

WHY = {"because": "a reason", "theorem": "page-law"}


def test_equal_measures_the_error_against_the_largest_prediction():
    claim = claims.equal([1.0, -4.0], jnp.array([1.2, -4.1]), rtol=0.06, **WHY)
    assert claim.error == pytest.approx(0.2 / 4)
    assert claim.predicted == "1"  # the worst component is shown
    with pytest.raises(claims.ClaimError, match=r"page-law.*error 0\.05"):
        claims.equal([1.0, -4.0], jnp.array([1.2, -4.1]), rtol=0.04, **WHY)


def test_equal_with_atol_does_not_divide():
    assert claims.equal(10, jnp.array(10.5), atol=1, **WHY).error == pytest.approx(0.5)
    with pytest.raises(claims.ClaimError):
        claims.equal(10, jnp.array(11.5), atol=1, **WHY)


def test_limit_is_an_absolute_comparison():
    assert claims.limit(0.0, jnp.array(1e-3), atol=1e-2, **WHY).ratio == pytest.approx(
        0.1
    )
    with pytest.raises(claims.ClaimError):
        claims.limit(0.0, jnp.array(1e-1), atol=1e-2, **WHY)


@pytest.mark.parametrize("true_order", [1, 2, -0.5])
def test_order_fits_the_slope_in_log_log(true_order):
    sizes = np.array([0.1, 0.05, 0.025])
    errors = jnp.asarray(3 * sizes**true_order)
    claim = claims.order(sizes, errors, order=true_order, atol=1e-9, **WHY)
    assert claim.measured == f"slope {true_order:g}"
    with pytest.raises(claims.ClaimError):
        claims.order(sizes, errors, order=true_order + 0.5, atol=0.4, **WHY)


def test_order_refuses_errors_that_vanish_or_are_not_finite():
    for bad in (0.0, jnp.nan, jnp.inf, -1.0):
        with pytest.raises(claims.ClaimError):
            claims.order([1, 2, 3], jnp.array([1, bad, 3]), order=1, atol=9, **WHY)


def test_mean_counts_standard_errors():
    samples = jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, (400, 5)))
    error = 3.0 / np.sqrt(400)
    claim = claims.mean(2.0, samples, theorem="page-law")
    assert claim.tolerance == 4
    expected = np.abs(np.mean(samples, 0) - 2) / stats.sem(samples)
    assert claim.error == pytest.approx(expected.max())
    with pytest.raises(claims.ClaimError):
        claims.mean(2.0 + 9 * error, samples, theorem="page-law")


def test_mean_of_few_seeds_uses_the_quantile_of_student():
    claim = claims.mean(0.0, jnp.array([-1.0, 0.5, 0.7]), theorem="page-law")
    assert 2 * stats.t.sf(claim.tolerance, 2) == pytest.approx(2 * stats.norm.sf(4))


def test_mean_of_equal_samples_allows_no_deviation():
    assert claims.mean(1.0, jnp.ones(3), theorem="page-law").error == 0
    with pytest.raises(claims.ClaimError):
        claims.mean(1.1, jnp.ones(3), theorem="page-law")


def test_bound_shows_its_slack_and_allows_rounding_only():
    claim = claims.bound(0, jnp.array([0.5, 2.0]), 3.0, theorem="page-law")
    assert "slack 0.5" in claim.because
    claims.bound(1.0, jnp.array(1.0) - 1e-16, theorem="page-law")
    claims.bound(None, jnp.array(1.0), 2.0, theorem="page-law")
    for measured in (-1e-9, 3.1):
        with pytest.raises(claims.ClaimError):
            claims.bound(0, jnp.array([measured]), 3.0, theorem="page-law")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_agrees(bad):
    measured = jnp.array([1.0, bad])
    calls = (
        lambda: claims.equal([1.0, 1.0], measured, atol=1, **WHY),
        lambda: claims.equal([1.0, 1.0], measured, rtol=1, **WHY),
        lambda: claims.limit([1.0, 1.0], measured, atol=1, **WHY),
        lambda: claims.bound(-5, measured, theorem="page-law"),
        lambda: claims.bound(None, measured, 5, theorem="page-law"),
        lambda: claims.mean(1.0, jnp.array([1.0, 1.1, bad]), theorem="page-law"),
        lambda: claims.equal(bad, jnp.array(1.0), atol=1, **WHY),
    )
    for call in calls:
        with pytest.raises(claims.ClaimError):
            call()


def test_bad_arguments_name_what_is_wrong():
    good = jnp.array([1.0, 2.0])
    cases = {
        "rtol and atol": lambda: claims.equal(1, good, **WHY),
        "exactly one": lambda: claims.equal(1, good, rtol=1, atol=1, **WHY),
        "rtol=0": lambda: claims.equal(1, good, rtol=0, **WHY),
        "atol=-1": lambda: claims.limit(1, good, atol=-1, **WHY),
        "atol=nan": lambda: claims.limit(1, good, atol=np.nan, **WHY),
        "other than 0": lambda: claims.equal(0, good, rtol=0.1, **WHY),
        "empty": lambda: claims.equal(1, jnp.array([]), atol=1, **WHY),
        "shape": lambda: claims.equal([1, 2, 3], good, atol=1, **WHY),
        "3 distinct": lambda: claims.order([1, 2], good, order=1, atol=1, **WHY),
        "3 seeds": lambda: claims.mean(1, good, theorem="page-law"),
        "k=0": lambda: claims.mean(1, jnp.ones(3), k=0, theorem="page-law"),
        "lower, upper": lambda: claims.bound(None, good, theorem="page-law"),
        "not be empty": lambda: claims.equal(
            1, good, atol=1, because="", theorem="page-law"
        ),
        "must be one of": lambda: claims.differ("same", 1, good, theorem="page-law"),
        "must exceed 1": lambda: claims.differ(
            "equal", 1, good, by=1, theorem="page-law"
        ),
        "no positive claim": lambda: claims.differ(
            "equal", 1, good, theorem="page-unclaimed"
        ),
    }
    for message, call in cases.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_differ_needs_five_times_the_tolerance_of_the_positive_claim():
    theorem = "page-contrast"
    claims.equal(1.0, jnp.array(1.0), rtol=0.01, because="r", theorem=theorem)
    claim = claims.differ("equal", 1.0, jnp.array(1.06), theorem=theorem)
    assert claim.way == "differ"
    assert claim.tolerance == 0.01
    with pytest.raises(claims.ClaimError):
        claims.differ("equal", 1.0, jnp.array(1.04), theorem=theorem)
    claims.differ("equal", 1.0, jnp.array(1.04), by=3, theorem=theorem)
    claims.differ("equal", 1.0, jnp.array(1.04), atol=0.005, theorem=theorem)
    with pytest.raises(ValueError, match="was not claimed by order"):
        claims.differ("order", [1, 2, 3], jnp.ones(3), theorem=theorem)


def test_a_measurement_that_is_not_finite_differs():
    theorem = "page-overflow"
    claims.equal(1.0, jnp.array(1.0), rtol=0.01, because="r", theorem=theorem)
    assert claims.differ("equal", 1.0, jnp.array(jnp.nan), theorem=theorem).holds


def test_two_formulas_do_not_count_as_the_claim_of_a_theorem():
    theorem = "page-routes"
    claim = claims.equal(1.0, np.array(1.0), atol=1, because="r", theorem=theorem)
    assert claim.two_routes
    assert "two routes" in str(claim)
    with pytest.raises(ValueError, match="no positive claim"):
        claims.differ("equal", 1.0, jnp.array(99.0), theorem=theorem)
    assert not claims.equal(
        [1.0, 1.0], [jnp.array(1.0), jnp.array(1.0)], atol=1, because="r", theorem="q-a"
    ).two_routes


def test_the_bundle_carries_text_html_and_the_ledger_entry():
    claim = claims.equal(
        1.0, jnp.array(1.5), atol=1, because="a < b", theorem="page-law"
    )
    bundle = claim._repr_mimebundle_()
    assert bundle["text/plain"].startswith("✓ page-law — predicted 1, measured 1.5")
    assert 'href="#page-law"' in bundle["text/html"]
    assert "a &lt; b" in bundle["text/html"]
    entry = bundle[claims.MIME]
    assert entry["ratio"] == 0.5
    assert not entry["loose"]
    assert entry["way"] == "equal"
    loose = claims.equal(1.0, jnp.array(1.001), atol=1, **WHY)
    assert loose._repr_mimebundle_()[claims.MIME]["loose"]


def test_claims_accept_traced_results_of_a_sweep(key):
    samples = jax.vmap(jax.random.normal)(jax.random.split(key, 30))
    assert claims.mean(0.0, samples, theorem="page-law").because.endswith("30 seeds")
