"""Where slots are scarce, polls go first and submits are not starved."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from runner.limiter.line import POLLS_IN_A_ROW, line_up, polls_at_end


@dataclass(frozen=True, slots=True)
class Wish:
    """One that asks."""

    tokens: tuple[int, ...]
    is_poll: bool


wishes = st.lists(st.builds(Wish, st.lists(st.integers(0, 9), max_size=4).map(tuple), st.booleans()))


def test_of_four_scarce_slots_three_are_for_polls() -> None:
    """Whether they are granted in one talk or one by one."""
    poll, submit = Wish((0,) * 9, is_poll=True), Wish((5,) * 9, is_poll=False)
    assert [ask.is_poll for ask, _ in line_up([submit, poll], 0)[:8]] == [True, True, True, False] * 2
    served, in_a_row = [], 0
    for _ in range(8):
        first, _ = line_up([submit, poll], in_a_row)[0]
        in_a_row = polls_at_end([first], in_a_row)
        served.append(first.is_poll)
    assert served == [True, True, True, False] * 2


@given(wishes, st.integers(0, 10))
def test_all_are_in_line_and_no_submit_is_behind_many_polls(asks: list[Wish], before: int) -> None:
    """Each wish once, each one's own in order; while submits wait, polls in a row are few."""
    line = line_up(asks, before)
    assert sorted(tokens for _, tokens in line) == sorted(tokens for ask in asks for tokens in ask.tokens)
    last = max((nth for nth, (ask, _) in enumerate(line) if not ask.is_poll), default=-1)
    in_a_row = before
    for ask, _ in line[: last + 1]:
        in_a_row = polls_at_end([ask], in_a_row)
        assert in_a_row <= max(POLLS_IN_A_ROW, before)
