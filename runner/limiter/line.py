"""Who is served first when slots are scarce: polls, since an answer expires and a job does not, but not only.

A submit that can be granted never waits behind more than POLLS_IN_A_ROW polls of its process, so new jobs go
on while a backlog of answers is fetched; and the more answers are out, the more of the limit they get.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

POLLS_IN_A_ROW: Final = 3


class Asking(Protocol):
    """Somebody who wants slots of these many tokens each."""

    @property
    def tokens(self) -> Sequence[int]:
        """Return the wish, in order."""

    @property
    def is_poll(self) -> bool:
        """Return whether it is for polls."""


A = TypeVar("A", bound=Asking)


def line_up(asks: Iterable[A], polls_before: int) -> list[tuple[A, int]]:
    """Put wishes, one a slot, in the order of service; `polls_before` were the last to be served."""
    wishes = [(ask, tokens) for ask in asks for tokens in ask.tokens]
    polls = deque(wish for wish in wishes if wish[0].is_poll)
    submits = deque(wish for wish in wishes if not wish[0].is_poll)
    line: list[tuple[A, int]] = []
    in_a_row = polls_before
    while polls and submits:
        if in_a_row < POLLS_IN_A_ROW:
            line.append(polls.popleft())
            in_a_row += 1
        else:
            line.append(submits.popleft())
            in_a_row = 0
    return [*line, *polls, *submits]


def polls_at_end(served: Iterable[Asking], polls_before: int) -> int:
    """Count the polls that were served after the last submit."""
    in_a_row = polls_before
    for ask in served:
        in_a_row = in_a_row + 1 if ask.is_poll else 0
    return in_a_row
