"""Poll schedule: when to ask the API for a job's answer, by the latency learnt for the model.

While a model's latency is unknown, its first few jobs are probes that are polled early and often. A job's
next poll is scheduled when the job is accepted or was not ready (`next_poll_s`). When that poll is due, it
may be postponed by what is known then (`postpone_s`): of thousands of jobs sent at the same time, a few
measure the latency for all. Ages count from the moment the API accepted the job. All state is plain floats,
so that workers can share it through Redis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LEARNT_AFTER: Final = 4  # results
LEARN_SHARE_MIN: Final = 0.02  # weight of one job: about the last 50 count
PRIOR_LOG_S: Final = math.log(2.0)  # too low costs a few polls, too high costs time
SPREAD: Final = 0.8  # assumed standard deviation of log latency

_PROBE_AGES_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
_PROBE_GROWTH: Final = 1.5
_PROBE_POLL_S_MAX: Final = 30.0  # between two polls of a probe
_FIRST_POLL_AGE_S: Final = 0.5  # of jobs that are no probes, until something is learnt

_POSTPONE_GROWTH: Final = 1.5  # a postponed job is checked again at 1.5 times its age: more may be known then
_POSTPONED_POLL_SHARE: Final = 0.004  # share of postponed jobs polled anyway: 8 probes may be fast by chance
_CONFIDENT_RESULTS: Final = 24  # until then postponed jobs are checked again
_CAUTION: Final = 0.8  # factor of the first wait until then: a late poll costs more than an extra one
_PROBES_LOST_AFTER: Final = 4.0  # expected medians without a result: then all jobs are polled

_TAIL_GROWTH: Final = 1.3
_EVEN_POLLS: Final = 6  # from here on a step is about the same share of the age
WAIT_S_MAX: Final = 300.0
WAIT_S_MIN: Final = 0.05
_JITTER: Final = 0.1
_SCALE: Final = SPREAD * math.sqrt(2)
_MASS_MIN: Final = 1e-290
_NEAR: Final = 0.85  # of a scheduled age: from here on its poll counts as made (jitter may advance it)

EXPIRES_AFTER_S: Final = 86_400.0  # xAI keeps a result for 24 hours
URGENT_AFTER_S: Final = 72_000.0
GIVE_UP_AFTER_S: Final = 2 * EXPIRES_AFTER_S  # if the API still answers 202


@dataclass(frozen=True, slots=True, kw_only=True)
class _Schedule:
    """Poll schedule of a model with learnt latency, in medians."""

    first: float  # age at the first poll
    step: float  # between the next ones
    tail: float = 4.0  # age from which on the steps grow


_FREE_POLLS: Final = _Schedule(first=0.75, step=0.5)  # about 2.7 polls a result and a lag of 0.3 medians
_CHARGED_POLLS: Final = _Schedule(first=1.5, step=1.2)  # about 1.5 and 0.9: a poll takes a slot of a job


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Learnt latency of a model, assumed to be lognormal."""

    log_s: float = PRIOR_LOG_S  # mean of log latency
    seen: int = 0  # jobs polled at least once
    results: int = 0  # of these, jobs whose answer was ready

    @property
    def median_s(self) -> float | None:
        """The median in seconds; None below LEARNT_AFTER results."""
        return math.exp(self.log_s) if self.results >= LEARNT_AFTER else None

    def update(self, after_s: float, by_s: float, *, ready: bool) -> Latency:
        """Return the latency after one more poll, at age `by_s`, of a job.

        `after_s` is its age at the poll before (0: none). The mean is exponentially weighted; each poll moves
        it by the change of that job's expected log latency. Polls without a result count too: the first
        results to arrive are the fast ones and the last the slow ones, so results alone would be biased
        while many jobs are in flight.
        """
        log_by = math.log(max(by_s, WAIT_S_MIN / 2))
        log_after = min(math.log(after_s), log_by) if after_s > 0 else -math.inf
        expected_before = _expected(self.log_s, log_after, math.inf)
        expected_now = _expected(self.log_s, *((log_after, log_by) if ready else (log_by, math.inf)))
        seen = self.seen + (after_s <= 0)
        share = max(1 / max(seen, 1), LEARN_SHARE_MIN)
        return Latency(
            log_s=self.log_s + share * (expected_now - expected_before),
            seen=seen,
            results=self.results + ready,
        )


def _expected(mean: float, low: float, high: float) -> float:
    """Return the mean of a normal distribution around `mean` (deviation SPREAD), truncated to low..high."""
    a, b = (low - mean) / _SCALE, (high - mean) / _SCALE
    # erfc is precise in the tail only, so use the tail on the side where the interval lies.
    mass = math.erfc(a) - math.erfc(b) if a > 0 else math.erfc(-b) - math.erfc(-a)
    if mass < _MASS_MIN:
        return min(max(mean, low), high)
    shift = (math.exp(-a * a) - math.exp(-b * b)) / mass
    return min(max(mean + _SCALE * shift / math.sqrt(math.pi), low), high)


def next_poll_s(
    age_s: float, rng_unit: float, *, latency: Latency, is_probe: bool, charged: bool = False
) -> float:
    """Return the seconds from now to the next poll of a job accepted `age_s` ago and not ready.

    `rng_unit` is a random number from [0, 1). `is_probe`: the job is one of the first of its model.
    `charged`: a poll takes a slot of the request limit, so polls are fewer and later.
    At least 0.05 s; at most 330 s, except for the first poll, which is set by the median; never more than
    0.55 of the time left until the result expires.
    """
    age_s = max(age_s, 0.0)
    median_s = latency.median_s
    if median_s is not None:
        wait_s = _learnt_wait_s(age_s, median_s, _schedule(charged))
    elif is_probe:
        wait_s = _probe_wait_s(age_s)
    else:
        wait_s = max(_FIRST_POLL_AGE_S, min(age_s, _PROBE_POLL_S_MAX))
    return _bounded(wait_s, age_s, rng_unit)


def postpone_s(
    age_s: float, rng_unit: float, *, latency: Latency, is_probe: bool, charged: bool = False
) -> float:
    """Return the seconds to postpone a due poll, by the latency learnt since it was scheduled; 0: poll now.

    Until there are a few results, probes are polled and all other jobs are postponed, each time by at most
    half of their age; after that no job is polled before the first poll that the median sets.
    """
    age_s = max(age_s, 0.0)
    if age_s >= EXPIRES_AFTER_S or (is_probe and latency.median_s is None):
        return 0.0
    schedule = _schedule(charged)
    first_s = math.exp(latency.log_s) * (schedule.first if latency.results else _PROBES_LOST_AFTER)
    if 0 < latency.results < _CONFIDENT_RESULTS:
        first_s *= _CAUTION
    if age_s >= first_s * _NEAR or rng_unit < _POSTPONED_POLL_SHARE:
        return 0.0
    wait_s = first_s - age_s
    if latency.results < _CONFIDENT_RESULTS:
        wait_s = min(wait_s, max(_FIRST_POLL_AGE_S, (_POSTPONE_GROWTH - 1) * age_s), WAIT_S_MAX)
    return _bounded(wait_s, age_s, rng_unit)


def last_poll_age_s(age_s: float, polls: int, *, latency: Latency, charged: bool = False) -> float:
    """Return the approximate age in seconds at a job's poll before the one now, at `age_s`; 0: none.

    `polls` counts the poll now. The age is derived from the schedule, because another worker may have made
    that poll. It is a share of `age_s` and not a step in seconds: the median may have changed since, but the
    shares have not.
    """
    if polls <= 1:
        return 0.0
    if latency.median_s is None:
        return age_s / _PROBE_GROWTH
    schedule = _schedule(charged)
    return age_s * (1 - schedule.step / (schedule.first + (min(polls, _EVEN_POLLS) - 1) * schedule.step))


def _schedule(charged: bool) -> _Schedule:
    return _CHARGED_POLLS if charged else _FREE_POLLS


def _bounded(wait_s: float, age_s: float, rng_unit: float) -> float:
    """Return the wait with jitter, at most half of the time left until the result expires."""
    left_s = EXPIRES_AFTER_S - age_s
    if left_s > 0:
        wait_s = min(wait_s, left_s / 2)
    return max(WAIT_S_MIN, wait_s * (1 + _JITTER * (2 * rng_unit - 1)))


def _learnt_wait_s(age_s: float, median_s: float, schedule: _Schedule) -> float:
    first_s, step_s, tail_s = schedule.first * median_s, schedule.step * median_s, schedule.tail * median_s
    if age_s < first_s * _NEAR:
        return first_s - age_s
    if age_s <= tail_s:
        return min(step_s, WAIT_S_MAX)
    # Steps that grow by a constant factor from `tail_s` on are linear in the age.
    return min(_TAIL_GROWTH * step_s + (_TAIL_GROWTH - 1) * (age_s - tail_s), WAIT_S_MAX)


def _probe_wait_s(age_s: float) -> float:
    for target_s in _PROBE_AGES_S:
        if age_s < target_s * _NEAR:
            return target_s - age_s
    return min((_PROBE_GROWTH - 1) * age_s, _PROBE_POLL_S_MAX)
