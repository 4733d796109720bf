"""Parameters of a PostgreSQL URL that belong to other clients: which mean nothing here, and what to write."""

from __future__ import annotations

from typing import Final

# Prisma's and Supabase's words about their own pool or driver: they choose no data and protect nothing.
OF_OTHER_CLIENTS: Final = frozenset(
    (
        *("pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size"),
        *("supa", "workaround"),
    )
)
SCHEMA: Final = "schema"  # Prisma's word for the one schema of the search path
_INSTEAD: Final = {
    "currentSchema": "write it as schema=NAME",
    "search_path": "write it as schema=NAME",
    "ssl": "write it as sslmode=require",
    "tls": "write it as sslmode=require",
    "sslaccept": "write it as sslmode=verify-full",
    "database": "write it as postgresql://host/name",
    "pool_size": "take it out of the URL",
}


def parameter_fix(name: str) -> str:
    """Return what to write instead of a parameter that libpq does not know."""
    return _INSTEAD.get(name, "take it out of the URL")


def quoted(name: str) -> str:
    """Return a name of a user or a schema as SQL takes it."""
    return '"{}"'.format(name.replace('"', '""'))
