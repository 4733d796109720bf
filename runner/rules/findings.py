"""What is wrong with a job line, as values: a `Remark` before the line is known, a `Finding` after.

The codes are part of the product: they are only ever added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["refused", "warning"]
Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of one line, told so that a person can mend it.

    `line` and `column` count from 1, the column in characters; `code` is stable kebab-case;
    `reason` says what is wrong and `fix` what to do. A refused line is not loaded, a warning is.
    """

    line: int
    column: int | None
    code: str
    reason: str
    fix: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A fault found in a value, wherever the value stood: one remark serves every line that shares it.

    `path` leads to the spot in the JSON value; `column` is known only where the text was at hand.
    """

    code: str
    reason: str
    fix: str
    severity: Severity = "refused"
    column: int | None = None
    path: Path = ()

    def on(self, line: int, column: int | None = None) -> Finding:
        """Place the remark on a line; `column` counts where the remark has none of its own."""
        return Finding(
            line=line,
            column=self.column or column,
            code=self.code,
            reason=self.reason,
            fix=self.fix,
            severity=self.severity,
        )


def is_refused(remarks: list[Remark]) -> bool:
    """Whether one of them refuses the line."""
    return bool(remarks) and any(remark.severity == "refused" for remark in remarks)
