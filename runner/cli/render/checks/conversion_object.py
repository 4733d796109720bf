"""The result of `runner convert` as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from runner.cli.render.checks.check_object import FoundFaults, found_faults
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about

if TYPE_CHECKING:
    from runner.cli.render.checks.conversion_report import Conversion
    from runner.rules.foreign.changes import ChangeKind


class FieldChange(JsonObject, frozen=True, kw_only=True):
    """What became of a field."""

    field: Annotated[str, about("as the input names it")]
    effect: Annotated[str, about("what was written instead, or what its loss may change in the answers")]
    lines: Annotated[int, about("so many have it")]
    first_line: Annotated[int, about("the number of the first of them")]


class ConvertedFile(JsonObject, frozen=True, kw_only=True):
    """What became of a file of another service."""

    schema: Schema
    file: Annotated[str, about("as it was named")]
    output: Annotated[str | None, about("where the job lines are; null where nothing was written")]
    unit: Annotated[
        Literal["lines", "requests"],
        about("what every number of a line here counts: lines, or the requests of one document"),
    ]
    read: Annotated[int, about("lines with a value")]
    written: Annotated[int, about("job lines")]
    forms: Annotated[dict[str, int], about("lines that can be converted, by form; job-line: ours already")]
    translated: Annotated[list[FieldChange], about("fields that are written in another way")]
    dropped: Annotated[list[FieldChange], about("fields that are left out")]
    other_changes: Annotated[int, about("changes beyond the first 1,000 kinds, which are listed")]
    warnings: Annotated[FoundFaults, about("what `runner check` warns of in the job lines")]
    refused: Annotated[FoundFaults, about("lines that cannot be converted, and why")]


def conversion_object(result: Conversion) -> ConvertedFile:
    """Return the object of `convert --json`. Keys are only ever added."""
    return ConvertedFile(
        schema=SCHEMA,
        file=result.file,
        output=result.output,
        unit="requests" if result.in_document else "lines",
        read=result.read,
        written=result.written,
        forms={str(form): count for form, count in sorted(result.forms.items())},
        translated=_changes(result, "translated"),
        dropped=_changes(result, "dropped"),
        other_changes=result.other_changes,
        warnings=found_faults(result.warnings_total, result.warnings_shown),
        refused=found_faults(result.refused_total, result.refused_shown),
    )


def _changes(result: Conversion, kind: ChangeKind) -> list[FieldChange]:
    return [
        FieldChange(field=change.field, effect=change.effect, lines=lines, first_line=first)
        for change, lines, first in result.changes
        if change.kind == kind
    ]
