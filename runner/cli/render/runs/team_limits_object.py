"""The limits of a team that are in force, and where they come from: as lines and as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render import layout
from runner.cli.render.runs.option_text import option_text
from runner.rules.counted import listed
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about
from runner.rules.redact import one_line
from runner.rules.sending.team_limits import LimitSource, hosts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.sending.team_limits import RecordedSetting, TeamLimits

_A_MINUTE: Final = "a minute to each model"
_HOST_LENGTH: Final = 40


class TeamLimitInForce(JsonObject, frozen=True, kw_only=True):
    """One limit of a team."""

    value: Annotated[int | None, about("null is not set: the model's limit holds; 0 is none")]
    source: Annotated[LimitSource, about("`set --team`, the settings of hosts, or the model")]
    hosts: Annotated[list[str], about("whose settings have it; `this machine` is that of the command")]


class TeamLimitsInForce(JsonObject, frozen=True, kw_only=True):
    """What all runs of a team may send together."""

    schema: Schema
    rpm: Annotated[TeamLimitInForce, about(f"requests {_A_MINUTE}")]
    tpm: Annotated[TeamLimitInForce, about(f"tokens {_A_MINUTE}")]


def team_limits_object(limits: TeamLimits, known: Sequence[RecordedSetting]) -> TeamLimitsInForce:
    """Return the limits in force; `known`: the settings of hosts that count."""
    return TeamLimitsInForce(
        schema=SCHEMA, rpm=_limit(limits.rpm, known, "rpm"), tpm=_limit(limits.tpm, known, "tpm")
    )


def team_limits_lines(limits: TeamLimitsInForce) -> list[str]:
    """Return a line for each limit: its value and its source."""
    return layout.facts([(f"team {name}", _text(name, getattr(limits, name))) for name in ("rpm", "tpm")])


def _limit(value: int | None, known: Sequence[RecordedSetting], name: str) -> TeamLimitInForce:
    hosts = hosts_of(value, known, name)
    by_command = LimitSource.MODEL if value is None else LimitSource.COMMAND
    return TeamLimitInForce(
        value=value, source=LimitSource.SETTINGS if hosts else by_command, hosts=list(hosts)
    )


def _text(name: str, limit: TeamLimitInForce) -> str:
    shown = option_text(name, limit.value)
    match limit.source:
        case LimitSource.MODEL:
            return f"{shown}: the limit of the model holds"
        case LimitSource.COMMAND:
            return f"{shown}, by runner set --team"
        case LimitSource.SETTINGS:
            hosts = listed([one_line(host, _HOST_LENGTH) for host in limit.hosts], 1)
            return f"{shown}, by the setting team_{name} of {hosts}"
