"""The fair order of slot requests: polls go first, and submits are not starved."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from runner.limiter.wait_queue import POLLS_IN_A_ROW, fair_order, polls_at_end


@dataclass(frozen=True, slots=True)
class Request:
    """A slot request."""

    tokens: tuple[int, ...]
    is_poll: bool


any_requests = st.lists(st.builds(Request, st.lists(st.integers(0, 9), max_size=4).map(tuple), st.booleans()))


def test_of_four_scarce_slots_three_are_for_polls() -> None:
    """Whether they are granted in one round trip or one by one."""
    poll, submit = Request((0,) * 9, is_poll=True), Request((5,) * 9, is_poll=False)
    assert [one.is_poll for one, _ in fair_order([submit, poll], 0)[:8]] == [True, True, True, False] * 2
    served, in_a_row = [], 0
    for _ in range(8):
        first, _ = fair_order([submit, poll], in_a_row)[0]
        in_a_row = polls_at_end([first], in_a_row)
        served.append(first.is_poll)
    assert served == [True, True, True, False] * 2


@given(any_requests, st.integers(0, 10))
def test_all_slots_are_queued_and_no_submit_is_behind_many_polls(
    requests: list[Request], before: int
) -> None:
    """Each wanted slot is there once; while submits wait, at most POLLS_IN_A_ROW polls follow each other."""
    queue = fair_order(requests, before)
    assert sorted(tokens for _, tokens in queue) == sorted(n for one in requests for n in one.tokens)
    last = max((nth for nth, (one, _) in enumerate(queue) if not one.is_poll), default=-1)
    in_a_row = before
    for one, _ in queue[: last + 1]:
        in_a_row = polls_at_end([one], in_a_row)
        assert in_a_row <= max(POLLS_IN_A_ROW, before)
