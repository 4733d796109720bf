"""Words that many rows share, stored once: services (model and fingerprint), and labels with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.db import bulk
from runner.db.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

Pair = tuple[str, str]
NO_LABEL: Final[Pair] = ("", "")
_NAME_MAX, _LABEL_MAX, _REASON_MAX = (
    200,
    100,
    500,
)  # characters: both are in an index, and PostgreSQL bounds its entries


def service_ids(connection: Connection, services: Iterable[Pair]) -> dict[Pair, int]:
    """Return ids of pairs that `stored_service` made; new ones are stored."""
    return _ids(connection, "eval_services", ("model", "fingerprint"), services)


def label_ids(connection: Connection, labels: Iterable[Pair]) -> dict[Pair, int]:
    """Return ids of pairs that `stored_label` made; new ones are stored. NO_LABEL has no id."""
    return _ids(connection, "eval_labels", ("label", "reason"), {*labels} - {NO_LABEL})


def stored_service(model: str | None, fingerprint: str | None) -> Pair:
    """Return what a server named, as it is stored: cut to a length, without what is no text."""
    return _cut(model or "", _NAME_MAX), _cut(fingerprint or "", _NAME_MAX)


def stored_label(label: str, reason: str | None) -> Pair:
    """Return a label and a reason as they are stored: cut to a length, without what is no text."""
    if not label and not reason:
        return NO_LABEL
    return _cut(label, _LABEL_MAX), _cut(reason or "", _REASON_MAX)


def _cut(words: str, length: int) -> str:
    return stored_text(words if len(words) <= length else f"{words[: length - 1]}…")


def _ids(
    connection: Connection, table: str, names: tuple[str, str], pairs: Iterable[Pair]
) -> dict[Pair, int]:
    first, second = names
    rows = sorted({*pairs})  # in one order, or two transactions could wait for each other
    columns = [(first, "TEXT"), (second, "TEXT")]
    bulk.execute(
        connection,
        columns,
        rows,
        f"INSERT INTO {table} ({first}, {second}) SELECT {first}, {second} FROM v WHERE {first} IS NOT NULL"
        f" ON CONFLICT ({first}, {second}) DO NOTHING",
    )
    query = (
        f"SELECT t.{first}, t.{second}, t.id FROM v"
        f" JOIN {table} t ON t.{first} = v.{first} AND t.{second} = v.{second}"
    )
    found = map(tuple, bulk.execute(connection, columns, rows, query))
    return {(one, other): pair_id for one, other, pair_id in found}
