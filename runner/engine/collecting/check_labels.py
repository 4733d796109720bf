"""Checks the answer of a job with labels: valid, to be asked for again, or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.db.moves.outcomes import Cause, LabelCheck
from runner.rules.labels.follow_up import follow_up_tokens, is_asked_again
from runner.rules.labels.label_counts import counted_words
from runner.rules.sending.failure_pause import INVALID
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.rules.labels.label_rules import LabelRules
    from runner.rules.replies.chat_completion import Completion


class NextMove(NamedTuple):
    """What an answer is to its job, the job's next state, and why."""

    event: Event
    target: JobState
    cause: Cause | None = None
    label_check: LabelCheck | None = None


def check_answer(rules: LabelRules, answer: Completion, asks: int) -> NextMove:
    """Return what a good answer moves its job to; `asks`: how often its job was asked again before."""
    text = answer.content or ""
    checked = rules.contract.check(text)
    if checked.labels is not None:
        found = LabelCheck(repair=checked.repair, labels=counted_words(rules.counted, checked.labels))
        return NextMove(Event.SUCCEEDED, JobState.SUCCEEDED, label_check=found)
    ask_tokens = follow_up_tokens(text, checked.error)
    found = LabelCheck(is_first=asks == 0, ask_tokens=ask_tokens, asks_max=rules.asks_max)
    is_open = is_asked_again(answer.flaw, asks, rules.asks_max)
    target = JobState.PENDING if is_open else JobState.FAILED
    return NextMove(Event.INVALID, target, Cause(code=INVALID, message=checked.error, http_status=200), found)
