r"""Say what was predicted, what was measured, and how far the two are apart.

Every function compares a prediction with a measurement, shows one line, and
raises `ClaimError` if the two part, so that a page whose claim fails is not
built. *Predicted* comes from `learndyn.theory` (numpy), *measured* from
`learndyn.simulation` (jax): a claim whose measured side is not made of jax
arrays compares two formulas, is marked "two routes", and does not count as the
claim of its theorem.

>>> import numpy as np
>>> claim = equal(
...     2.0, np.array(2.001), rtol=1e-2, because="rounded", theorem="page-law"
... )
>>> print(claim)  # doctest: +NORMALIZE_WHITESPACE
✓ page-law — predicted 2, measured 2.001, error 0.0005
(tolerance 0.01: rounded; two routes)
"""

import html
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from IPython import get_ipython
from IPython.display import display

from learndyn import agreement

MIME = "application/vnd.learndyn.claim+json"

_WAYS = ("equal", "order", "mean", "bound", "limit")

# Last positive claim of each (theorem, way): what `differ` is measured against.
_POSITIVE: dict[tuple[str, str], dict[str, Any]] = {}


class ClaimError(AssertionError):
    """A claim that does not hold."""


@dataclass(frozen=True)
class Claim:
    """One claim as the ledger keeps it; `ratio` is error over tolerance.

    `loose` marks a tolerance more than 30 times the error.
    """

    way: str
    theorem: str
    predicted: str
    measured: str
    error: float
    tolerance: float
    because: str
    holds: bool
    two_routes: bool

    @property
    def ratio(self) -> float:
        """Error over tolerance: at most 1 where an ordinary claim holds."""
        return self.error / self.tolerance

    @property
    def loose(self) -> bool:
        """Whether the tolerance is more than 30 times the error."""
        return self.way not in ("differ", "bound") and 30 * self.error < self.tolerance

    def _sentence(self) -> str:
        routes = "; two routes" if self.two_routes else ""
        return (
            f"predicted {self.predicted}, measured {self.measured}, "
            f"error {self.error:.2g} (tolerance {self.tolerance:.2g}: "
            f"{self.because}{routes})"
        )

    def _sign(self) -> str:
        return "✗" if not self.holds else "≠" if self.way == "differ" else "✓"

    def __str__(self) -> str:
        return f"{self._sign()} {self.theorem} — {self._sentence()}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        kind = "claim-differ" if self.way == "differ" else "claim-ok"
        data = asdict(self) | {"ratio": self.ratio, "loose": self.loose}
        if not np.isfinite(self.error):  # JSON knows no infinity
            data |= {"error": None, "ratio": None}
        label = html.escape(self.theorem, quote=True)
        return {
            "text/plain": str(self),
            "text/html": f'<div class="claim {kind}">{self._sign()} '
            f'<a class="claim-theorem" href="#{label}">{label}</a> — '
            f"{html.escape(self._sentence())}</div>",
            MIME: data,
        }

    def _ipython_display_(self) -> None:
        """Nothing: the line was shown when the claim was made."""


def equal(
    predicted, measured, *, rtol=None, atol=None, because: str, theorem: str
) -> Claim:
    """Claim that a closed form equals a measurement, component by component.

    Args:
        predicted: array-like, broadcast against `measured`.
        measured: array-like of the run.
        rtol: largest |measured - predicted| allowed, over the largest |predicted|.
        atol: the same without the division; give one of the two.
        because: where the tolerance comes from.
        theorem: label of the theorem box.

    Raises:
        ClaimError: the error exceeds the tolerance, or a number is not finite.
        ValueError: both or no tolerance, tolerance <= 0, empty or misshaped input.
    """
    return _judge(
        "equal",
        agreement.equal(predicted, measured, rtol=rtol, atol=atol),
        because,
        theorem,
    )


def limit(predicted, measured, *, atol, because: str, theorem: str) -> Claim:
    """Claim a value reached in a limit (t → ∞, λ → 0, depth 1); see `equal`."""
    return _judge(
        "limit", agreement.limit(predicted, measured, atol=atol), because, theorem
    )


def order(sizes, errors, *, order, atol, because: str, theorem: str) -> Claim:
    """Claim the order at which errors fall: the slope of log error on log size.

    Args:
        sizes: at least three distinct positive numbers, shape [sizes].
        errors: one positive error for each size, shape [sizes].
        order: predicted slope.
        atol: largest |slope - order|.
        because: where the tolerance comes from.
        theorem: label of the theorem box.

    Raises:
        ClaimError: slope off by more than `atol`, or an error not positive.
        ValueError: fewer than three sizes, sizes not positive, shapes differ.
    """
    return _judge(
        "order",
        agreement.order(sizes, errors, order=order, atol=atol),
        because,
        theorem,
    )


def mean(predicted, samples, *, k: float = 4, theorem: str) -> Claim:
    """Claim the mean over seeds: within `k` standard errors.

    With fewer than ten seeds `k` becomes the quantile of Student's t that leaves
    out the same probability.

    Args:
        predicted: array-like of the shape of one sample (or broadcast to it).
        samples: shape [seeds, ...], at least three seeds.
        k: number of standard errors allowed.
        theorem: label of the theorem box.

    Raises:
        ClaimError: a component is off by more, or not finite.
        ValueError: fewer than three seeds, k <= 0, shapes that do not broadcast.
    """
    return _judge("mean", agreement.mean(predicted, samples, k=k), "", theorem)


def bound(lower, measured, upper=None, *, theorem: str) -> Claim:
    """Claim lower <= measured <= upper; either bound may be None, not both.

    The tolerance is rounding (64 units in the last place of the largest number);
    the line shows the slack.

    Raises:
        ClaimError: a bound is violated, or a number is not finite.
        ValueError: both bounds None, empty or misshaped input.
    """
    return _judge("bound", agreement.bound(lower, measured, upper), "", theorem)


def differ(way: str, *arguments, by: float = 5, theorem: str, **options) -> Claim:
    """Negative control: outside the hypotheses the claim must fail, and clearly.

    Runs `way` ("equal", "order", "mean", "bound" or "limit") on `arguments`, with
    the options of the last positive claim of the same theorem made in that way
    (`options` replace them one by one), and raises unless the error is at least
    `by` times the tolerance. A measurement that is not finite counts as differing.

    Raises:
        ClaimError: the claim (nearly) holds where it should not.
        ValueError: unknown `way`, `by` <= 1, or no positive claim of `theorem`.
    """
    if way not in _WAYS:
        raise ValueError(f"way={way!r} must be one of {', '.join(_WAYS)}")
    if not by > 1:
        raise ValueError(f"by={by} must exceed 1")
    if not any(theorem == claimed for claimed, _ in _POSITIVE):
        raise ValueError(f"theorem={theorem!r} has no positive claim to contradict yet")
    inherited = _POSITIVE.get((theorem, way), {})
    if way == "equal" and options.keys() & {"rtol", "atol"}:
        inherited = {}
    settings = inherited | options
    if way in ("limit", "order") and "atol" not in settings:
        raise ValueError(f"{theorem} was not claimed by {way}: give its tolerance")
    found = getattr(agreement, way)(*arguments, **settings)
    error = np.inf if np.isnan(found.error) else found.error
    return _show(
        "differ",
        theorem,
        found._replace(error=float(error)),
        f"outside the hypotheses it must differ by at least {by:g} times this",
        holds=bool(error >= by * found.tolerance),
    )


def _judge(way: str, found: agreement.Agreement, because: str, theorem: str) -> Claim:
    if not theorem or not (because or found.reason):
        raise ValueError("theorem and because must not be empty")
    holds = bool(found.error <= found.tolerance)  # False for NaN
    claim = _show(way, theorem, found, because or found.reason, holds)
    if not found.two_routes:
        _POSITIVE[theorem, way] = found.options
    return claim


def _show(
    way: str, theorem: str, found: agreement.Agreement, because: str, holds: bool
) -> Claim:
    claim = Claim(
        way,
        theorem,
        found.predicted,
        found.measured,
        found.error,
        found.tolerance,
        because,
        holds,
        found.two_routes,
    )
    if not holds:
        raise ClaimError(str(claim))
    if get_ipython() is not None:
        display(claim._repr_mimebundle_(), raw=True)
    return claim
