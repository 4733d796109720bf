"""`runner db upgrade`: bring the database to the schema of this version."""

from __future__ import annotations

from typing import Annotated, Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.session.context import read_settings
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about


class UpgradedDatabase(JsonObject, frozen=True, kw_only=True):
    """The database's schema."""

    schema: Schema
    revision: Annotated[str, about("now")]
    before: Annotated[str | None, about("before; null: empty")]


_COMMAND_HELP: Final = """\
Manage the database.

\b
Example, after installing a new version on shared servers:
  runner db upgrade
"""


@click.group("db", short_help="Manage the database.", help=_COMMAND_HELP)
def command() -> None:
    """Manage the database."""


_UPGRADE_HELP: Final = """\
Bring the database to the schema of this version. Does nothing when it is up to date.

The database of a state folder is upgraded automatically, after a copy. A shared database needs this
command.

\b
Example:
  RUNNER_DATABASE_URL=postgresql://… runner db upgrade
"""


@command.command(
    "upgrade", short_help="Bring the database to the schema of this version.", help=_UPGRADE_HELP
)
@flags.json_flag
def upgrade(*, as_json: bool) -> None:
    """Bring the database to the schema of this version. Does nothing when it is up to date."""
    from runner.db import migrate
    from runner.db.connection import database_checks
    from runner.db.session import Database
    from runner.embedded import upgrade
    from runner.embedded.state_folder import StateFolder

    settings = read_settings()
    if settings.embedded:
        home = StateFolder(settings.home)
        home.prepare()
    database = Database(settings.effective_database_url)
    try:
        before = migrate.revision(database)
        if settings.embedded:
            upgrade.upgrade_if_needed(home, database)
        else:
            migrate.upgrade(database, None)
        database_checks.check(database)
    finally:
        database.close()
    if as_json:
        print_json(UpgradedDatabase(schema=SCHEMA, revision=migrate.HEAD, before=before))
        return
    was = "already" if before == migrate.HEAD else f"now; it was {before or 'empty'}"
    print_escaped(f"the database is at schema {migrate.HEAD} {was}")
