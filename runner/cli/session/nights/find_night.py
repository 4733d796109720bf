"""Find a suite and a night of it by what a person calls them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow


def need_suite(connection: Connection, name: str) -> str:
    """Return the name of a suite that has nights. Raises UsageError, with the most similar name."""
    from runner.db.evaluation import nights

    known = nights.suite_names(connection)
    if name not in known:
        fix = (
            f"name one of {', '.join(known)}" if known else "runner eval SUITE.toml measures the first night"
        )
        raise UsageError(f"there are no nights of a suite {name}{_meant(name, known)}", fix=fix)
    return name


def find_night(connection: Connection, suite: str, word: str) -> NightRow:
    """Return a night of a suite by its occasion (the newest one of it) or its name.

    Raises UsageError, with the most similar occasion.
    """
    from runner.db.evaluation import nights

    found = nights.find(connection, suite, word) or nights.find_by_name(connection, word)
    if found is None or found.suite != suite:
        known = [night.occasion for night in reversed(nights.of_suite(connection, suite))]
        fix = f"runner history {suite} shows its nights"
        raise UsageError(f"suite {suite} has no night {word}{_meant(word, known)}", fix=fix)
    return found


def _meant(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
