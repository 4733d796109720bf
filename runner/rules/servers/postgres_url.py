"""PostgreSQL URLs as other clients write them: what they mean here, and what to write instead."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

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

_HOST: Final = r"[A-Za-z0-9._%-]*(?::[0-9]+)?"
_WITH_HOSTS: Final = re.compile(  # without a user no @ may follow: it would be that of a password with a ?
    r"(?P<start>postgres[a-z0-9+]*://(?:[^?]*@|(?!.*@)))"
    rf"(?P<hosts>(?=[^/?]*[,%]){_HOST}(?:,{_HOST})*)(?P<path>(?:/[^?]*)?)(?:\?(?P<query>.*))?"
)


def with_host_parameters(url: str) -> str:
    """Return a URL of libpq in the form that SQLAlchemy reads; others as they are.

    Several hosts (`h1:5432,h2:5432`) and the folder of a socket (`%2Frun%2Fpg`) become parameters.
    """
    found = _WITH_HOSTS.fullmatch(url)
    if found is None:
        return url
    pairs = [host.partition(":") for host in found["hosts"].split(",")]
    names, ports = ",".join(unquote(name) for name, _, _ in pairs), ",".join(port for _, _, port in pairs)
    parameters = [
        found["query"],
        f"host={quote(names, safe=',')}",
        f"port={ports}" if ports.strip(",") else "",
    ]
    return f"{found['start']}{found['path']}?{'&'.join(filter(None, parameters))}"


def parameter_fix(name: str) -> str:
    """Return what to write instead of a parameter that libpq does not know."""
    return _INSTEAD.get(name, "take it out of the URL")


def quoted(name: str) -> str:
    """Return a name of a user or a schema as SQL takes it."""
    return '"{}"'.format(name.replace('"', '""'))
