"""The status of a row and its reason, and what a summary counts of rows, asks and labels."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, to_builtins

from runner.rules.explain import explain
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.row_status import (
    COMPLETE,
    RowStatus,
    reason_of_answer,
    reason_of_fault,
    reason_of_job,
    reason_unreadable,
    rows_by_status,
    status_of_job,
)
from runner.rules.states import JobState, RunState
from runner.rules.summary import RunFacts, summarize

MOVING = (
    JobState.PENDING,
    JobState.SUBMITTING,
    JobState.WAITING,
    JobState.COLLECTING,
    JobState.STORED,
)


FIELDS = (
    LabelField(name="mood", kind=LabelKind.TEXT, path=("mood",), values=("odd", "good", "bad")),
    LabelField(name="formula", kind=LabelKind.TEXT, path=("formula",), values=("a=b",)),
)


def facts(*, has_labels: bool = True, rows: dict[RowStatus, int] | None = None) -> RunFacts:
    """Return the facts of a run."""
    return RunFacts(
        id=3,
        name="reviews",
        state=RunState.FINISHED,
        paused_by=None,
        started_at_s=None,
        finished_at_s=None,
        prices_as_of="2026-09-29",
        has_labels=has_labels,
        fields=FIELDS,
        rows=rows,
    )


@pytest.mark.parametrize(
    ("state", "code", "status"),
    [
        (JobState.SUCCEEDED, None, RowStatus.OK),
        (JobState.FAILED, "bad-request", RowStatus.FAILED),
        (JobState.FAILED, "invalid", RowStatus.INVALID),
        (JobState.FAILED, "length", RowStatus.FAILED),
        (JobState.HELD, "no-reply", RowStatus.HELD),
        (JobState.HELD, "invalid", RowStatus.HELD),
        (JobState.CANCELLED, None, RowStatus.CANCELLED),
        *((state, None, RowStatus.UNFINISHED) for state in MOVING),
        (JobState.PENDING, "invalid", RowStatus.UNFINISHED),
    ],
)
def test_the_status_of_a_row_is_that_of_its_job(state: JobState, code: str | None, status: RowStatus) -> None:
    """A failed job is invalid only where the contract was the cause."""
    assert status_of_job(state.value, code) is status


@pytest.mark.parametrize(
    ("status", "code", "message", "words"),
    [
        (RowStatus.FAILED, "bad-request", "no such\nfield", "bad-request: no such field"),
        (RowStatus.FAILED, "safety", None, f"safety: {explain('safety')}"),
        (RowStatus.FAILED, None, None, f"unknown: {explain('unknown')}"),
        (RowStatus.HELD, "no-reply", "lost", "held-no-reply: lost"),
        (RowStatus.INVALID, "invalid", "mood is missing", "invalid: mood is missing"),
        (RowStatus.UNFINISHED, "invalid", "x", "unfinished: There is no answer yet."),
        (RowStatus.CANCELLED, None, None, "cancelled: The user cancelled it before it had an answer."),
        (RowStatus.FAILED, "odd", "", "odd"),
    ],
)
def test_a_reason_is_the_code_and_a_sentence_in_one_line(
    status: RowStatus, code: str | None, message: str | None, words: str
) -> None:
    """The words on record, else what the code means."""
    assert str(reason_of_job(status, code, message)) == words


@given(st.text())
def test_a_reason_is_one_short_line_of_plain_text(words: str) -> None:
    """Whatever the API or a row said."""
    for reason in (
        reason_of_job(RowStatus.FAILED, "odd", words),
        reason_of_answer(words),
        reason_of_fault(words),
        reason_unreadable(),
    ):
        assert len(str(reason).splitlines()) == 1
        assert len(reason.message) <= 400
        str(reason).encode()


def test_rows_by_status_add_up_to_jobs_and_rows_without_a_job() -> None:
    """Invalid rows are taken from the failed ones."""
    jobs = {"succeeded": 5, "failed": 4, "held": 1, "cancelled": 2, "pending": 3, "waiting": 1}

    found = rows_by_status(jobs, {"skipped": 2, "excluded": 7}, invalid=3)

    assert found == {
        RowStatus.OK: 5,
        RowStatus.INVALID: 3,
        RowStatus.FAILED: 1,
        RowStatus.HELD: 1,
        RowStatus.CANCELLED: 2,
        RowStatus.UNFINISHED: 4,
        RowStatus.SKIPPED: 2,
        RowStatus.EXCLUDED: 7,
    }
    assert list(found) == list(RowStatus)
    assert {RowStatus.OK, RowStatus.EXCLUDED} == COMPLETE


COUNTERS = {
    ("state", "succeeded"): 5,
    ("state", "failed"): 3,
    ("state", "pending"): 1,
    ("code", "invalid"): 2,
    ("code", "safety"): 1,
    ("extra", "reask"): 6,
    ("repaired", "fence"): 2,
    ("repaired", "prose"): 1,
    ("rows", "excluded"): 4,
    ("label", "mood=good"): 2,
    ("label", "mood=bad"): 3,
    ("label", "mood=odd"): 0,
    ("label", "formula=a=b"): 5,
}


def test_the_summary_of_a_run_with_labels_has_rows_asks_and_labels() -> None:
    """Fields and values are in the order of the schema; a value may hold an equals sign."""
    found = to_builtins(summarize(facts(), COUNTERS))

    assert found["rows"] == {
        "total": 13,
        "ok": 5,
        "invalid": 2,
        "failed": 1,
        "held": 0,
        "cancelled": 0,
        "unfinished": 1,
        "skipped": 0,
        "excluded": 4,
    }
    assert found["asks"] == {"first": 7, "again": 6, "repaired": 3, "given_up": 2}
    assert json.dumps(found["labels"]) == json.dumps({"mood": {"good": 2, "bad": 3}, "formula": {"a=b": 5}})
    assert list(found)[-1] == "files"


def test_rows_that_were_joined_with_their_table_are_counted_as_they_were_joined() -> None:
    """Also where there are none."""
    assert to_builtins(summarize(facts(rows={RowStatus.OK: 9}), COUNTERS))["rows"]["total"] == 9
    assert to_builtins(summarize(facts(rows={}), COUNTERS))["rows"]["total"] == 0


def test_other_runs_have_none_of_it() -> None:
    """Their objects stay as they are, byte for byte."""
    summary = summarize(facts(has_labels=False), COUNTERS)

    assert (summary.rows, summary.asks, summary.labels) == (UNSET, UNSET, UNSET)
    assert not {"rows", "asks", "labels"} & set(to_builtins(summary))
