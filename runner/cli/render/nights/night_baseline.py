"""What the nights of a suite are compared with, as text and as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render import layout, text
from runner.cli.render.nights.night_history import state_words
from runner.rules.evaluation.gate.pool import POOL_LEAST, pool_of
from runner.rules.evaluation.plain_words import percent
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about
from runner.rules.redact import one_line
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.evaluation.history import HistoryNight

_NAME_LENGTH: Final = 32


class PinnedNight(JsonObject, frozen=True, kw_only=True):
    """A night with a name, for gates with `baseline = "pinned:NAME"`."""

    name: Annotated[str, about("of the baseline")]
    night: Annotated[str, about("SUITE@OCCASION")]


class SuiteBaseline(JsonObject, frozen=True, kw_only=True):
    """`runner baseline`: what the next night of a suite is compared with."""

    schema: Schema
    suite: str
    pool: Annotated[list[str], about("names of the newest accepted nights, oldest first")]
    pinned: list[PinnedNight]
    left_out: Annotated[list[str], about("valid nights that are not accepted, oldest first")]


def baseline_object(suite: str, nights: Sequence[HistoryNight]) -> SuiteBaseline:
    """Return the object of `baseline --json`; `nights` are all of the suite, oldest first."""
    return SuiteBaseline(
        schema=SCHEMA,
        suite=suite,
        pool=[night.name for night in pool_of(nights)],
        pinned=[
            PinnedNight(name=night.pinned_as, night=night.name)
            for night in nights
            if night.pinned_as is not None
        ],
        left_out=[night.name for night in _left_out(nights)],
    )


def baseline_lines(suite: str, nights: Sequence[HistoryNight]) -> list[str]:
    """Return the pool, the pinned nights, and those that could be accepted, in 80 columns."""
    pool, left_out = pool_of(nights), _left_out(nights)
    pinned = [night for night in nights if night.pinned_as is not None]
    lines = [_pool_text(suite, len(pool)), *_table(pool)]
    if pinned:
        lines += ["pinned", *_table(pinned)]
    if left_out:
        name = f"runner baseline {shell_word(suite)} accept {shell_word(_occasion(left_out[-1]))}"
        lines += ["left out, until it is accepted", *_table(left_out), f"  to accept one: {name}"]
    return lines


def _left_out(nights: Sequence[HistoryNight]) -> Sequence[HistoryNight]:
    return [night for night in nights if night.is_valid and not night.is_accepted]


def _pool_text(suite: str, nights: int) -> str:
    name = one_line(suite, _NAME_LENGTH)
    if nights < POOL_LEAST:
        return f"{name}: no baseline yet, {text.count(nights, 'night')} of {POOL_LEAST} accepted"
    return f"{name}: the next night is compared with {text.count(nights, 'night')}"


def _table(nights: Sequence[HistoryNight]) -> list[str]:
    rows = [
        (
            one_line(_occasion(night), _NAME_LENGTH),
            "-" if night.mean is None else percent(night.mean),
            state_words(night.verdict),
            "" if night.pinned_as is None else f"pinned as {one_line(night.pinned_as, _NAME_LENGTH)}",
        )
        for night in nights
    ]
    return layout.indented(layout.table(rows, right=frozenset({1}))) if rows else []


def _occasion(night: HistoryNight) -> str:
    return night.name.rpartition("@")[2]
