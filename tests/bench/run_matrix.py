"""Several runs at one model's limit, in virtual time: their own limits, and equal parts of a shared one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from figures import Figure
from minute_windows import fewest_and_most
from redis import Redis
from valkey_server import valkey_server
from virtual_limiter import play_case
from virtual_server import WINDOW_S, Case, Run
from virtual_time import play

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtual_limiter import Played

PROCESSES: Final = (1, 2, 4, 8)
ROUND_TRIPS_S: Final = (0.005, 0.035, 0.15)
FAST_RPM, SLOW_RPM, MODEL_RPM = 3_000, 60, 3_600
PAIR_S: Final = 200.0
KEEPS: Final = 0.95  # of its rate alone
SLOW_FEWEST: Final = 57
SHARED_S: Final = 360.0  # the first minute does not count
PARTS_APART: Final = 0.05
LONG, SHORT = Run(estimate=4_000), Run(estimate=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Runs that share a limit, of requests or of tokens."""

    name: str
    case: Case


SHARED: Final = (
    Shared(
        name="three runs at 480 RPM",
        case=Case(rpm=480, runs=(Run(),) * 3, processes=1, round_trip_s=0.035, run_s=SHARED_S),
    ),
    Shared(
        name="three runs at 120 RPM, 2 RPS",
        case=Case(rpm=120, runs=(Run(),) * 3, processes=1, round_trip_s=0.035, run_s=SHARED_S),
    ),
    Shared(
        name="prompts of 4,000 and 400 tokens at 480 RPM",
        case=Case(rpm=480, runs=(LONG, SHORT), processes=1, round_trip_s=0.035, run_s=SHARED_S),
    ),
    Shared(
        name="prompts of 4,000 and 400 tokens at 400,000 TPM, by tokens",
        case=Case(tpm=400_000, runs=(LONG, SHORT), processes=1, round_trip_s=0.035, run_s=SHARED_S),
    ),
)


def measure_pair(round_trip_s: float) -> Figure:
    """Measure a fast and a slow run, each with a limit of its own, beside what the fast one sends alone."""
    kept, fewest, most, refused = [], [], [], 0
    for processes in PROCESSES:
        pair = Case(
            rpm=MODEL_RPM,
            runs=(Run(rpm=FAST_RPM), Run(rpm=SLOW_RPM)),
            processes=processes,
            round_trip_s=round_trip_s,
            run_s=PAIR_S,
        )
        alone, both = _play(replace(pair, runs=pair.runs[:1])), _play(pair)
        kept.append(len(_times(both, 0)) / len(_times(alone, 0)))
        slow = fewest_and_most([at for at, _, run in both.taken if run == 1], PAIR_S)
        fewest.append(slow[0])
        most.append(slow[1])
        refused += alone.refused + both.refused
    return Figure(
        what=f"two runs, {FAST_RPM:,} and {SLOW_RPM} RPM, round trip {round_trip_s * 1000:.0f} ms",
        found=f"{', '.join(f'{one:.1%}' for one in kept)}; {refused} x 429",
        beside=f"the slow one {min(fewest)} to {max(most)} in any minute",
        asked=f">= {KEEPS:.0%} of the fast one's rate alone; {SLOW_FEWEST} to {SLOW_RPM}; no 429",
        met=min(kept) >= KEEPS and min(fewest) >= SLOW_FEWEST and max(most) <= SLOW_RPM and not refused,
    )


def measure_shared(shared: Shared) -> Figure:
    """Measure how far from equal the parts of runs are that share a limit, over five minutes."""
    apart, refused = [], 0
    for processes in PROCESSES:
        played = _play(replace(shared.case, processes=processes))
        apart.append(parts_apart(played, by_tokens=bool(shared.case.tpm)))
        refused += played.refused
    return Figure(
        what=f"{shared.name}: how far from equal parts",
        found=f"{', '.join(f'{one:.1%}' for one in apart)}; {refused} x 429",
        asked=f"<= {PARTS_APART:.0%}, no 429",
        met=max(apart) <= PARTS_APART and not refused,
    )


def parts_apart(played: Played, *, by_tokens: bool) -> float:
    """Return how far a run's part is from the mean at most, after the first minute."""
    parts: Counter[int] = Counter()
    for at, tokens, run in played.taken:
        parts[run] += (tokens if by_tokens else 1) if at > WINDOW_S else 0
    mean = parts.total() / len(parts)
    return max(abs(part - mean) for part in parts.values()) / mean


def _times(played: Played, run: int) -> Sequence[float]:
    return [at for at, _, its in played.taken if its == run and at > WINDOW_S]


def _play(case: Case) -> Played:
    with valkey_server() as server, Redis.from_url(server.url) as valkey:
        return play(play_case(valkey, case))
