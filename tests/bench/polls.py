"""Polls for each result, and how long results lie ready: the real rules in virtual time.

Unless a row has it otherwise, a run starts without observations and with two processes. Latencies are
lognormal, sigma 0.8. The worse of two runs counts. The yardstick knows the median from the start.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from figures import Figure
from virtual_polls import JOBS, Case, Job, PollSimulation

from runner.rules.sending.polling import LEARNT_AFTER, Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

TITLE: Final = "Polls per result, and mean lag in medians of the latency (simulated)"

BURST, PACED = 2_000.0, 30.0  # jobs a second: as fast as they can be sent, and 1,800 a minute
MEDIANS_S: Final = (3, 20, 120)
BETWEEN_S: Final = (1, 2, 5, 7, 12, 30, 50, 80, 200, 400)
POLLS_MAX, LAG_MAX = 3.0, 0.35
ASKED: Final = f"<= {POLLS_MAX} polls, lag <= {LAG_MAX}"
CHARGED_MAX: Final = 1.6
SEEDS: Final = (1, 2)
FOLLOWED: Final = 0.35  # greatest relative error of the estimated median after a change
MANY: Final = 1_000  # earlier observations; more change nothing


def measure(_folder: Path) -> Iterable[Figure]:
    """Run all cases."""
    yield from _by_median()
    yield _between()
    yield from _doubled()
    yield from _charged()
    yield from _small()


def _by_median() -> Iterator[Figure]:
    for per_s, how in ((BURST, "sent at once"), (PACED, "1,800 RPM")):
        for median_s in MEDIANS_S:
            known = PollSimulation(
                Case(median_s=_always(median_s), per_s=per_s, known=_known(median_s))
            ).run()
            for processes in (1, 2, 8):
                case = Case(median_s=_always(median_s), per_s=per_s, processes=processes)
                runs = [PollSimulation(replace(case, seed=seed)).run() for seed in SEEDS]
                worst_polls, worst_lag, held = (max(map(one, runs)) for one in (_polls, _lag, _held))
                yield Figure(
                    what=f"median {median_s} s, {how}, {processes} process{'es' if processes > 1 else ''}",
                    found=f"{_summary(worst_polls, worst_lag)}, held {held:.1f} times",
                    beside=_summary(_polls(known), _lag(known)),
                    asked=ASKED,
                    met=worst_polls <= POLLS_MAX and worst_lag <= LAG_MAX,
                )


def _between() -> Figure:
    """Return the worst of medians for which nothing was tuned; no limit is set for them."""
    found = {
        median_s: PollSimulation(Case(median_s=_always(median_s), per_s=BURST)).run()
        for median_s in BETWEEN_S
    }
    polls, lag = max(found, key=lambda m: _polls(found[m])), max(found, key=lambda m: _lag(found[m]))
    return Figure(
        what=f"the worst of medians {', '.join(map(str, BETWEEN_S))} s, sent at once",
        found=f"{_polls(found[polls]):.2f} polls ({polls} s), lag {_lag(found[lag]):.2f} ({lag} s)",
    )


def _doubled() -> Iterator[Figure]:
    """Yield cases whose latency doubles when half of the jobs are sent; only the later half counts."""
    for median_s in MEDIANS_S:
        case = Case(median_s=_doubles(median_s), per_s=PACED, known=_known(median_s))
        simulation = PollSimulation(case)
        later = simulation.run()[JOBS // 2 :]
        estimated = simulation.estimated_s / (2 * median_s)
        yield Figure(
            what=f"median {median_s} s doubles in mid-run, 1,800 RPM: the later half",
            found=f"{_summary(_polls(later), _lag(later))}; estimated {estimated:.2f} x the new median",
            asked=f"estimated within {FOLLOWED:.0%}",
            met=abs(estimated - 1) <= FOLLOWED,
        )


def _charged() -> Iterator[Figure]:
    """Yield cases in which each poll takes a slot of the limit."""
    for per_s, how in ((BURST, "sent at once"), (PACED, "1,800 RPM")):
        for median_s in MEDIANS_S:
            case = Case(median_s=_always(median_s), per_s=per_s)
            free, charged = PollSimulation(case).run(), PollSimulation(replace(case, charged=True)).run()
            yield Figure(
                what=f"median {median_s} s, {how}, polls charged",
                found=_summary(_polls(charged), _lag(charged)),
                beside=_summary(_polls(free), _lag(free)) + " uncharged",
                asked=f"<= {CHARGED_MAX} polls",
                met=_polls(charged) <= CHARGED_MAX,
            )


def _small() -> Iterator[Figure]:
    """Yield small runs with instant answers and no observations: all waiting is runner's own."""
    for count in (10, 100):
        jobs = PollSimulation(
            Case(median_s=_always(0.001), per_s=BURST, jobs=count, processes=1 if count < 500 else 2)
        ).run()
        ends = [job.accepted_at + job.fetched_after for job in jobs]
        yield Figure(
            what=f"{count} jobs, instant answers: until the first and the last answer is fetched",
            found=f"{min(ends):.2f} s, {max(ends):.2f} s; {_polls(jobs):.2f} polls per result",
            asked="<= 0.15 s, <= 0.65 s",
            met=min(ends) <= 0.15 and max(ends) <= 0.65,
        )


def _always(median_s: float) -> Callable[[int], float]:
    return lambda _: median_s


def _doubles(median_s: float) -> Callable[[int], float]:
    return lambda number: median_s * (2 if number >= JOBS // 2 else 1)


def _known(median_s: float) -> Latency:
    return Latency(log_s=math.log(median_s), seen=MANY, results=max(MANY, LEARNT_AFTER))


def _polls(jobs: Sequence[Job]) -> float:
    return statistics.mean(job.polls for job in jobs)


def _held(jobs: Sequence[Job]) -> float:
    return statistics.mean(job.held for job in jobs)


def _lag(jobs: Sequence[Job]) -> float:
    """Return the mean time from ready to fetched, in medians."""
    return statistics.mean((job.fetched_after - job.ready_after) / job.median_s for job in jobs)


def _summary(polls: float, lag: float) -> str:
    return f"{polls:.2f} polls, lag {lag:.2f}"
