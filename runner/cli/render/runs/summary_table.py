"""The summary of a run as a table for people, from the summary object alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from runner.cli.render import layout, text
from runner.cli.render.jobs.failure_groups import FailureGroup, failure_lines, group_lines
from runner.cli.render.runs.labels_table import by_status, label_lines, rows_without_labels
from runner.cli.render.runs.uncertain_cost_text import uncertain_cost_sentences
from runner.rules.labels.row_status import COMPLETE, RowStatus
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.summary_object import (
        AttemptCounts,
        BudgetUse,
        LabeledRowCounts,
        ModelCost,
        RunCost,
        RunNumbers,
        RunSummary,
        RunTiming,
        SummaryFiles,
        TokenCounts,
        WrittenFile,
    )

_CODES_SHOWN: Final = 10
_ID_LENGTH: Final = 60
_Place: TypeAlias = "tuple[str, int, WrittenFile | UnsetType, int]"  # name, count, file, its lines


def summary_lines(summary: RunSummary, folder: str = "") -> list[str]:
    """Return a summary as lines; `folder` is put before the names of its files."""
    return [
        heading(summary),
        "",
        *layout.indented(_counts(summary, folder)),
        "",
        *layout.indented(facts(summary)),
        *label_lines(summary),
        *_recoded(summary.files.results),
        *_warnings(summary),
        *_flawed(summary),
        *failure_lines(summary),
    ]


def heading(summary: RunSummary) -> str:
    """Return the run, its state and how long it took."""
    paused = f" ({summary.paused_by})" if summary.paused_by else ""
    wall_s = summary.timing.wall_s
    took = f" in {text.duration(wall_s)}" if wall_s is not None else ""
    return f"run {summary.run}, {plain(summary.name)}: {summary.state}{paused}{took}"


def _counts(summary: RunSummary, folder: str) -> list[str]:
    """Return the jobs by where they ended, with the file of each; also where that file is older."""
    total, places = _places(summary)
    shown = [place for place in places if place[1] or place == places[0]]
    names = max(len(name) for name, _, _, _ in shown)
    width = layout.WIDTH - names - len(f"{total:,}") - 6  # three gaps of two
    rows = []
    for name, n, file, expected in shown:
        first, *more = [""] if file is UNSET else _place(file, folder, expected, summary.run, width)
        rows += [(name, f"{n:,}", first), *(("", "", line) for line in more)]
    rows.append(("total", f"{total:,}", ""))
    return layout.table(rows, right=frozenset({1}))


def _places(summary: RunSummary) -> tuple[int, list[_Place]]:
    """Return the total, and for each outcome its count, its file, and how many lines that should have."""
    counts, files = summary.counts, summary.files
    if summary.rows is not UNSET:
        return summary.rows.total, _places_of_rows(summary.rows, files)
    in_errors = counts.failed + counts.held
    return counts.total, [
        ("succeeded", counts.succeeded, files.results, counts.succeeded),
        ("failed", counts.failed, files.errors, in_errors),
        ("held", counts.held, files.errors, in_errors),
        ("cancelled", counts.cancelled, UNSET, 0),
        ("unfinished", counts.unfinished, UNSET, 0),
    ]


def _places_of_rows(rows: LabeledRowCounts, files: SummaryFiles) -> list[_Place]:
    """Return the places of a table with labels, which has all rows; it is as old as the errors file."""
    in_errors = rows_without_labels(rows)
    is_older = files.errors is not UNSET and files.errors.lines != in_errors
    lines = files.results.lines if files.results is not UNSET and not is_older else -1
    return [
        (status.value, n, files.results, lines)
        if status is RowStatus.OK
        else (status.value, n, UNSET if status in COMPLETE else files.errors, in_errors)
        for status, n in by_status(rows).items()
    ]


def _place(file: WrittenFile, folder: str, expected: int, run: int, width: int) -> list[str]:
    """Return the path of a file; behind it, or below where that is too long, that it is older than the run.

    `expected`: the lines that it would have if it was written now.
    """
    path = plain(f"{folder}{file.name}")
    if file.lines == expected:
        return [path]
    note = f"({text.count(file.lines, 'line')}, older: runner write {run})"
    return [f"{path} {note}"] if len(path) + 1 + len(note) <= width else [path, note]


def facts(summary: RunNumbers) -> list[str]:
    """Return cost, budget, tokens, attempts and latency, a line each."""
    cost, budget = summary.cost, summary.budget
    return layout.facts(
        [
            ("cost", _cost(cost)),
            *(("", sentence) for sentence in uncertain_cost_sentences(cost)),
            *_by_model(cost.by_model),
            *([("budget", _budget(budget))] if budget is not None else []),
            *_tokens(summary.tokens),
            ("attempts", _attempts(summary.attempts)),
            *_latency(summary.timing),
        ]
    )


def _tokens(tokens: TokenCounts) -> list[tuple[str, str]]:
    if not tokens.total:
        return []
    shown = (f"{name} {n:,}" for name, n in asdict(tokens).items() if name != "total")
    return [("tokens", f"{tokens.total:,} ({', '.join(shown)})")]


def _attempts(attempts: AttemptCounts) -> str:
    line = f"{attempts.accepted:,} accepted, {text.count(attempts.polls, 'poll')}"
    if attempts.refused_for_now:
        line += f", {attempts.refused_for_now:,} refused for now"
    extras = [f"{n:,} {reason.replace('_', ' ')}" for reason, n in asdict(attempts.extra).items() if n]
    return f"{line}; extra: {', '.join(extras)}" if extras else line


def _latency(timing: RunTiming) -> list[tuple[str, str]]:
    half_s, most_s = timing.latency_p50_s, timing.latency_p95_s
    if half_s is None or most_s is None:
        return []
    return [("latency", f"half within {text.duration(half_s)}, 95 % within {text.duration(most_s)}")]


def _by_model(by_model: Mapping[str, ModelCost]) -> list[tuple[str, str]]:
    """Return a row for each model if there are several."""
    if len(by_model) < 2:
        return []
    ordered = sorted(by_model.items(), key=lambda item: -item[1].ticks)[:_CODES_SHOWN]
    return [
        ("", f"{text.dollars(of.ticks)} {one_line(model, _ID_LENGTH)}, {text.count(of.jobs, 'answer')}")
        for model, of in ordered
    ]


def _cost(cost: RunCost) -> str:
    reported, estimated = cost.reported_ticks, cost.estimated_ticks
    parts = [f"{text.dollars(reported)} reported by the API"] if reported or not estimated else []
    if estimated:
        parts.append(f"{text.dollars(estimated)} estimated")
    if cost.unknown_jobs:
        parts.append(f"unknown for {text.count(cost.unknown_jobs, 'answer')}")
    return ", ".join(parts)


def _budget(budget: BudgetUse) -> str:
    used, reserved = text.dollars(budget.used_ticks), budget.reserved_ticks
    line = f"{used} of {text.dollars(budget.ticks)} used, possible costs included"
    return f"{line}; {text.dollars(reserved)} reserved for answers not collected yet" if reserved else line


def _recoded(results: WrittenFile | UnsetType) -> list[str]:
    note = None if results is UNSET else recoded_note(results)
    return ["", *layout.indented([note])] if note else []


def recoded_note(file: WrittenFile) -> str | None:
    """Return why a labeled table is not in the encoding of its input; None where it is."""
    if file.recoded is UNSET:
        return None
    cells = text.count(file.recoded.cells, "cell has", "cells have")
    return (
        f"note: {plain(file.name)} is in {file.recoded.encoding.upper()}:"
        f" {cells} characters that {file.recoded.table_encoding} lacks"
    )


def _warnings(summary: RunSummary) -> list[str]:
    """Return how many answers came from another model; the summary has them as "asked -> returned"."""
    pairs = summary.models_returned
    lines = [
        f"warning: {text.count(n, 'answer')} came from another model than asked for: "
        f"{one_line(pair, 2 * _ID_LENGTH)}"
        for pair, n in list(pairs.items())[:_CODES_SHOWN]
    ]
    if len(pairs) > len(lines):
        lines.append(f"… and {text.count(len(pairs) - len(lines), 'other pair')} of models")
    return ["", *layout.indented(lines)] if lines else []


def _flawed(summary: RunSummary) -> list[str]:
    """Return the number of flawed answers by flaw, with an example each."""
    found = {flaw: n for flaw, n in asdict(summary.answers).items() if n}
    if not found:
        return []
    groups = [FailureGroup(flaw, n, summary.examples.get(flaw)) for flaw, n in found.items()]
    command = f"runner summary {summary.run} --ids {next(iter(found))}"
    lines = [*group_lines(groups, summary.run), f"to list them: {command}"]
    return ["", "answers to look at", *layout.indented(lines)]
