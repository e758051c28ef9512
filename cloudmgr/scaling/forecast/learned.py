"""A learned forecast of quantiles: gradient-boosted trees of LightGBM, an extra of ours.

It answers two quantiles of what is coming, the middle and the 95th of a hundred. The distance
between them tells how sure it is; how many times that distance is kept in hand is for who plans.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cloudmgr.scaling.forecast.features import renewals

if TYPE_CHECKING:
    from cloudmgr.scaling.forecast.demand import Floats
    from cloudmgr.scaling.forecast.features import Outlook

MIDDLE, HIGH = 0.5, 0.95
# Less than this is no history to learn from.
LEAST_STEPS = 200
# The surest forecast is unsure by this share.
_LEAST_SPREAD = 0.02
_ROUNDS = 60
_BINS = 63
_TREES = {
    "objective": "quantile",
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "learning_rate": 0.1,
    "lambda_l2": 1.0,
    "feature_fraction": 0.7,
    "max_bin": _BINS,
    # Its threads wait for each other: on a busy machine more of them are slower.
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True, eq=False)
class Quantiles:
    """Of the highest demand within the start-up time, as rises above the level; see ``Outlook``.

    NaN where nothing was learned yet.
    """

    middle: Floats
    high: Floats

    @property
    def spread(self) -> Floats:
        return np.maximum(self.high - self.middle, _LEAST_SPREAD)


@cache
def library() -> Any:
    """LightGBM; None if it, or the system's library that it wants, is not there."""
    try:
        import lightgbm  # noqa: PLC0415 - an extra: what plans without it starts without it
    except (ImportError, OSError):
        return None
    return lightgbm


def learn(seen: Outlook, first: int) -> Quantiles | None:
    """At each step from ``first`` on, what one who had learned from the past alone would tell.

    :returns: None if LightGBM is not there, or if less than :data:`LEAST_STEPS` are known by
        ``first``.
    """
    trees = library()
    if trees is None or first - seen.startup < LEAST_STEPS:
        return None
    middle, high = np.full(len(seen), np.nan), np.full(len(seen), np.nan)
    moments = renewals(first, len(seen), seen.day, seen.windows)
    oldest = _oldest(seen, first)
    for begin, end in zip(moments, [*moments[1:], len(seen)], strict=True):
        data = _data(trees, seen, slice(oldest, begin - seen.startup))
        part = slice(begin, end)
        middle[part] = _trained(trees, data, MIDDLE).predict(seen.seen[part])
        high[part] = _trained(trees, data, HIGH).predict(seen.seen[part])
    return Quantiles(middle, high)


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned, as text that LightGBM reads again: of the middle, and of the high."""

    middle: str
    high: str

    def told(self, seen: Outlook, at: int) -> Quantiles | None:
        """At step ``at``; NaN elsewhere.

        None if LightGBM is not there any more, or if this was learned without a calendar, or with
        one, and it is the other way now.
        """
        trees = library()
        if trees is None:
            return None
        found = []
        for text in (self.middle, self.high):
            model = trees.Booster(model_str=text)
            if model.num_feature() != seen.seen.shape[1]:
                return None
            told = np.full(len(seen), np.nan)
            told[at] = model.predict(seen.seen[at : at + 1], num_threads=1)[0]
            found.append(told)
        return Quantiles(*found)


def learned(seen: Outlook) -> Learned | None:
    """From all of the past, for what comes after it; None as :func:`learn`."""
    trees = library()
    if trees is None or len(seen) - seen.startup < LEAST_STEPS:
        return None
    data = _data(trees, seen, slice(_oldest(seen, len(seen)), len(seen) - seen.startup))
    middle, high = (_trained(trees, data, share).model_to_string() for share in (MIDDLE, HIGH))
    return Learned(middle, high)


def _oldest(seen: Outlook, first: int) -> int:
    """The oldest steps look back into nothing."""
    return min(seen.day + 12, first // 4)


def _data(trees: Any, seen: Outlook, past: slice) -> Any:
    """:param past: without the last steps, of which it is not known yet how high it went."""
    return trees.Dataset(
        seen.seen[past],
        seen.rise[past],
        # Ten percent of much is more than ten percent of little.
        weight=seen.level[past] + seen.least,
        params={"max_bin": _BINS, "verbosity": -1},
    )


def _trained(trees: Any, data: Any, share: float) -> Any:
    return trees.train({**_TREES, "alpha": share}, data, _ROUNDS)
