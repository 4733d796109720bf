"""Help is whole, however Python was started."""

from __future__ import annotations

import subprocess
import sys


def test_help_does_not_live_in_docstrings() -> None:
    """`python -OO` leaves them out."""
    program = (
        "from runner.cli.main import ROWS, _import\n"
        "commands = [_import(row.name) for row in ROWS]\n"
        "commands += [below for each in commands for below in getattr(each, 'commands', {}).values()]\n"
        "print([each.name for each in commands if not each.help or 'xample' not in each.help])"
    )
    done = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, check=True)
    assert done.stdout.decode() == "[]\n"
