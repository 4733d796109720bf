"""What a file is that is neither a job file nor a table, and the cure for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from runner.rules.diagnostics import Diagnostic
from runner.rules.shell_words import shell_word

JOBS_FIX: Final = "give the job file: one JSON object a line"  # where nothing can be made of the file
_PLACEHOLDER: Final = re.compile(r"\b(FILE|NEW)\b")
_READ_GZIP: Final = ("gzip ", "runner ")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFile:
    """What a file is: `what` follows "the file is". `code` is stable kebab-case.

    The cure of a job file is `fix`, that of a table is `table_fix` where it differs. In both FILE stands for
    the file, and NEW for the one that a command writes.
    """

    code: str
    what: str
    fix: str
    table_fix: str | None = None

    @property
    def fix_of_table(self) -> str:
        """Return the cure where a table is wanted."""
        return self.fix if self.table_fix is None else self.table_fix

    def diagnostic(self, line: int = 1) -> Diagnostic:
        """Return the diagnostic that refuses the whole file."""
        return Diagnostic(
            line=line,
            column=None,
            code=self.code,
            reason=f"the file is {self.what}",
            fix=self.fix,
            severity="refused",
        )


def cure_for(fix: str, file: str, ending: str = ".jsonl", *, is_gzip: bool = False) -> str:
    """Return a cure that can be typed: `file` is put for FILE, and for NEW a name that is not its own.

    `is_gzip`: the cure is for what is in the file.
    """
    fix = _for_content(fix) if is_gzip else fix
    stem = PurePath(PurePath(file).name.removesuffix(".gz")).stem
    typed = f"./{file}" if file.startswith("-") else file  # which would be read as a flag
    names = {"FILE": shell_word(typed), "NEW": shell_word(f"{stem}.new{ending}")}
    return _PLACEHOLDER.sub(lambda found: names[found[0]], fix)


def _for_content(fix: str) -> str:
    """Return a cure whose command reads the content of a gzip file instead of the file."""
    words, colon, command = fix.partition(": ")
    if "NEW" not in command or command.startswith(_READ_GZIP):
        return fix
    return f"{words}{colon}gzip -dc < FILE | {command.replace('FILE', '/dev/stdin')}"
