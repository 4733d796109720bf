"""The cases that are played in virtual time, and a strict server that enforces their limits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.engine.dispatch import UNREPLIED_PER_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW_S, SECOND_S = 60.0, 1.0
CONNECTIONS_MIN: Final = 8  # of a process; more where limit and round trip need them
RPM_PER_RPS, RPS_MIN = 48, 2  # the API's own rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a case: its own limits, 0 for none, and the estimated tokens of a job."""

    rpm: int = 0
    tpm: int = 0
    estimate: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`rpm` and `tpm` as the server enforces them, 0 for none. `uses`: used tokens per estimated token.

    `jobs` of each run; None: more than can be sent. `is_warm`: start with a full window, evenly used.
    """

    rpm: int = 0
    tpm: int = 0
    processes: int
    round_trip_s: float
    run_s: float
    uses: float = 1.0
    jobs: int | None = None
    runs: tuple[Run, ...] = (Run(),)
    is_warm: bool = False
    seed: int = 1

    @property
    def unreplied_max(self) -> int:
        """The most unreplied jobs of a process."""
        at_once = self.rpm / 60 * self.round_trip_s / self.processes
        return UNREPLIED_PER_CONNECTION * max(CONNECTIONS_MIN, round(2 * at_once))

    @property
    def rps(self) -> int:
        """The limit of requests in a second, 0 for none."""
        return max(RPS_MIN, self.rpm // RPM_PER_RPS) if self.rpm else 0


class StrictServer:
    """A strict server: enforces every window of a minute and of a second, by time of arrival."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._log: deque[tuple[float, int]] = deque()
        self._sum = 0
        self.taken: list[tuple[float, int, int]] = []
        self.refused = 0

    def add_earlier(self, ages_s: Sequence[float], now: float) -> None:
        """Add requests from before the start of the case."""
        self._log.extend((now - age_s, 0) for age_s in ages_s)

    def arrive(self, now: float, tokens: int, run: int) -> bool:
        """Accept or refuse a request of a run; return whether it was accepted."""
        case, log = self._case, self._log
        while log and log[0][0] <= now - WINDOW_S:
            self._sum -= log.popleft()[1]
        is_full = (
            (case.rpm and len(log) >= case.rpm)
            or (case.tpm and self._sum + tokens > case.tpm)
            or (case.rps and len(log) >= case.rps and log[-case.rps][0] > now - SECOND_S)
        )
        if is_full:
            self.refused += 1
            return False
        log.append((now, tokens))
        self._sum += tokens
        self.taken.append((now, tokens, run))
        return True
