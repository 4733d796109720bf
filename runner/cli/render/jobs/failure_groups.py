"""The failures of a run by their causes: how many, an example, what it means, the command for only these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import UNSET

from runner.cli.render import layout, text
from runner.rules.explain import HELD_PREFIX, explain
from runner.rules.labels.row_status import RowStatus
from runner.rules.printed_id import printed_id, short_id
from runner.rules.redact import plain
from runner.rules.sending.failure_pause import INVALID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.rules.summary_object import LabeledRowCounts, RunSummary

GROUPS_SHOWN: Final = 10
_ID_LENGTH: Final = 60


class FailureGroup(NamedTuple):
    """Jobs with one error code or flaw. `command` is what sends just these again, "" where nothing does.

    `code` is what explains them, where that is not their `name`.
    """

    name: str
    n: int
    example: str | None  # a custom_id
    command: str = ""
    code: str = ""


def failure_lines(summary: RunSummary) -> list[str]:
    """Return the groups of a run's failures, the largest first, and a command to look at one; [] for none.

    Of a labeled table these are all rows that are without labels and that a command can send again.
    """
    groups = list(_groups(summary))
    if not groups:
        return []
    rest = [f"… and {text.count(len(groups) - GROUPS_SHOWN, 'other cause')}"] if groups[GROUPS_SHOWN:] else []
    groups = groups[:GROUPS_SHOWN]
    example = next((group.example for group in groups if group.example is not None), None)
    if example is not None:
        rest.append(f"to look at one: runner show {summary.run} {text.last_word(printed_id(example))}")
    if summary.rows is not UNSET and summary.rows.invalid:
        rest.append(f"to look at some: runner sample {summary.run} --status {RowStatus.INVALID}")
    return ["", "failures", *layout.indented([*group_lines(groups, summary.run), *rest])]


def failed_line(summary: RunSummary) -> str:
    """Return how many jobs have failed, what lists them and what sends them again; "" for none."""
    failed, run = summary.counts.failed, summary.run
    return f"{failed:,} failed: runner jobs {run} --state failed; again: {_retry(run)}" if failed else ""


def group_lines(groups: Sequence[FailureGroup], run_id: int) -> list[str]:
    """Return the groups: a line each, what it means, and its command; the commands can be typed."""
    rows = [
        (
            f"{group.n:,}",
            plain(group.name),
            f"such as {short_id(group.example, _ID_LENGTH)}" if group.example is not None else "",
        )
        for group in groups
    ]
    lines = []
    for group, line in zip(groups, layout.table(rows, right=frozenset({0})), strict=True):
        meaning = _typeable(explain(group.code or group.name), run_id, group.example)
        lines += [line, *(f"    {one}" for one in layout.wrapped(meaning, layout.WIDTH - 6) if one)]
        lines += [f"    {group.command}"] if group.command else []
    return lines


def _groups(summary: RunSummary) -> Iterator[FailureGroup]:
    run, has_rows = summary.run, summary.rows is not UNSET
    for code, n in summary.errors.by_code.items():
        command = f"{_retry(run)} --code {text.shell_word(plain(code))}"
        if has_rows and code == INVALID:
            command = f"runner retry {run} --status {RowStatus.INVALID}"
        yield FailureGroup(code, n, summary.examples.get(code), command)
    if summary.rows is not UNSET:
        yield from _other_rows(summary, summary.rows)


def _retry(run_id: int) -> str:
    return f"runner retry {run_id} --failed"


def _other_rows(summary: RunSummary, rows: LabeledRowCounts) -> Iterator[FailureGroup]:
    """Yield the rows of a labeled table that are held or cancelled."""
    if rows.held:
        code = next((code for code in summary.examples if code.startswith(HELD_PREFIX)), "")
        command = f"runner retry {summary.run} --status {RowStatus.HELD}"
        yield FailureGroup("held", rows.held, summary.examples.get(code), command, code)
    if rows.cancelled:
        command = f"runner retry {summary.run} --status {RowStatus.CANCELLED}"
        yield FailureGroup("cancelled", rows.cancelled, None, command)


def _typeable(meaning: str, run_id: int, example: str | None) -> str:
    """Return a sentence with the run and the example in place of RUN and ID in its commands."""
    meaning = meaning.replace(" RUN", f" {run_id}")
    return (
        meaning if example is None else meaning.replace(" ID ", f" {text.shell_word(printed_id(example))} ")
    )
