"""Complete the names of workers in a shell."""

from __future__ import annotations

from click.shell_completion import CompletionItem

from runner.rules.redact import plain


def complete_nodes(incomplete: str) -> list[CompletionItem]:
    """Return the nodes of live workers that begin with `incomplete`; [] if none can be read."""
    try:
        found = _nodes()
    except Exception:  # noqa: BLE001 - completion must never show an error
        return []
    return [CompletionItem(node) for node in found if node.startswith(incomplete) and plain(node) == node]


def _nodes() -> list[str]:
    """Return the nodes of live workers of shared servers, each once."""
    from runner import settings as settings_of
    from runner.db import workers
    from runner.db.session import Database, clock_ms

    settings = settings_of.load_here()
    if settings.embedded:
        return []
    database = Database(settings.effective_database_url)
    try:
        with database.read() as connection:
            alive = workers.alive(connection, clock_ms(connection) - workers.ALIVE_MS)
            return list(dict.fromkeys(worker.node for worker in alive))
    finally:
        database.close()
