"""`runner completion SHELL`: what makes a shell complete commands, flags and the names of runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from runner.rules.redact import plain

if TYPE_CHECKING:
    from runner.settings import Settings

_VARIABLE: Final = "_RUNNER_COMPLETE"
_SHOWN_MAX: Final = 50
_SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion", short_help="Make your shell complete commands, flags and runs.")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print what makes SHELL complete the words of runner: commands, flags, the names of runs.

    \b
    Example, for every new shell:
      echo 'eval "$(runner completion bash)"' >> ~/.bashrc
      echo 'eval "$(runner completion zsh)"' >> ~/.zshrc
      runner completion fish > ~/.config/fish/completions/runner.fish
    """
    from runner.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows these shells
    # bash's own class asks bash for its version, and that may be another bash than the user's
    source = found(cli, {}, "runner", _VARIABLE)
    click.echo(source.source_template % source.source_vars())


def runs(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Give the names of runs that begin so, and ids where a number is begun; nothing where that fails."""
    try:
        found = _names()
    except Exception:  # noqa: BLE001 - a shell that completes must never show an error
        return []
    words = [
        CompletionItem(word, help=f"run {run}, {state}")
        for run, name, state in found
        for word in ([str(run)] if begun.isdigit() else [name])
        if word.startswith(begun) and plain(word) == word
    ]
    return list({item.value: item for item in reversed(words)}.values())[::-1][:_SHOWN_MAX]


def _names() -> list[tuple[int, str, str]]:
    from runner import settings as settings_of

    settings: Settings = settings_of.load(os.environ, Path.cwd())
    if settings.embedded and not (settings.home / "runner.db").exists():
        return []
    from runner.db import runs as on_record
    from runner.db.session import Database

    database = Database(settings.effective_database_url)
    try:
        with database.read() as connection:
            return [(run.id, run.name, str(run.state)) for run in on_record.all_runs(connection)]
    finally:
        database.close()
