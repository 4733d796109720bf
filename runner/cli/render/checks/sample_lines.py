"""A few rows of a labeled table for people: the text on the left, the labels beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from runner.cli.render import text
from runner.cli.render.folded_text import folded
from runner.cli.render.text_cells import padded
from runner.cli.render.text_cells import width as cell_width
from runner.rules.labels.row_status import RowStatus
from runner.rules.printed_id import printed_id
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.render.checks.sample_object import SampledTableRow, TableSample

WIDTH_MIN: Final = 50
WIDTH_MAX: Final = 160  # longer lines are hard to read
_GAP: Final = "  "
_TEXT_LINES: Final = 4  # of a prompt, or of the only column
_CELL_LINES: Final = 2  # of one of several columns
_LABEL_LINES: Final = 2
_ERROR_LINES: Final = 4
_NAME_LENGTH: Final = 20
_LABELS_MIN: Final = 24  # cells; an error is a sentence
_ID_LENGTH: Final = 40


class _Widths(NamedTuple):
    """Cells of each column, gaps apart."""

    row: int
    status: int
    text: int
    labels: int
    name: int  # of a label, within its column


def sample_lines(sample: TableSample, chosen: str, width: int) -> list[str]:
    """Return a sample as lines of at most `width` cells; `chosen` says in words which rows were asked for."""
    shown, matching = len(sample.rows), text.count(sample.matching, "row")
    heading = f"run {sample.run}, {plain(sample.name)}: "
    if not sample.rows:
        return [f"{heading}no {plain(chosen)}; runner summary {sample.run} counts them"]
    what = chosen.removeprefix("rows")
    if shown < sample.matching:
        heading += f"{shown:,} of {matching}{plain(what)}, chosen by seed {sample.seed}"
    else:
        heading += f"{matching}{plain(what)}"
    widths = _widths(sample, max(WIDTH_MIN, min(width, WIDTH_MAX)))
    blocks = [_block(row, widths) for row in sample.rows]
    gap = [""] if any(len(block) > 1 for block in blocks) else []
    lines = [heading, "", _line(("row", "status", _text_heading(sample), "labels"), widths)]
    for nth, block in enumerate(blocks):
        lines += [*(gap if nth else []), *block]
    return [*lines, *_command_line(sample)]


def _widths(sample: TableSample, width: int) -> _Widths:
    """Return the widths: of what numbers, statuses and labels need, and the rest for the text."""
    labels = [row.labels for row in sample.rows if row.labels]
    name = max((cell_width(_name(name)) for found in labels for name in found), default=0)
    needed = max((cell_width(_value(value)) for found in labels for value in found.values()), default=0)
    number = max(len("row"), *(len(f"{row.row:,}") for row in sample.rows))
    status = max(len("status"), *(len(row.status.value) for row in sample.rows))
    left = width - number - status - 3 * len(_GAP)
    beside = min(max(name + len(_GAP) + needed, _LABELS_MIN), left // 2)
    return _Widths(number, status, left - beside, beside, min(name, beside // 2))


def _block(row: SampledTableRow, widths: _Widths) -> list[str]:
    """Return the lines of one row."""
    texts, beside = _texts(row, widths.text), _beside(row, widths)
    height = max(len(texts), len(beside), 1)
    columns = ([f"{row.row:,}"], [row.status.value], texts, beside)
    number, status, left, right = (lines + [""] * (height - len(lines)) for lines in columns)
    return [_line(parts, widths) for parts in zip(number, status, left, right, strict=True)]


def _line(parts: tuple[str, str, str, str], widths: _Widths) -> str:
    number, status, left, right = parts
    cells = (number.rjust(widths.row), status.ljust(widths.status), padded(left, widths.text), right)
    return _GAP.join(cells).rstrip()


def _texts(row: SampledTableRow, width: int) -> list[str]:
    """Return the cells of a row, with the names of their columns where there are several; or its prompt."""
    if row.cells is None:
        return folded(row.prompt or "", width, _TEXT_LINES)
    if len(row.cells) == 1:
        return folded(next(iter(row.cells.values())), width, _TEXT_LINES)
    lines = []
    for column, cell in row.cells.items():
        lines += folded(f"{one_line(column, _NAME_LENGTH)}: {cell}", width, _CELL_LINES)
    return lines


def _beside(row: SampledTableRow, widths: _Widths) -> list[str]:
    """Return the labels of a row, else why it has none."""
    if row.labels is None:
        return folded(row.error or "", widths.labels, _ERROR_LINES) if row.error else []
    lines = []
    for name, value in row.labels.items():
        width = widths.labels - widths.name - len(_GAP)
        first, *others = folded(_value(value), width, _LABEL_LINES)
        (shown,) = folded(_name(name), widths.name, 1)
        lines.append(f"{padded(shown, widths.name)}{_GAP}{first}".rstrip())
        lines += [f"{' ' * widths.name}{_GAP}{other}" for other in others]
    return lines


def _text_heading(sample: TableSample) -> str:
    columns: Mapping[str, str] | None = sample.rows[0].cells
    if columns is None:
        return "prompt"
    return one_line(next(iter(columns)), _NAME_LENGTH) if len(columns) == 1 else "columns"


def _command_line(sample: TableSample) -> list[str]:
    """Return the command that shows one row in full: one without labels, if there is one."""
    known = [row for row in sample.rows if row.custom_id is not None]
    without = [row for row in known if row.status is not RowStatus.OK]
    for row in (without or known)[:1]:
        return ["", f"in full: runner show {sample.run} {text.last_word(printed_id(row.custom_id or ''))}"]
    return []


def _name(name: str) -> str:
    return one_line(name, _NAME_LENGTH)


def _value(value: Any) -> str:
    """Return a label as a text: a list by its items, null, yes and no in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "(none)"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
