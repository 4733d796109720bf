"""Complete the names of workers in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from runner.cli.session.completion.completion_query import read_for_completion
from runner.rules.redact import plain

if TYPE_CHECKING:
    from sqlalchemy import Connection


def complete_nodes(incomplete: str) -> list[CompletionItem]:
    """Return the nodes of live workers that begin with `incomplete`; [] if none can be read."""
    found = read_for_completion(_nodes, is_shared_only=True)
    return [CompletionItem(node) for node in found if node.startswith(incomplete) and plain(node) == node]


def _nodes(connection: Connection) -> list[str]:
    """Return the nodes of live workers, each once."""
    from runner.db.session import clock_ms
    from runner.db.workers import workers

    alive = workers.alive(connection, clock_ms(connection) - workers.ALIVE_MS)
    return list(dict.fromkeys(worker.node for worker in alive))
