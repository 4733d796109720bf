"""When to ask for an answer: soon while nobody knows the model, then by the latency its answers teach.

A job's next poll is set when it is accepted or was not ready (`next_poll_s`). When it comes due, others may
have taught more: then it waits on unasked (`hold_s`), so that thousands of jobs sent at once let a few find
out. Ages count from the moment the API accepted the job. All is plain floats, so that workers can share it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SCOUTS: Final = 8  # the first jobs of an unknown model
LEARNT_AFTER: Final = 4  # results
LEARN_SHARE_MIN: Final = 0.02  # of one job: about 50 are remembered
PRIOR_LOG_S: Final = math.log(2.0)  # too low costs a few polls, too high costs time
SPREAD: Final = 0.8  # of log latency, as assumed between two polls

_SCOUT_AGES_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
_SCOUT_GROWTH: Final = 1.5
_SCOUT_WAIT_S_MAX: Final = 30.0
_FOLLOWER_AGE_S: Final = 0.5  # of the jobs behind the scouts: fewer polls until something is learnt

_HOLD_GROWTH: Final = 1.5  # a held job looks again when it is half as old again: news may have come
_HELD_ASK: Final = 0.004  # of held jobs ask all the same, each time: eight scouts may be fast by chance
_SURE_AFTER: Final = 24  # results; until then held jobs look again
_UNSURE: Final = 0.8  # of the wait, until then: the prior is in it yet, and late costs more than a poll
_LOST_SCOUTS: Final = 4.0  # x the expected median without a result: nobody else seems to be asking

_TAIL_GROWTH: Final = 1.3
_EVEN_POLLS: Final = 6  # from here on a step is about the same share of the age
WAIT_S_MAX: Final = 300.0
WAIT_S_MIN: Final = 0.05
_JITTER: Final = 0.1
_SCALE: Final = SPREAD * math.sqrt(2)
_MASS_MIN: Final = 1e-290
_NEAR: Final = 0.85  # a poll that jitter brought forward has passed its mark

EXPIRES_AFTER_S: Final = 86_400.0  # xAI keeps a result 24 hours
URGENT_AFTER_S: Final = 72_000.0
GIVE_UP_AFTER_S: Final = 2 * EXPIRES_AFTER_S  # of 202s: whatever the API is at, its clock starts some time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """The steps of a learnt model, in medians: the first poll, the next ones, and from when on they grow."""

    first: float
    step: float
    tail: float = 4.0


_FREE: Final = _Pace(first=0.75, step=0.5)  # about 2.7 polls a result, and 0.3 medians of lag
_CHARGED: Final = _Pace(first=1.5, step=1.2)  # about 1.5, and 0.9: each takes a slot from a job


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What is known of a model's latency: the mean of its logarithm, from `seen` jobs and their `results`."""

    log_s: float = PRIOR_LOG_S
    seen: int = 0
    results: int = 0

    @property
    def median_s(self) -> float | None:
        """The median, in seconds; None while too few results have come in."""
        return math.exp(self.log_s) if self.results >= LEARNT_AFTER else None

    def update(self, after_s: float, by_s: float, *, ready: bool) -> Latency:
        """Learn from one poll at age `by_s` of a job that was not ready at `after_s` (0: not asked before).

        An exponentially weighted mean of log latency, which each poll moves by what it changes in the
        latency to be expected. Polls without a result teach too: the first results to come in are the
        fast ones and the last the slow ones, so results alone would mislead whenever many are out at once.
        """
        asked = math.log(max(by_s, WAIT_S_MIN / 2))
        before = min(math.log(after_s), asked) if after_s > 0 else -math.inf
        expected_before = _expected(self.log_s, before, math.inf)
        expected_now = _expected(self.log_s, *((before, asked) if ready else (asked, math.inf)))
        seen = self.seen + (after_s <= 0)
        share = max(1 / max(seen, 1), LEARN_SHARE_MIN)
        return Latency(
            log_s=self.log_s + share * (expected_now - expected_before),
            seen=seen,
            results=self.results + ready,
        )


def _expected(mean: float, low: float, high: float) -> float:
    """The expected log latency, known to lie between `low` and `high`, if it is normal around `mean`."""
    a, b = (low - mean) / _SCALE, (high - mean) / _SCALE
    # erfc keeps its precision in the tail, so take the tail on the side where the interval lies.
    mass = math.erfc(a) - math.erfc(b) if a > 0 else math.erfc(-b) - math.erfc(-a)
    if mass < _MASS_MIN:
        return min(max(mean, low), high)
    shift = (math.exp(-a * a) - math.exp(-b * b)) / mass
    return min(max(mean + _SCALE * shift / math.sqrt(math.pi), low), high)


def next_poll_s(
    age_s: float, rng_unit: float, *, latency: Latency, scout: bool, charged: bool = False
) -> float:
    """Seconds from now to the next poll of a job accepted `age_s` ago and not ready.

    `scout`: it is one of the first SCOUTS of its model; `rng_unit` is chance, from 0 up to 1; `charged`: a
    poll takes a slot of the request limit, so it had better bring something.
    At least 0.05 s. At most 330 s, but for the first poll, which comes by the median; and never more than
    0.55 of what is left until the result expires.
    """
    age_s = max(age_s, 0.0)
    median_s = latency.median_s
    if median_s is not None:
        wait_s = _learnt_wait_s(age_s, median_s, _pace(charged))
    elif scout:
        wait_s = _scout_wait_s(age_s)
    else:
        wait_s = max(_FOLLOWER_AGE_S, min(age_s, _SCOUT_WAIT_S_MAX))
    return _bounded(wait_s, age_s, rng_unit)


def hold_s(age_s: float, rng_unit: float, *, latency: Latency, scout: bool, charged: bool = False) -> float:
    """Seconds for which a job that came due is to wait on unasked, by what is known now; 0: ask.

    Until a few results are in, scouts ask and all others wait for what they learn, looking again at least
    every half of their age; afterwards nobody asks before the first poll that the median gives.
    """
    age_s = max(age_s, 0.0)
    if age_s >= EXPIRES_AFTER_S or (scout and latency.median_s is None):
        return 0.0
    pace = _pace(charged)
    first_s = math.exp(latency.log_s) * (pace.first if latency.results else _LOST_SCOUTS)
    if 0 < latency.results < _SURE_AFTER:
        first_s *= _UNSURE
    if age_s >= first_s * _NEAR or rng_unit < _HELD_ASK:
        return 0.0
    wait_s = first_s - age_s
    if latency.results < _SURE_AFTER:
        wait_s = min(wait_s, max(_FOLLOWER_AGE_S, (_HOLD_GROWTH - 1) * age_s), WAIT_S_MAX)
    return _bounded(wait_s, age_s, rng_unit)


def last_asked_s(age_s: float, polls: int, *, latency: Latency, charged: bool = False) -> float:
    """The age at which a job was asked before, about; `polls` counts the one now at `age_s`. 0: never.

    It is what the schedule makes likely, so that whoever asks need not be who asked before. The share of the
    age, not the step in seconds: what was learnt since may have changed the median, but not the shares.
    """
    if polls <= 1:
        return 0.0
    if latency.median_s is None:
        return age_s / _SCOUT_GROWTH
    pace = _pace(charged)
    return age_s * (1 - pace.step / (pace.first + (min(polls, _EVEN_POLLS) - 1) * pace.step))


def _pace(charged: bool) -> _Pace:
    return _CHARGED if charged else _FREE


def _bounded(wait_s: float, age_s: float, rng_unit: float) -> float:
    """Leave a second chance before the result expires, and spread what would come at the same moment."""
    left_s = EXPIRES_AFTER_S - age_s
    if left_s > 0:
        wait_s = min(wait_s, left_s / 2)
    return max(WAIT_S_MIN, wait_s * (1 + _JITTER * (2 * rng_unit - 1)))


def _learnt_wait_s(age_s: float, median_s: float, pace: _Pace) -> float:
    first_s, step_s, tail_s = pace.first * median_s, pace.step * median_s, pace.tail * median_s
    if age_s < first_s * _NEAR:
        return first_s - age_s
    if age_s <= tail_s:
        return min(step_s, WAIT_S_MAX)
    # Steps that grow by a factor from `tail_s` on grow in a straight line with age.
    return min(_TAIL_GROWTH * step_s + (_TAIL_GROWTH - 1) * (age_s - tail_s), WAIT_S_MAX)


def _scout_wait_s(age_s: float) -> float:
    for mark_s in _SCOUT_AGES_S:
        if age_s < mark_s * _NEAR:
            return mark_s - age_s
    return min((_SCOUT_GROWTH - 1) * age_s, _SCOUT_WAIT_S_MAX)
