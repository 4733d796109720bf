"""The used share of the limits and the refusals of a strict server: the real limiter in virtual time.

Each case starts with an empty window and counts after the first minute; at 30,000 RPM it starts with a full
window instead. Round trips vary by a quarter; one in two hundred takes 0.1 to 0.4 s more, each way.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import run_matrix
from figures import Figure
from redis import Redis
from valkey_server import valkey_server
from virtual_limiter import Played, play_case
from virtual_server import RPM_PER_RPS, RPS_MIN, WINDOW_S, Case
from virtual_time import play

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TITLE: Final = "Share of the limit used, by 1, 2, 4 and 8 processes, under a strict server (simulated)"

PROCESSES: Final = (1, 2, 4, 8)
ROUND_TRIPS_S: Final = (0.005, 0.035, 0.15)
TPM: Final = 200_000
STARTED_S: Final = 2.0  # of a warm case, until all clients send


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One limit, and the least share of it that each case must use."""

    name: str
    least: float
    case: Case


def _case(run_s: float, *, rpm: int = 0, tpm: int = 0, uses: float = 1.0, is_warm: bool = False) -> Case:
    return Case(
        rpm=rpm, tpm=tpm, uses=uses, is_warm=is_warm, run_s=run_s, processes=1, round_trip_s=ROUND_TRIPS_S[0]
    )


ROWS: Final = (
    Row(name="120 RPM, 2 RPS", least=0.96, case=_case(240, rpm=120)),
    Row(name="480 RPM", least=0.99, case=_case(120, rpm=480)),
    Row(name="1,800 RPM", least=0.99, case=_case(120, rpm=1_800)),
    Row(name="30,000 RPM", least=0.99, case=_case(STARTED_S + 8, rpm=30_000, is_warm=True)),
    Row(name="200,000 TPM, uses 0.5 x", least=0.95, case=_case(240, tpm=TPM, uses=0.5)),
    Row(name="200,000 TPM, uses 1 x", least=0.95, case=_case(240, tpm=TPM)),
    Row(name="200,000 TPM, uses 2 x", least=0.95, case=_case(240, tpm=TPM, uses=2.0)),
)
SHORT: Final = ((100, 1_800), (30, 120), (100, 480))  # jobs of a file, RPM
EVENLY: Final = 1.1  # x the time at the second's even pace


def measure(_folder: Path) -> Iterable[Figure]:
    """Run all cases, two at a time."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        figures = pool.map(_row, [(row, round_trip_s) for row in ROWS for round_trip_s in ROUND_TRIPS_S])
        short = pool.map(_short, SHORT)
        pairs = pool.map(run_matrix.measure_pair, run_matrix.ROUND_TRIPS_S)
        shared = pool.map(run_matrix.measure_shared, run_matrix.SHARED)
        yield from figures
        yield from short
        yield from pairs
        yield from shared


def _row(cells: tuple[Row, float]) -> Figure:
    row, round_trip_s = cells
    with valkey_server() as server, Redis.from_url(server.url) as valkey:
        cases = [replace(row.case, processes=many, round_trip_s=round_trip_s) for many in PROCESSES]
        found = [(case, play(play_case(valkey, case))) for case in cases]
    shares = [share(case, played) for case, played in found]
    refused = sum(played.refused for _, played in found)
    least = _reachable(row, round_trip_s)
    return Figure(
        what=f"{row.name}, round trip {round_trip_s * 1000:.0f} ms",
        found=", ".join(f"{one:.1%}" for one in shares) + f"; {refused} x 429",
        asked=f">= {least:.1%}, no 429",
        met=min(shares) >= least and refused == 0,
    )


def _reachable(row: Row, round_trip_s: float) -> float:
    """Return the least share; less where RPS binds and replies are slow: a slot counts from its reply."""
    binds = row.case.rpm and row.case.rps * 60 <= row.case.rpm
    return min(row.least, 0.98 / (1 + round_trip_s)) if binds and round_trip_s > 0.1 else row.least


def share(case: Case, played: Played) -> float:
    """Return the share of the limit that was used after the first minute."""
    start_s = STARTED_S if case.is_warm else WINDOW_S
    steady = [(at, tokens) for at, tokens, _ in played.taken if start_s < at <= case.run_s]
    amount = sum(tokens for _, tokens in steady) if case.tpm else len(steady)
    return amount / ((case.run_s - start_s) / WINDOW_S * (case.tpm or case.rpm))


def _short(made: tuple[int, int]) -> Figure:
    """Measure a file that ends before a minute's limit is used up."""
    jobs, rpm = made
    rps = max(RPS_MIN, rpm // RPM_PER_RPS)
    with valkey_server() as server, Redis.from_url(server.url) as valkey:
        played = play(
            play_case(valkey, Case(rpm=rpm, jobs=jobs, processes=1, round_trip_s=0.035, run_s=WINDOW_S))
        )
    took_s = played.taken[-1][0] - played.taken[0][0]
    burst_s, evenly_s, by_the_minute_s = (jobs - 1) // rps, (jobs - 1) / rps, (jobs - 1) * WINDOW_S / rpm
    return Figure(
        what=f"{jobs} jobs at {rpm:,} RPM, {rps} RPS, round trip 35 ms: from the first send to the last",
        found=f"{took_s:.2f} s; {played.refused} x 429",
        beside=f"{burst_s} s in bursts, {evenly_s:.2f} s evenly, {by_the_minute_s:.2f} s by the minute",
        asked=f"<= {EVENLY * evenly_s:.2f} s, no 429",
        met=took_s <= EVENLY * evenly_s and played.refused == 0 and len(played.taken) == jobs,
    )
