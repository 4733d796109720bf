"""The counters are kept by delta; whatever happens, counting anew gives the same."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from by_hand import COST, NOW_MS, Hand, accepted, back, new_run, not_yet, received, settled
from sqlalchemy import text

from runner.db import counters, jobs
from runner.db.counters import SHARDS, Deltas
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.db.leases import Lease
    from runner.db.session import Database

S = JobState
UNKNOWN: Final = replace(COST, ticks=None, ticks_source="unknown", model="grok-x", finish_reason="length")


class Walk:
    """One run driven by chance; every job keeps the lease it was last seen under, stale or not."""

    def __init__(self, hand: Hand, seed: int) -> None:
        self.hand, self.chance = hand, random.Random(seed)
        self.held: dict[int, Lease] = {}
        self.extras: Counter[tuple[str, str]] = Counter()

    def step(self) -> None:
        """Do one thing to one job."""
        doing = self.chance.choice([self._lease_and_send, self._end_post, self._claim, self._end_get])
        doing()

    def _lease_and_send(self) -> None:
        found = self.hand.lease(self.chance.randint(1, 3))
        self.hand.send(*found)
        self.held |= {lease.job_id: lease for lease in found}

    def _claim(self) -> None:
        self.held |= {job.lease.job_id: job.lease for job in self.hand.claim(2)}

    def _end_post(self) -> None:
        if lease := self._any():
            chosen = self.chance.randrange(6)
            if chosen < 3:
                self.hand.do(jobs.accepted, accepted(lease))
            elif chosen == 3:
                self.hand.do(
                    self.chance.choice([jobs.not_sent, jobs.refused_for_now]), back(lease, S.PENDING)
                )
            elif chosen == 4:
                self.hand.do(jobs.refused, back(lease, S.FAILED))
            else:
                target = self.chance.choice([S.PENDING, S.HELD])
                self._doubt(Event.AMBIGUOUS, len(self.hand.do(jobs.ambiguous, back(lease, target, 9))))

    def _end_get(self) -> None:
        if lease := self._any():
            chosen = self.chance.randrange(5)
            if chosen == 0:
                self.hand.do(jobs.not_ready, not_yet(lease))
            elif chosen == 1:
                target = self.chance.choice([S.PENDING, S.HELD])
                self._doubt(Event.LOST, len(self.hand.do(jobs.lost, back(lease, target, 9))))
            else:
                self._keep(lease)

    def _keep(self, lease: Lease) -> None:
        self.hand.do(jobs.stored, received(lease.job_id, lease.attempt))
        event, target = self.chance.choice(
            [
                (Event.SUCCEEDED, S.SUCCEEDED),
                (Event.UNUSABLE, S.PENDING),
                (Event.UNUSABLE, S.HELD),
            ]
        )
        cost = self.chance.choice([COST, UNKNOWN])
        moved = self.hand.do(jobs.settled, settled(lease.job_id, lease.attempt, event, target, cost))
        self.extras["extra", Event.UNUSABLE] += len(moved) if event is Event.UNUSABLE else 0

    def _doubt(self, event: Event, moved: int) -> None:
        self.extras["extra", event] += moved
        self.extras["ticks", "possible_extra"] += 9 * moved

    def _any(self) -> Lease | None:
        return self.chance.choice(list(self.held.values())) if self.held else None


@pytest.mark.parametrize("seed", range(4))
def test_deltas_equal_a_recount(database: Database, seed: int) -> None:
    """Any order of moves, many of them stale: states, codes, extras, tokens and money add up."""
    hand = new_run(database, 6)
    walk = Walk(hand, seed)
    for _ in range(120):
        walk.step()

    counted = hand.recount()
    kept = hand.counts()

    uncounted = {("attempts", "polls"), ("attempts", "refused_for_now")}
    extras = {key: n for key, n in walk.extras.items() if n}
    assert {key: n for key, n in kept.items() if key not in uncounted} == counted | extras
    (beyond,) = hand.rows("SELECT SUM(extras) AS n FROM jobs")
    assert beyond.n == sum(n for (kind, _), n in extras.items() if kind == "extra")
    assert sum(n for (kind, _), n in kept.items() if kind == "state") == 6
    with database.write() as connection:
        assert counters.recount(connection, hand.run_id) is False


def test_drifted_states_are_mended(database: Database) -> None:
    """Should a counter ever be wrong, the end of a run finds it and puts it right."""
    hand = new_run(database, 5)
    with database.write() as connection:
        connection.execute(text("UPDATE run_counters SET n = 4"))

        assert counters.recount(connection, hand.run_id) is True
        assert counters.recount(connection, hand.run_id) is False

    assert hand.counts() == {("state", "pending"): 5}


def test_shards_are_summed_and_runs_kept_apart(database: Database) -> None:
    """Every worker writes to the shard of its own; readers see the sum, of one run."""
    hands = [new_run(database, 2, identity=word) for word in "ab"]
    for shard in range(2 * SHARDS):
        with database.write() as connection:
            deltas = Deltas(shard)
            deltas.add(hands[0].run_id, "attempts", "polls", shard)
            deltas.write(connection)
            deltas.write(connection)  # what is written is forgotten

    assert hands[0].count("attempts", "polls") == sum(range(2 * SHARDS))
    assert hands[1].count("attempts", "polls") == 0
    rows = hands[0].rows("SELECT DISTINCT shard FROM run_counters WHERE kind = 'attempts'")
    assert {row.shard for row in rows} == set(range(SHARDS))


def test_open_jobs_are_those_that_move_by_themselves(database: Database) -> None:
    """Held, failed, cancelled and succeeded jobs wait for nobody."""
    hand = new_run(database, len(JobState))
    for state in JobState:
        lease = hand.bring(state)
        if state is S.PENDING:
            hand.change(lease.job_id, f"due_at_ms = {NOW_MS * 2}")

    with database.read() as connection:
        assert counters.open_jobs(connection, hand.run_id) == 5
        found = counters.states(counters.read(connection, hand.run_id))
    assert found == dict.fromkeys(JobState, 1)
