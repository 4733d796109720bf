"""Complete the names and ids of runs in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from click.shell_completion import CompletionItem

from runner.rules.redact import plain

if TYPE_CHECKING:
    from runner.settings import Settings

_SHOWN_MAX: Final = 50


def complete_runs(incomplete: str) -> list[CompletionItem]:
    """Return run names that begin with `incomplete`, ids if it is a number; [] if none can be read."""
    try:
        found = _runs()
    except Exception:  # noqa: BLE001 - completion must never show an error
        return []
    words = [
        CompletionItem(word, help=f"run {run}, {state}")
        for run, name, state in found
        for word in ([str(run)] if incomplete.isdigit() else [name])
        if word.startswith(incomplete) and plain(word) == word
    ]
    return list({item.value: item for item in reversed(words)}.values())[::-1][:_SHOWN_MAX]


def _runs() -> list[tuple[int, str, str]]:
    """Return id, name and state of all runs; creates nothing."""
    from runner import settings as settings_of

    settings: Settings = settings_of.load_here()
    if settings.embedded and not (settings.home / "runner.db").exists():
        return []
    from runner.db import runs
    from runner.db.session import Database

    database = Database(settings.effective_database_url)
    try:
        with database.read() as connection:
            return [(run.id, run.name, str(run.state)) for run in runs.all_runs(connection)]
    finally:
        database.close()
