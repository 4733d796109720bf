"""Knows the form of a file of items by its first row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.counted import listed
from runner.rules.evaluation.suite.suite_items import FieldMap, ItemForm
from runner.tables.table import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_JOB_FIELDS: Final = frozenset({"messages", "prompt", "body"})
_OF_PROGRAMS: Final = frozenset({"entry_point", "canonical_solution"})
_SHOWN_MAX: Final = 12


def form_of(row: Mapping[str, Any], fields: FieldMap, path: Path, *, is_of_lines: bool) -> ItemForm:
    """Return the form of a file by the fields of its first row.

    Raises TableError where it has none of the forms, or its answers would be programs to be run.
    """
    refuse_programs(row, path)
    if fields.input is not None:
        return ItemForm.TABLE
    if "input" in row:
        return ItemForm.OPENAI_EVALS if "ideal" in row else ItemForm.INSPECT
    if is_of_lines and _JOB_FIELDS & row.keys():
        return ItemForm.JOBS
    raise TableError(
        f"{path} has items of no known form; its first row has {listed(list(row), _SHOWN_MAX) or 'no field'}",
        fix='name its columns: [items] with file, input = "COLUMN" and target = "COLUMN"',
    )


def refuse_programs(row: Mapping[str, Any], path: Path) -> None:
    """Raise TableError for a benchmark of programs, as HumanEval: its answers would have to be run."""
    if row.keys() & _OF_PROGRAMS and "test" in row:
        raise TableError(
            f"{path} is a benchmark of programs: its answers would have to be run, and no answer is run here",
            fix="write the answers with runner write, run them in a sandbox of yours, and give the results"
            " back as a file of scores",
        )
