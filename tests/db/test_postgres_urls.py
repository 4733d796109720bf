"""URLs of PostgreSQL as other clients write them: what is understood, and what is named."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sqlalchemy import text

from runner.db.session import Database
from runner.rules.errors import UsageError
from runner.rules.servers.postgres_url import with_host_parameters

if TYPE_CHECKING:
    from conftest import PostgresServer


def value(url: str, query: str) -> str:
    """Return the one text that a query selects."""
    with closing(Database(url)) as database, database.read() as connection:
        return str(connection.execute(text(query)).scalar_one())


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
@pytest.mark.parametrize("parameters", ["", "&pgbouncer=true&connection_limit=1&pool_timeout=10"])
def test_other_spellings_are_understood(
    postgres_server: PostgresServer, scheme: str, parameters: str
) -> None:
    """What Prisma says of its own pool chooses no data."""
    url = postgres_server.url("migrated").replace("postgresql+psycopg", scheme) + parameters

    assert value(url, "SELECT current_database()") == "migrated"


def test_the_folder_of_a_socket_as_host(postgres_server: PostgresServer) -> None:
    """As libpq has it in the place of a host."""
    with closing(Database(postgres_server.url("migrated"))) as database:
        folder = quote(str(database.url.query["host"]), safe="")
    assert value(f"postgresql://ann@{folder}/migrated", "SELECT current_database()") == "migrated"
    assert value(f"postgresql://ann@{folder}:5432/migrated", "SELECT current_database()") == "migrated"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        (
            "postgresql://u:p@a:1,b:2/db?sslmode=require",
            "postgresql://u:p@/db?sslmode=require&host=a,b&port=1,2",
        ),
        ("postgresql://u@a,b:2/db", "postgresql://u@/db?host=a,b&port=,2"),
        ("postgresql://a,b", "postgresql://?host=a,b"),
        ("postgresql://u:p@a:1/db", "postgresql://u:p@a:1/db"),
        ("postgresql://u:1,x?w@a/db", "postgresql://u:1,x?w@a/db"),
        ("sqlite:///a,b%20c", "sqlite:///a,b%20c"),
    ],
)
def test_several_hosts_become_parameters(url: str, read: str) -> None:
    """As SQLAlchemy reads them; what may be a password is left alone."""
    assert with_host_parameters(url) == read


def test_a_schema_is_the_search_path(postgres_server: PostgresServer) -> None:
    """Prisma's word for it; options of the URL work as well."""
    with postgres_server.fresh("template1") as url, closing(Database(url)) as owner:
        with owner.write() as connection:
            connection.exec_driver_sql('CREATE SCHEMA "of Ann"')
        assert value(f"{url}&schema=of+Ann", "SELECT current_schema()") == "of Ann"
        assert value(f"{url}&options=-csearch_path%3Dpg_catalog", "SELECT current_schema()") == "pg_catalog"


def test_every_session_has_the_settings(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are set after connecting, over those of the environment."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    url = postgres_server.url("migrated")

    for name, expected in {
        "synchronous_commit": "on",
        "timezone": "UTC",
        "enable_seqscan": "off",
        "jit": "off",
        "idle_in_transaction_session_timeout": "20s",
        "client_encoding": "UTF8",
    }.items():
        assert value(url, f"SELECT current_setting('{name}')") == expected


@pytest.mark.parametrize(
    ("parameter", "fix"),
    [("ssl=true", "sslmode=require"), ("currentSchema=a", "schema=NAME"), ("colour=red", "take it out")],
)
def test_an_unknown_parameter_is_named(parameter: str, fix: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError) as raised:
        Database(f"postgresql://ann@127.0.0.1/a?{parameter}")

    assert raised.value.what.endswith(f"does not know: {parameter.partition('=')[0]}")
    assert fix in raised.value.fix
