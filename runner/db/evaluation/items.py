"""Items of suites: each version is stored once, and a night lists the versions that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from runner.db import bulk
from runner.rules.evaluation.report.night_facts import ItemChanges
from runner.rules.evaluation.suite.item_json import decode_cluster, decode_item, encode_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.rules.evaluation.suite.item import Item

_PAGE: Final = 1_000  # rows that are read at a time


class AskedItems(NamedTuple):
    """Items, and the names of the metadata that templates of the suite print."""

    items: Sequence[Item]
    printed: Sequence[str] = ()


def put(connection: Connection, suite_id: int, night_id: int, night: AskedItems) -> None:
    """Store the items of a night in their order.

    An item whose cluster or metadata alone have changed is the same version, with its newest content; but
    metadata that is printed is part of what is asked.
    """
    items = night.items
    hashes = _version_hashes(connection, suite_id, items, night.printed)
    columns = [("key", "TEXT"), ("sha256", "BYTEA"), ("content", "BYTEA"), ("suite_id", "INT")]
    rows = [
        (item.id, sha256, encode_item(item), suite_id) for item, sha256 in zip(items, hashes, strict=True)
    ]
    bulk.execute(
        connection,
        columns,
        rows,
        "INSERT INTO eval_items (suite_id, key, sha256, content)"
        " SELECT suite_id, key, sha256, content FROM v WHERE key IS NOT NULL"
        " ON CONFLICT (suite_id, key, sha256) DO UPDATE SET content = excluded.content"
        " WHERE eval_items.content <> excluded.content",
    )
    bulk.execute(
        connection,
        [("night_id", "INT"), ("position", "INT"), ("suite_id", "INT"), ("key", "TEXT"), ("sha256", "BYTEA")],
        [(night_id, n, suite_id, key, sha256) for n, (key, sha256, _, _) in enumerate(rows)],
        "INSERT INTO eval_night_items (night_id, position, item_id)"
        " SELECT v.night_id, v.position, i.id FROM v JOIN eval_items i"
        " ON i.suite_id = v.suite_id AND i.key = v.key AND i.sha256 = v.sha256",
    )


def _version_hashes(
    connection: Connection, suite_id: int, items: Sequence[Item], printed: Sequence[str]
) -> list[bytes]:
    """Return the hash of the version that each item is.

    The first values of printed metadata have the hash without metadata, so that a version stays the same one
    when a template begins to print what was there before; other values have hashes of their own.
    """
    plain = [bytes.fromhex(item.sha256) for item in items]
    if not printed:
        return plain
    found = bulk.execute(
        connection,
        [("suite_id", "INT"), ("key", "TEXT"), ("sha256", "BYTEA")],
        [(suite_id, item.id, sha256) for item, sha256 in zip(items, plain, strict=True)],
        "SELECT i.key, i.content FROM v JOIN eval_items i"
        " ON i.suite_id = v.suite_id AND i.key = v.key AND i.sha256 = v.sha256",
    )
    stored = {key: decode_item(bytes(content)).printed(printed) for key, content in map(tuple, found)}
    return [
        sha256
        if stored.get(item.id, own := item.printed(printed)) == own
        else bytes.fromhex(item.sha256_with(printed))
        for item, sha256 in zip(items, plain, strict=True)
    ]


def hashes_of(connection: Connection, night_id: int) -> dict[str, str]:
    """Return the hash of the version of each item of a night, by its id in the suite."""
    query = text(
        "SELECT i.key, i.sha256 FROM eval_night_items n JOIN eval_items i ON i.id = n.item_id"
        " WHERE n.night_id = :night"
    )
    rows = connection.execute(query, {"night": night_id})
    return {key: bytes(sha256).hex() for key, sha256 in rows}


def items_of(connection: Connection, night_id: int) -> list[tuple[int, Item]]:
    """Return the items of a night with their database ids, in the night's order."""
    query = text(
        "SELECT i.id, i.content FROM eval_night_items n JOIN eval_items i ON i.id = n.item_id"
        " WHERE n.night_id = :night ORDER BY n.position"
    )
    rows = connection.execute(query, {"night": night_id})
    return [(item_id, decode_item(bytes(content))) for item_id, content in rows]


class ItemPlace(NamedTuple):
    """An item of a night without its content: its database id, its id in the suite, its cluster."""

    item_id: int
    key: str
    cluster: str | None


def item_places(connection: Connection, night_id: int) -> list[ItemPlace]:
    """Return the items of a night without their contents, in the night's order."""
    query = text(
        "SELECT i.id, i.key, i.content FROM eval_night_items n JOIN eval_items i ON i.id = n.item_id"
        " WHERE n.night_id = :night AND n.position >= :first AND n.position < :end ORDER BY n.position"
    )
    found: list[ItemPlace] = []
    while True:  # page by page: contents may be large
        values = {"night": night_id, "first": len(found), "end": len(found) + _PAGE}
        rows = connection.execute(query, values).all()
        found += [ItemPlace(item_id, key, decode_cluster(bytes(content))) for item_id, key, content in rows]
        if len(rows) < _PAGE:
            return found


def changes_since(connection: Connection, night_id: int, earlier_night_id: int) -> ItemChanges:
    """Return the items of a night beside those of an earlier one, by their ids in the suite, sorted."""
    versions = (
        "SELECT item_id, MIN(night_id) AS night_id FROM eval_night_items"
        " WHERE night_id IN (:night, :earlier) GROUP BY item_id HAVING COUNT(*)"
    )
    values = {"night": night_id, "earlier": earlier_night_id}
    same = connection.execute(text(f"SELECT COUNT(*) FROM ({versions} = 2) AS v"), values).scalar_one()
    query = text(f"SELECT v.night_id, i.key FROM ({versions} = 1) v JOIN eval_items i ON i.id = v.item_id")
    keys: dict[int, set[str]] = {night_id: set(), earlier_night_id: set()}
    for night, key in connection.execute(query, values):
        keys[night].add(key)
    now, before = keys[night_id], keys[earlier_night_id]
    return ItemChanges(
        same=same,
        added=sorted(now - before),
        removed=sorted(before - now),
        changed=sorted(now & before),
    )
