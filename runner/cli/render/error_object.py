"""The JSON object of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from runner.rules.json_object import SCHEMA, JsonObject, Schema, about

if TYPE_CHECKING:
    from runner.rules.errors import UserError


class ErrorFacts(JsonObject, frozen=True, kw_only=True):
    """What went wrong."""

    exit_code: Annotated[int, about("docs/commands.md")]
    what: Annotated[str, about("what happened")]
    where: Annotated[list[Annotated[str, about("line")]], about("where and why, a line each")]
    fix: Annotated[str, about("what to do")]


class FailedCommand(JsonObject, frozen=True, kw_only=True):
    """Instead of the object, where a command fails; its exit code says the same."""

    schema: Schema
    error: Annotated[ErrorFacts, about("what went wrong")]


def error_object(error: UserError) -> FailedCommand:
    """Return the object that a failed command prints with --json."""
    facts = ErrorFacts(
        exit_code=int(error.exit_code), what=error.what, where=list(error.where), fix=error.fix or ""
    )
    return FailedCommand(schema=SCHEMA, error=facts)
