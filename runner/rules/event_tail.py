"""Which events a reader that polls a table has not shown yet, although their ids do not come in order.

PostgreSQL gives an id before the transaction commits, so an event may appear after others with larger ids.
SQLite gives the ids of removed events again. So the newest part of the table is read again and again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

OVERLAP_IDS: Final = 500  # read again always: so many events of a removed run may be followed by new ones
SETTLE_S: Final = 5.0  # a transaction that has an id may not be in the list of open ones yet
STEADY_S: Final = 1.5  # an event that a command still adds to is shown again when it has not changed so long

Key = tuple[object, ...]


class Identified(Protocol):
    """An event, as it was read once."""

    @property
    def id(self) -> int:
        """Return its number in the table."""

    @property
    def key(self) -> Key:
        """Return what distinguishes it from a later event with the same number."""

    @property
    def content(self) -> Key:
        """Return what may change after it was written."""


Entry = TypeVar("Entry", bound=Identified)


class OpenTransactions(NamedTuple):
    """Transactions at one moment: all below `oldest` have ended, and none from `next` on had begun."""

    oldest: int
    next: int


NO_TRANSACTIONS: Final = OpenTransactions(0, 0)  # of a database whose writers never overlap


class _Watermark(NamedTuple):
    """What was the newest id at a time, and the first transaction that had not begun then."""

    newest_id: int
    next: int
    at_s: float


class _Shown(NamedTuple):
    id: int
    content: Key
    changed: Key | None = None  # its newest content, not shown yet
    changed_s: float = 0.0


class EventTail:
    """The events of one table that were shown. `floor`: only larger ids have to be read again."""

    def __init__(self, newest_id: int) -> None:
        self.floor = max(0, newest_id - OVERLAP_IDS)
        self._shown: dict[Key, _Shown] = {}
        self._watermarks: deque[_Watermark] = deque()

    def lower_floor(self, newest_id: int) -> int:
        """Lower the floor if the newest events were removed; return it. `newest_id`: the largest now."""
        self.floor = max(0, min(self.floor, newest_id - OVERLAP_IDS))
        return self.floor

    def to_show(
        self, events: Iterable[Entry], newest_id: int, transactions: OpenTransactions, now_s: float
    ) -> list[Entry]:
        """Return which of `events`, all that are above the floor, are new or have changed; raise the floor.

        `transactions` were open when they were read; `now_s` is of any steady clock.
        """
        due = [event for event in events if self._is_due(event, now_s)]
        if not self._watermarks or self._watermarks[-1].newest_id != newest_id:
            self._watermarks.append(_Watermark(newest_id, transactions.next, now_s))
        self._raise_floor(transactions, now_s)
        return due

    def _is_due(self, event: Identified, now_s: float) -> bool:
        """Return whether to show an event now, and note that."""
        known = self._shown.get(event.key)
        if known is not None and known.content == event.content:
            return False
        if known is not None and known.changed != event.content:
            self._shown[event.key] = known._replace(changed=event.content, changed_s=now_s)
            return False
        if known is not None and now_s - known.changed_s < STEADY_S:
            return False
        self._shown[event.key] = _Shown(event.id, event.content)
        return True

    def _raise_floor(self, transactions: OpenTransactions, now_s: float) -> None:
        """Raise the floor towards ids that were the newest once, whose open transactions have ended."""
        while self._watermarks:
            oldest = self._watermarks[0]
            if oldest.next > transactions.oldest or now_s - oldest.at_s < SETTLE_S:
                break
            self.floor = max(self.floor, oldest.newest_id - OVERLAP_IDS)
            self._watermarks.popleft()
        self._shown = {key: shown for key, shown in self._shown.items() if shown.id > self.floor}
