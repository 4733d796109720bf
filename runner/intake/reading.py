"""One pass over a job file: its good lines as requests, all its faults, and what it adds up to.

`load` writes what it reads, `check` only tells of it; what counts as a good line is decided here for both.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from runner.intake.lines import Line, Lines
from runner.intake.seen_ids import SeenIds
from runner.rules.findings import Finding
from runner.rules.request import Defaults, Request, read_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.rules.estimate import Tally

FINDINGS_KEPT: Final = 1_000
FINDINGS_SHOWN: Final = 20
WHOLE_FILE: Final = frozenset({"bad-gzip", "utf16", "empty-file"})  # what follows is missing: nothing to skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """The flags that shape what a run sends: part of its identity."""

    model: str = "grok-4"
    skip_bad: bool = False
    strict: bool = False
    tpm: float | None = None


class Reading:
    """Iterate `requests` to the end, then ask for the rest. Memory stays flat, whatever the file holds."""

    def __init__(self, source: Path | BinaryIO, shaping: Shaping, tally: Tally) -> None:
        self.lines = Lines(source)
        self.total = 0
        self.bad: list[Finding] = []
        self.bad_lines = array("Q")  # rising; 8 bytes each, so that any number of them is told
        self.is_torn = False
        self.warnings: list[Finding] = []
        self.warnings_total = 0
        self._shaping, self._tally = shaping, tally
        self._seen = SeenIds()

    @property
    def bad_total(self) -> int:
        """Return how many lines are bad."""
        return len(self.bad_lines)

    @property
    def may_skip(self) -> bool:
        """Say whether there is something to load beside the bad lines."""
        return bool(self.total) and not self.is_torn

    @property
    def is_accepted(self) -> bool:
        """Say whether the file may be loaded, by what its lines and the flags say."""
        bad = self.bad_total and not (self._shaping.skip_bad and self.may_skip)
        return not bad and not (self._shaping.strict and self.warnings_total)

    def requests(self) -> Iterator[tuple[Line, Request]]:
        """Yield the good lines, in order."""
        defaults = Defaults(model=self._shaping.model, tpm=self._shaping.tpm)
        count = self._tally.add
        for told in self.lines:
            if isinstance(told, Finding):
                self.is_torn |= told.code in WHOLE_FILE
                self._note([told])
                continue
            request, findings = read_request(told.raw, told.number, defaults)
            if findings:
                self._note(findings)
            if request is None:
                continue
            clash = self._seen.add(request.custom_id, told.number)
            if clash is not None:
                self._note([clash])
                continue
            self.total += 1
            count(request)
            yield told, request
            del told, request  # they may be large, and the next ones are made now

    def _note(self, findings: Sequence[Finding]) -> None:
        refused = [finding for finding in findings if finding.severity == "refused"]
        if refused:
            self.bad_lines.append(refused[0].line)
            self.bad += refused[: max(0, FINDINGS_KEPT - len(self.bad))]
        else:
            self.warnings_total += len(findings)
            self.warnings += findings[: max(0, FINDINGS_KEPT - len(self.warnings))]


def shown(bad: Sequence[Finding], total: int) -> tuple[str, ...]:
    """Tell the first bad lines, one sentence each, and how many more there are."""
    lines = tuple(sentence(finding) for finding in bad[:FINDINGS_SHOWN])
    return lines if total <= FINDINGS_SHOWN else (*lines, f"… and {total - FINDINGS_SHOWN:,} more")


def sentence(finding: Finding) -> str:
    """Tell one finding: where, why, its code, and the cure."""
    place = f"line {finding.line}" + (f", column {finding.column}" if finding.column else "")
    return f"{place}: {finding.reason} [{finding.code}]; {finding.fix}"
