"""Complete the names and ids of runs in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from click.shell_completion import CompletionItem

from runner.cli.session.completion.completion_query import read_for_completion
from runner.rules.redact import plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SHOWN_MAX: Final = 50


def complete_runs(incomplete: str) -> list[CompletionItem]:
    """Return run names that begin with `incomplete`, ids if it is a number; [] if none can be read."""
    words = [
        CompletionItem(word, help=f"run {run}, {state}")
        for run, name, state in read_for_completion(_runs)
        for word in ([str(run)] if incomplete.isdigit() else [name])
        if word.startswith(incomplete) and plain(word) == word
    ]
    return list({item.value: item for item in reversed(words)}.values())[::-1][:_SHOWN_MAX]


def _runs(connection: Connection) -> list[tuple[int, str, str]]:
    """Return id, name and state of all runs."""
    from runner.db.runs import runs

    return [(run.id, run.name, str(run.state)) for run in runs.all_runs(connection)]
