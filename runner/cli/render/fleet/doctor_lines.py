"""What `doctor` prints of a check and of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, UnsetType, field

from runner.cli.render import layout
from runner.rules.json_object import JsonObject, Schema, about
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Sequence


class CheckOutcome(JsonObject, frozen=True, kw_only=True):
    """One check."""

    name: Annotated[str, about("what was looked at")]
    state: Annotated[Literal["ok", "warning", "failed"], about("how it is")]
    result: Annotated[str, about("what was found")] = field(name="told")
    fix: Annotated[str, about("what to do; empty where nothing")]


class ShownSetting(JsonObject, frozen=True, kw_only=True):
    """One setting."""

    name: Annotated[str, about("its name")]
    shown: Annotated[str, about("its value; secrets hidden")]
    origin: Annotated[str, about("its source")]


class SetUp(JsonObject, frozen=True, kw_only=True):
    """What is set up."""

    schema: Schema
    checks: Annotated[list[CheckOutcome], about("in order")]
    settings: Annotated[list[ShownSetting], about("with --config")] | UnsetType = UNSET


def check_lines(name: str, state: str, result: str, fix: str) -> list[str]:
    """Return the result of a check, and how to fix it if it is not ok."""
    lines = [f"{state:<8} {name}: {plain(result)}"]
    if state != "ok" and fix:
        lines.append(f"         fix: {plain(fix)}")
    return lines


def settings_lines(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return a table of settings: name, value, origin; [] for no rows."""
    if not rows:
        return []
    return ["", *layout.table([(name, plain(value), origin) for name, value, origin in rows])]
