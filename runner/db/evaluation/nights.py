"""Nights of suites: begin them, find them, keep their settings, end them with a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import text

from runner.db.evaluation import graders as grader_rows
from runner.db.evaluation import items as item_rows
from runner.db.runs import runs
from runner.rules import occasion as occasion_rules
from runner.rules.evaluation.report.report_summary import summarize
from runner.rules.evaluation.suite.suite import AGAIN
from runner.rules.evaluation.suite.suite_json import suite_variants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from runner.db.evaluation.items import AskedItems

_SELECT = (
    "SELECT n.id, n.suite_id, s.name AS suite, n.occasion, n.repetition, n.name, n.state, n.spec, n.content,"
    " n.options, n.variants, n.created_at_ms, n.ended_at_ms, n.verdict, n.exit_code, n.is_valid,"
    " n.is_accepted, n.pinned_as FROM eval_nights n JOIN eval_suites s ON s.id = n.suite_id"
)


class NightState(StrEnum):
    """Whether a night has its verdict."""

    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class NightRow:
    """One row of the table `eval_nights`. `repetition` numbers the nights of one occasion, from 0.

    `spec` is the Suite, `content` the Content, `options` the settings of the night, all as JSON.
    `variants` are the names of the suite's subjects in their order. `verdict`, `exit_code` and `is_valid`
    are those of the newest verdict.
    """

    id: int
    suite_id: int
    suite: str
    occasion: str
    repetition: int
    name: str
    state: NightState
    spec: bytes
    content: bytes
    options: bytes
    variants: tuple[str, ...]
    created_at_ms: int
    ended_at_ms: int | None
    verdict: str | None
    exit_code: int | None
    is_valid: bool
    is_accepted: bool
    pinned_as: str | None


def begin(
    connection: Connection,
    *,
    suite: str,
    occasion: str,
    new: bool,
    spec: bytes,
    content: bytes,
    options: bytes,
    items: AskedItems,
    graders: Mapping[str, tuple[str, bytes]],
    now_ms: int,
) -> NightRow:
    """Store a night whole; return the newest one of the occasion as it is where there is one, unless `new`.

    `spec` is the Suite as JSON, `content` the Content.
    `graders` are by name, each with its sha256 and its spec as JSON. Item ids are unique.
    """
    suite_id = _lock_suite(connection, suite)
    known = find(connection, suite, occasion)
    if known is not None and not new:
        return known
    night_id = int(
        connection.execute(
            text(
                "INSERT INTO eval_nights (suite_id, occasion, repetition, name, state, created_at_ms,"
                " is_valid, is_accepted, variants, options, content, spec) VALUES (:suite_id, :occasion,"
                " :repetition, :name, 'open', :now, 0, 0, :variants, :options, :content, :spec)"
                " RETURNING id"
            ),
            {
                "suite_id": suite_id,
                "occasion": occasion,
                "repetition": known.repetition + 1 if known else 0,
                "name": _free_name(connection, suite, occasion, known.repetition + 2 if known else 1),
                "now": now_ms,
                "variants": orjson.dumps(suite_variants(spec)).decode(),
                "options": options,
                "content": content,
                "spec": spec,
            },
        ).scalar_one()
    )
    item_rows.put(connection, suite_id, night_id, items)
    grader_rows.put(connection, suite_id, night_id, graders)
    return _one(connection, "n.id = :id", id=night_id)


def find(connection: Connection, suite: str, occasion: str) -> NightRow | None:
    """Return the newest night of an occasion, or None."""
    condition = "s.name = :suite AND n.occasion = :occasion"
    return _first(connection, condition, "n.repetition DESC", suite=suite, occasion=occasion)


def find_by_id(connection: Connection, night_id: int) -> NightRow | None:
    """Return a night, or None."""
    return _first(connection, "n.id = :night", "n.id", night=night_id)


def find_by_name(connection: Connection, name: str) -> NightRow | None:
    """Return the night with a name, SUITE@OCCASION or SUITE@OCCASION.2, or None."""
    return _first(connection, "n.name = :name", "n.id", name=name)


def find_by_run_name(connection: Connection, name: str) -> NightRow | None:
    """Return the night whose first or second measurement has, or will have, a run of this name; or None."""
    stem, mark, word = name.rpartition("@")
    found = find_by_name(connection, name)
    if found is None and stem.endswith(AGAIN):
        found = find_by_name(connection, f"{stem.removesuffix(AGAIN)}{mark}{word}")
    return found


def unfinished(connection: Connection, suite: str) -> list[NightRow]:
    """Return the nights of a suite without a verdict, oldest first."""
    return select(connection, "n.state = 'open' AND s.name = :suite", "n.id", suite=suite)


def of_suite(connection: Connection, suite: str) -> list[NightRow]:
    """Return all nights of a suite, oldest first."""
    return select(connection, "s.name = :suite", "n.id", suite=suite)


def suite_names(connection: Connection) -> list[str]:
    """Return the names of all suites, sorted."""
    return sorted(connection.execute(text("SELECT name FROM eval_suites")).scalars())


def set_options(connection: Connection, night_id: int, options: bytes) -> None:
    """Replace the settings of a night."""
    _update(connection, night_id, "options = :options", options=options)


def set_graders(
    connection: Connection,
    night: NightRow,
    graders: Mapping[str, tuple[str, bytes]],
    *,
    spec: bytes,
    content: bytes,
) -> dict[str, int]:
    """Replace what a night is graded by, before it is graded again; return the graders' ids by name."""
    _update(connection, night.id, "spec = :spec, content = :content", spec=spec, content=content)
    return grader_rows.put(connection, night.suite_id, night.id, graders)


def accept(connection: Connection, night_id: int, is_accepted: bool) -> None:
    """Set whether a night may be in the pool of later ones."""
    _update(connection, night_id, "is_accepted = :is_accepted", is_accepted=int(is_accepted))


def pin(connection: Connection, night_id: int, name: str | None) -> None:
    """Pin a night under a name, which no other night of its suite has from then on; None: unpin it."""
    connection.execute(
        text(
            "UPDATE eval_nights SET pinned_as = NULL WHERE pinned_as = :name"
            " AND suite_id = (SELECT suite_id FROM eval_nights WHERE id = :id)"
        ),
        {"id": night_id, "name": name},
    )
    _update(connection, night_id, "pinned_as = :name", name=name)


def end(
    connection: Connection,
    night_id: int,
    *,
    verdict: str,
    exit_code: int,
    is_valid: bool,
    is_accepted: bool,
    report: bytes,
    now_ms: int,
    is_regrade: bool = False,
) -> bool:
    """Give a night its verdict; return whether this call gave it.

    It does not where the night has ended already, unless `is_regrade`: then a further verdict is added.
    `report` is the NightReport as JSON.
    """
    change = (
        "state = 'ended', verdict = :verdict, exit_code = :exit_code, is_valid = :is_valid,"
        " is_accepted = :is_accepted, ended_at_ms ="
        " CASE WHEN on_end_at_ms >= :now THEN on_end_at_ms + 1 ELSE :now END"  # see `on_end_claims`
    )
    given: dict[str, Any] = {"verdict": verdict, "exit_code": exit_code, "now": now_ms}
    state = NightState.ENDED if is_regrade else NightState.OPEN
    flags = {"is_valid": int(is_valid), "is_accepted": int(is_accepted)}
    if not _update(connection, night_id, change, f" AND state = '{state}'", **given, **flags):
        return False
    summary = summarize(report)
    connection.execute(
        text(
            "INSERT INTO eval_verdicts (night_id, at_ms, verdict, exit_code, mean, measured, answers, ticks,"
            " services, report) VALUES (:id, (SELECT ended_at_ms FROM eval_nights WHERE id = :id), :verdict,"
            " :exit_code, :mean, :measured, :answers, :ticks, :services, :report)"
        ),
        {
            **given,
            "id": night_id,
            "mean": summary.mean,
            "measured": summary.measured,
            "answers": summary.answers,
            "ticks": summary.ticks,
            "services": orjson.dumps(summary.services).decode(),
            "report": report,
        },
    )
    return True


def report(connection: Connection, night_id: int) -> bytes | None:
    """Return the report of the newest verdict as JSON; None where there is none yet."""
    query = text("SELECT report FROM eval_verdicts WHERE night_id = :id ORDER BY id DESC LIMIT 1")
    found = connection.execute(query, {"id": night_id}).scalar_one_or_none()
    return None if found is None else bytes(found)


def _lock_suite(connection: Connection, name: str) -> int:
    """Return the id of a suite, which is created; other transactions that begin a night of it wait."""
    insert = text("INSERT INTO eval_suites (name) VALUES (:name) ON CONFLICT (name) DO NOTHING")
    connection.execute(insert, {"name": name})
    suffix = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
    query = text(f"SELECT id FROM eval_suites WHERE name = :name{suffix}")
    return int(connection.execute(query, {"name": name}).scalar_one())


def _free_name(connection: Connection, suite: str, occasion: str, number: int) -> str:
    """Return the first name from this number on that is free, for the night and for its runs.

    The night or the run of another file or occasion may have it, as those of "a.2" or of SUITE.jsonl.
    """
    while any(
        find_by_run_name(connection, name) or runs.find_by_name(connection, name)
        for stem in (suite, f"{suite}{AGAIN}")
        for name in [occasion_rules.run_name(stem, occasion, number)]
    ):
        number += 1
    return occasion_rules.run_name(suite, occasion, number)


def _update(connection: Connection, night_id: int, change: str, guard: str = "", **values: Any) -> bool:
    statement = text(f"UPDATE eval_nights SET {change} WHERE id = :id{guard}")
    return connection.execute(statement, {"id": night_id, **values}).rowcount == 1


def _one(connection: Connection, condition: str, **values: Any) -> NightRow:
    return _night(connection.execute(text(f"{_SELECT} WHERE {condition}"), values).one())


def _first(connection: Connection, condition: str, order: str, **values: Any) -> NightRow | None:
    query = text(f"{_SELECT} WHERE {condition} ORDER BY {order} LIMIT 1")
    row = connection.execute(query, values).one_or_none()
    return _night(row) if row else None


def select(connection: Connection, condition: str, order: str, **values: Any) -> list[NightRow]:
    """Return the nights of an SQL condition on `eval_nights n` and `eval_suites s`, in order."""
    query = text(f"{_SELECT} WHERE {condition} ORDER BY {order}")
    return [_night(row) for row in connection.execute(query, values)]


def _night(row: Row[Any]) -> NightRow:
    fields = row._asdict()
    fields["state"] = NightState(row.state)
    fields["variants"] = tuple(orjson.loads(row.variants))
    fields |= {name: bool(fields[name]) for name in ("is_valid", "is_accepted")}
    fields |= {name: bytes(fields[name]) for name in ("spec", "content", "options")}
    return NightRow(**fields)
