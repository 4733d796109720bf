"""A run whose jobs fail pauses by itself."""

from __future__ import annotations

import pytest

from runner.rules.sending import failure_pause
from runner.rules.sending.failure_pause import common_failure_code


@pytest.mark.parametrize(
    ("codes", "others", "code"),
    [
        ({}, 0, None),
        ({"bad-request": 19}, 0, None),
        ({"bad-request": 20}, 0, "bad-request"),
        ({"bad-request": 35, "safety": 0}, 0, "bad-request"),
        ({"bad-request": 500}, 1, None),
        ({"bad-request": 20, "safety": 1}, 0, None),
        ({}, 20, None),
    ],
)
def test_twenty_failures_alike_at_the_start_are_one_mistake(
    codes: dict[str, int], others: int, code: str | None
) -> None:
    """One success, or another code, rules that out."""
    assert common_failure_code(codes, others) == code


def counts(*, failed: int, succeeded: int = 0, code: str = "bad-request") -> dict[tuple[str, str], int]:
    """Return the counters of a run."""
    return {("state", "failed"): failed, ("state", "succeeded"): succeeded, ("code", code): failed}


@pytest.mark.parametrize(
    ("given", "max_failures", "text"),
    [
        (counts(failed=20), None, "all of the first 20 jobs failed with bad-request"),
        (counts(failed=20, succeeded=1), None, None),
        (counts(failed=5, succeeded=90), 5, "5 jobs failed, --max-failures is 5"),
        (counts(failed=4, succeeded=90), 5, None),
        (counts(failed=1), 1, "1 job failed, --max-failures is 1"),
        (counts(failed=30), 10, "30 jobs failed, --max-failures is 10"),
        ({}, 1, None),
    ],
)
def test_the_reason_is_the_sentence_the_user_reads(
    given: dict[tuple[str, str], int], max_failures: int | None, text: str | None
) -> None:
    """The user's --max-failures comes before our own rule."""
    reason = failure_pause.reason_to_pause(given, max_failures)

    assert (reason.text if reason else None) == text


ALL_INVALID = "all of the first 20 answers were invalid: the schema or the prompt may be wrong"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ALL_INVALID),
        ({("invalid", "first"): 19}, None),
        ({("invalid", "first"): 19, ("invalid", "again"): 30}, None),
        ({("invalid", "again"): 12, ("code", "invalid"): 3, ("state", "failed"): 3}, ALL_INVALID),
        ({("state", "succeeded"): 1}, None),
        ({("state", "held"): 1}, None),
        ({("code", "length"): 1, ("state", "failed"): 1}, None),
        ({("code", "length"): 0}, ALL_INVALID),
    ],
)
def test_twenty_invalid_answers_at_the_start_are_one_mistake(
    changes: dict[tuple[str, str], int], text: str | None
) -> None:
    """Seen at the first ask of each job: one answer that was good, or failed otherwise, rules that out."""
    reason = failure_pause.reason_to_pause({("invalid", "first"): 20, **changes}, None)

    assert (reason.text if reason else None) == text
    assert reason is None or reason.once


def test_only_our_own_rule_applies_once() -> None:
    """The user's limit applies until the user changes it."""
    ours, theirs = (
        failure_pause.reason_to_pause(counts(failed=20), None),
        failure_pause.reason_to_pause(counts(failed=20), 20),
    )

    assert ours is not None
    assert theirs is not None
    assert (ours.once, theirs.once) == (True, False)


@pytest.mark.parametrize("max_failures", [None, 20])
def test_in_a_table_rows_have_failed(max_failures: int | None) -> None:
    """A person who labels a table knows no jobs."""
    reason = failure_pause.reason_to_pause(counts(failed=20), max_failures, "row")

    assert reason is not None
    assert "20 rows failed" in reason.text
