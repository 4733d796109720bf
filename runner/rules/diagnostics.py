"""Diagnostics of job lines: a `Problem` of a value, and the `Diagnostic` that places it on a line.

Codes are part of the public interface: they are added, never renamed or removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["refused", "warning"]
Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem of one line.

    `line` and `column` count from 1, the column in characters; `code` is stable kebab-case; `reason` is
    what is wrong and `fix` what to do. A refused line is not loaded; a line with warnings is.
    """

    line: int
    column: int | None
    code: str
    reason: str
    fix: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem of a value, without the line it is on; lines with the same value share it.

    `path` leads to the spot in the JSON value; `column` is set only if the check had the text.
    """

    code: str
    reason: str
    fix: str
    severity: Severity = "refused"
    column: int | None = None
    path: Path = ()

    def at_line(self, line: int, column: int | None = None) -> Diagnostic:
        """Return the diagnostic on a line; `column` is used if the problem has none of its own."""
        return Diagnostic(
            line=line,
            column=self.column or column,
            code=self.code,
            reason=self.reason,
            fix=self.fix,
            severity=self.severity,
        )


def has_refusal(problems: list[Problem]) -> bool:
    """Return whether one of the problems refuses the line."""
    return bool(problems) and any(problem.severity == "refused" for problem in problems)
