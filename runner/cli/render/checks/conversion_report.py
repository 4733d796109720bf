"""The result of `runner convert` as lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.cli.render import layout, text
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.diagnostics import Diagnostic
    from runner.rules.foreign.changes import Change, ChangeKind

_CHANGES_SHOWN: Final = 30
_KINDS_SHOWN: Final = 20  # of refusals, and of warnings
_REASON_LENGTH: Final = 300
_FORM_WORDS: Final = {"job-line": "already job lines"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What became of a file of another service.

    `output` is where the job lines are, None where nothing was written. `in_document`: the input is one
    document, and numbers count its requests instead of lines. `forms` counts the lines of each form;
    `changes` has each with the number of its lines and the first of them, `other_changes` counts the rest.
    """

    file: str
    output: str | None
    in_document: bool
    read: int
    written: int
    forms: Mapping[str, int]
    changes: Sequence[tuple[Change, int, int]]
    other_changes: int
    warnings_total: int
    warnings: Sequence[Diagnostic]
    warnings_shown: Sequence[Diagnostic]
    refused_total: int
    refused: Sequence[Diagnostic]
    refused_shown: Sequence[Diagnostic]
    can_skip_bad: bool

    @property
    def unit(self) -> str:
        """Return what the numbers count."""
        return "request" if self.in_document else "line"


def conversion_lines(result: Conversion) -> list[str]:
    """Return the result as lines of 80 columns."""
    read = text.count(result.read, result.unit)
    forms = ", ".join(
        f"{count:,} {_FORM_WORDS.get(form, form)}" for form, count in sorted(result.forms.items())
    )
    head = f"{plain(result.file)}: {read} read" + (f" ({forms})" if forms else "")
    return [
        *_wrapped(head, ""),
        *_changes(result, "translated"),
        *_changes(result, "dropped"),
        *(_wrapped(f"… and {result.other_changes:,} more changes", "  ") if result.other_changes else []),
        *_diagnostics(result, "warnings", result.warnings, result.warnings_total),
        *_diagnostics(result, _refused_words(result), result.refused, result.refused_total),
        *_wrapped(_ending(result)),
    ]


def _changes(result: Conversion, kind: ChangeKind) -> list[str]:
    changes = [one for one in result.changes if one[0].kind == kind]
    if not changes:
        return []
    lines = [f"  {kind}:"]
    for change, count, first in changes[:_CHANGES_SHOWN]:
        where = text.count(count, result.unit) if count > 1 else f"{result.unit} {first}"
        lines += _wrapped(f"{plain(change.field)}: {plain(change.effect)} ({where})", "    ")
    more = len(changes) - _CHANGES_SHOWN
    return lines + (_wrapped(f"… and {more:,} more, with --json", "    ") if more > 0 else [])


def _refused_words(result: Conversion) -> str:
    if not result.read:
        return "nothing was written"
    left_out = "left out" if result.output is not None else "so nothing was written"
    return f"{text.count(result.refused_total, result.unit)} refused, {left_out}"


def _diagnostics(result: Conversion, head: str, kept: Sequence[Diagnostic], total: int) -> list[str]:
    """Return the diagnostics under a heading; those with the same words are one, with their number."""
    if not kept:
        return []
    groups: dict[tuple[str, str, str], list[Diagnostic]] = {}
    for one in kept:
        groups.setdefault((one.code, one.reason, one.fix), []).append(one)
    lines = [f"  {head}:"]
    for (code, reason, fix), group in list(groups.items())[:_KINDS_SHOWN]:
        more = f" and {len(group) - 1:,} more" if len(group) > 1 else ""
        what = f"{one_line(reason, _REASON_LENGTH)} [{code}]"
        place = f"{result.unit} {group[0].line}{more}"
        sentence = f"{place}: {what}; {fix}" if result.read else what  # else it is about the whole file
        lines += _wrapped(plain(sentence), "    ")
    rest = total - sum(len(group) for group in list(groups.values())[:_KINDS_SHOWN])
    return lines + (_wrapped(f"… and {rest:,} more", "    ") if rest > 0 else [])


def _ending(result: Conversion) -> str:
    if result.output is None:
        skip = "leave these out with --skip-bad, or " if result.can_skip_bad else ""
        fixes = {one.fix for one in result.refused}
        cure = plain(fixes.pop()) if len(fixes) == 1 else "correct the input and run the same command again"
        return f"fix: {skip}{cure}"
    written = text.count(result.written, "job line")
    if result.output == "-":
        return f"{written} made"
    next_step = f"runner check {text.last_word(result.output)}"
    return f"{written} written to {plain(result.output)}; {next_step} shows cost and time"


def _wrapped(line: str, indent: str = "  ") -> list[str]:
    return layout.wrapped(line, layout.WIDTH, indent, f"{indent}  ")
