"""`runner completion SHELL`: print the script that makes a shell complete commands, flags and run names."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

_VARIABLE: Final = "_RUNNER_COMPLETE"
_WHOLE_NAMES: Final = (
    "COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}  # else bash splits STEM@OCCASION; npm does so too"
)
_SHELLS: Final = ("bash", "zsh", "fish")


_HELP: Final = """\
Print the script that makes SHELL complete commands, flags and the names of runs.

\b
Example, for every new shell:
  echo 'eval "$(runner completion bash)"' >> ~/.bashrc
  echo 'eval "$(runner completion zsh)"' >> ~/.zshrc
  runner completion fish > ~/.config/fish/completions/runner.fish
"""


@click.command("completion", short_help="Make your shell complete commands, flags and runs.", help=_HELP)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete commands, flags and the names of runs."""
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows these shells
    # not `source()`: for bash it runs a bash to check its version, maybe another one than the user's
    source = found(ctx.find_root().command, {}, "runner", _VARIABLE)
    if shell == "bash":
        click.echo(_WHOLE_NAMES)
    click.echo(source.source_template % source.source_vars())
