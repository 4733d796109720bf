"""Read the database for the completion of a shell: quietly, and without creating anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

Found = TypeVar("Found")


def read_for_completion(
    query: Callable[[Connection], list[Found]], *, is_shared_only: bool = False
) -> list[Found]:
    """Return what a query finds; [] where there is no database, or it cannot be read.

    `is_shared_only`: a state folder has none of it.
    """
    try:
        return _read(query, is_shared_only=is_shared_only)
    except Exception:  # noqa: BLE001 - completion must never show an error
        return []


def _read(query: Callable[[Connection], list[Found]], *, is_shared_only: bool) -> list[Found]:
    from runner import settings as settings_of

    settings = settings_of.load_here()
    if settings.embedded and (is_shared_only or not (settings.home / "runner.db").exists()):
        return []
    from runner.db.session import Database

    database = Database(settings.effective_database_url)
    try:
        with database.read() as connection:
            return query(connection)
    finally:
        database.close()
