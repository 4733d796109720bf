"""Fair order of slot requests when slots are scarce.

Polls go first, since an answer expires and a job does not. But after POLLS_IN_A_ROW polls of a process one
submit follows, so new jobs go on while a backlog of answers is fetched.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

POLLS_IN_A_ROW: Final = 3


class SlotRequest(Protocol):
    """A request for one slot for each number of tokens."""

    @property
    def tokens(self) -> Sequence[int]:
        """Return the tokens of each wanted slot, in order."""

    @property
    def is_poll(self) -> bool:
        """Return whether the slots are for polls."""


A = TypeVar("A", bound=SlotRequest)


def fair_order(requests: Iterable[A], polls_before: int) -> list[tuple[A, int]]:
    """Return (request, tokens) of each wanted slot, in the order of service.

    `polls_before`: how many polls were served since the last submit.
    """
    wanted = [(request, tokens) for request in requests for tokens in request.tokens]
    polls = deque(one for one in wanted if one[0].is_poll)
    submits = deque(one for one in wanted if not one[0].is_poll)
    ordered: list[tuple[A, int]] = []
    in_a_row = polls_before
    while polls and submits:
        if in_a_row < POLLS_IN_A_ROW:
            ordered.append(polls.popleft())
            in_a_row += 1
        else:
            ordered.append(submits.popleft())
            in_a_row = 0
    return [*ordered, *polls, *submits]


def polls_at_end(served: Iterable[SlotRequest], polls_before: int) -> int:
    """Return how many polls were served since the last submit."""
    in_a_row = polls_before
    for request in served:
        in_a_row = in_a_row + 1 if request.is_poll else 0
    return in_a_row
