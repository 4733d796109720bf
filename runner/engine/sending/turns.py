"""Whose turn it is: the runs that a worker sends for share the limits of a model in equal parts.

Each worker is fair by itself, so all workers together are, however the slots fall to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.sending.fair_turns import FairTurns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from runner.limiter.slots import Grant


class Turns:
    """The order in which the runs of a round request slots. `random` breaks ties: workers differ."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._turns: dict[str, FairTurns] = {}
        self._buckets: dict[int, str] = {}  # of the last batch of each run
        self._ties: dict[int, float] = {}
        self._used_up: set[str] = set()

    def begin_round(self, runs: Sequence[int]) -> list[int]:
        """Return the ids of the runs that send, in the order in which they are to request slots."""
        self._buckets = {run: bucket for run, bucket in self._buckets.items() if run in runs}
        self._ties = {run: self._ties.get(run, self._random.random()) for run in runs}
        for turns in self._turns.values():
            turns.keep(runs)
        self._used_up.clear()
        return sorted(runs, key=self._place)

    def may_request(self, run: int, bucket: str) -> bool:
        """Return whether a run may request slots; not after one before it used up the bucket in this round.

        What becomes free meanwhile is for that other run, whose turn it is, also where it needs more at once.
        """
        self._buckets[run] = bucket
        return bucket not in self._used_up

    def record(self, run: int, bucket: str, grant: Grant) -> None:
        """Record what a run was granted."""
        turns = self._turns.setdefault(bucket, FairTurns())
        turns.serve(run, grant.cost)
        if grant.retry_after_s is None or grant.is_own_limit:
            turns.leave_out(run)
        else:
            self._used_up.add(bucket)

    def leave_out(self, run: int) -> None:
        """Record that a run had nothing to request."""
        bucket = self._buckets.get(run)
        if bucket in self._turns:
            self._turns[bucket].leave_out(run)

    def _place(self, run: int) -> tuple[float, float]:
        bucket = self._buckets.get(run)
        turns = self._turns.get(bucket) if bucket is not None else None
        return (turns.position(run) if turns is not None else 0.0), self._ties[run]
