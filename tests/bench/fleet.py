"""64 worker processes with one limit of 30,000 requests a minute: the real limiter in virtual time.

It starts with a full window, so that the limiter's log is as long as it gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from figures import Figure
from limit_matrix import share
from redis import Redis
from valkey_server import valkey_server
from virtual_limiter import play_case
from virtual_server import Case
from virtual_time import play

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TITLE: Final = "A fleet of 64 processes at 30,000 RPM, round trip 35 ms (simulated)"

CASE: Final = Case(rpm=30_000, processes=64, round_trip_s=0.035, run_s=12, is_warm=True)


def measure(_folder: Path) -> Iterable[Figure]:
    """Run the case once."""
    with valkey_server() as server, Redis.from_url(server.url) as valkey:
        played = play(play_case(valkey, CASE))
    talks, used = played.talks, share(CASE, played)
    a_second = talks.count / CASE.run_s
    yield Figure(
        what="share of the limit used, 429s",
        found=f"{used:.1%}; {played.refused} x 429",
        asked=">= 99 %, no 429",
        met=used >= 0.99 and played.refused == 0,
    )
    yield Figure(
        what="limiter round trips a second",
        found=f"{a_second:,.0f}, {a_second / CASE.processes:.0f} per process",
        beside=f"{len(played.taken) / CASE.run_s:,.0f} requests a second",
    )
    yield Figure(what="entries in the limiter's log at the end", found=f"{talks.entries:,}")
    yield Figure(
        what="Redis CPU per round trip, and share of one core",
        found=f"{talks.cpu_us:.0f} us, {a_second * talks.cpu_us / 1e6:.0%}",
        asked="<= 75 % of a core",
        met=a_second * talks.cpu_us / 1e6 <= 0.75,
    )
