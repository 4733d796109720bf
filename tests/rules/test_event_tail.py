"""A reader that polls a table of events prints each once, in whatever order their transactions commit."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.event_tail import NO_TRANSACTIONS, OVERLAP_IDS, STEADY_S, EventTail, OpenTransactions

POLL_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Event:
    id: int
    text: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        return (self.id,)

    @property
    def content(self) -> tuple[object, ...]:
        return (self.text,)


class Table:
    """A table as in PostgreSQL: ids are given at once, and seen when their transaction has committed."""

    def __init__(self) -> None:
        self.open: dict[int, int] = {}  # the ids of transactions that are open, by transaction
        self.committed: list[int] = []
        self._next_id, self._next_transaction = 1, 1

    def begin(self) -> None:
        self.open[self._next_transaction] = self._next_id
        self._next_transaction += 1
        self._next_id += 1

    def end(self, nth: int, *, commit: bool) -> None:
        if self.open:
            event = self.open.pop(sorted(self.open)[nth % len(self.open)])
            if commit:
                self.committed.append(event)

    def poll(self, tail: EventTail, now_s: float) -> list[int]:
        newest = max(self.committed, default=0)
        floor = tail.lower_floor(newest)
        found = [Event(id=number) for number in sorted(self.committed) if number > floor]
        oldest = min(self.open, default=self._next_transaction)
        transactions = OpenTransactions(oldest, self._next_transaction)
        return [event.id for event in tail.to_show(found, newest, transactions, now_s)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(1, 400)),
        st.tuples(st.sampled_from(["commit", "abort"]), st.integers(0, 50)),
        st.tuples(st.just("poll"), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_committed_event_is_shown_once(steps: list[tuple[str, int]]) -> None:
    """Also one whose transaction stays open while a thousand later ones commit, and many polls come."""
    table, tail, now_s = Table(), EventTail(0), 0.0
    shown: list[int] = []
    for what, n in steps:
        match what:
            case "begin":
                table.begin()
                for _ in range(n):  # many others come and go
                    table.begin()
                    table.end(-1, commit=True)
            case "poll":
                now_s += POLL_S
                shown += table.poll(tail, now_s)
            case _:
                table.end(n, commit=what == "commit")
    while table.open:
        table.end(0, commit=True)
    shown += table.poll(tail, now_s + POLL_S)

    assert sorted(shown) == sorted(table.committed)


def test_what_was_read_is_forgotten_when_older_transactions_have_ended() -> None:
    """The floor rises, so that a poll reads a bounded part; not while an older transaction is open."""
    table, tail = Table(), EventTail(0)
    table.begin()  # stays open
    for _ in range(4 * OVERLAP_IDS):
        table.begin()
        table.end(-1, commit=True)
    for now_s in range(0, 60, 10):
        table.poll(tail, now_s)
    assert tail.floor == 0
    table.end(0, commit=True)

    assert table.poll(tail, 60) == [1]
    assert tail.floor == 3 * OVERLAP_IDS + 1


def test_an_id_that_is_given_again_is_another_event() -> None:
    """SQLite does so when the newest events were removed with their run."""
    tail = EventTail(0)
    many = [Event(id=number) for number in range(1, 2_001)]
    for now_s in (0, 10, 20):
        tail.to_show(many, 2_000, NO_TRANSACTIONS, now_s)
    assert tail.floor == 2_000 - OVERLAP_IDS
    floor = tail.lower_floor(1_000)

    assert floor == 1_000 - OVERLAP_IDS
    again = [Event(id=number) for number in range(floor + 1, 1_001)]
    assert tail.to_show(again, 1_000, NO_TRANSACTIONS, 30) == again


def test_an_event_that_its_command_adds_to_is_shown_again_when_it_is_complete() -> None:
    """Not at each step: a cancel of millions of jobs has thousands."""
    tail, shown = EventTail(0), []
    for step in range(5):
        shown += tail.to_show([Event(id=1, text=str(step))], 1, NO_TRANSACTIONS, step * STEADY_S / 2)
    for now_s in (10, 11):
        shown += tail.to_show([Event(id=1, text="4")], 1, NO_TRANSACTIONS, now_s)

    assert [event.text for event in shown] == ["0", "4"]
