"""SQL as it was executed, with its values written in: it can be pasted into psql or sqlite3."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

KEPT: Final = 4
_PLACES: Final = {  # of values, as the driver takes them
    "sqlite": re.compile(r"\?"),
    "postgresql": re.compile(r"%(?:%|s|\((?P<name>\w+)\)s)"),
}


def pasteable(dialect: str, statement: str, parameters: Any) -> str:
    """Return a statement with its parameters written in, as psql or sqlite3 takes it."""
    values = iter(() if isinstance(parameters, Mapping) else parameters)

    def written(place: re.Match[str]) -> str:
        if place[0] == "%%":
            return "%"
        name = place.groupdict().get("name")
        return _literal(dialect, parameters[name] if name else next(values))

    return _PLACES[dialect].sub(written, statement) + ";"


@contextmanager
def last_updates(engine: Engine) -> Iterator[deque[str]]:
    """Keep the last UPDATEs of jobs that an engine executes, ready to be pasted."""
    kept: deque[str] = deque(maxlen=KEPT)

    def keep(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, is_many: bool
    ) -> None:
        if "UPDATE jobs" in statement:
            each = parameters if is_many else [parameters]
            kept.extend(pasteable(engine.dialect.name, statement, one) for one in each)

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield kept
    finally:
        event.remove(engine, "before_cursor_execute", keep)


def _literal(dialect: str, value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'" if dialect == "sqlite" else f"'\\x{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
