"""Reads a job file once: its good lines as requests, and the diagnostics of all its lines.

`load` inserts the requests, `check` only reports; which lines are good is decided here for both.
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
WHOLE_FILE: Final = frozenset({"bad-gzip", "utf16", "empty-file"})  # the rest is missing: no line to skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """The flags that decide which requests a file becomes; `model` and `skip_bad` are part of the identity.

    `tpm` is the limit in tokens per minute that a request must fit into.
    """

    model: str = "grok-4"
    skip_bad: bool = False
    strict: bool = False
    tpm: float | None = None


class Reading:
    """One pass over a job file: iterate over `requests` to the end, then read the other fields.

    Memory stays flat: of `bad` and `warnings` it keeps the first FINDINGS_KEPT. `total` is the number of
    good lines; `is_torn` is set where a part of the file cannot be read.
    """

    def __init__(self, source: Path | BinaryIO, flags: Shaping, tally: Tally) -> None:
        """Read nothing yet; `tally` adds up the requests as they are read."""
        self.lines = Lines(source)
        self.total = 0
        self.bad: list[Finding] = []
        self.bad_lines = array("Q")  # all their numbers, ascending; 8 bytes each
        self.is_torn = False
        self.warnings: list[Finding] = []
        self.warnings_total = 0
        self._flags, self._tally = flags, tally
        self._ids = SeenIds()

    @property
    def bad_total(self) -> int:
        """Return the number of bad lines."""
        return len(self.bad_lines)

    @property
    def may_skip(self) -> bool:
        """Return whether the file can be loaded without its bad lines: it is complete and has good ones."""
        return bool(self.total) and not self.is_torn

    @property
    def is_accepted(self) -> bool:
        """Return whether the file may be loaded, by its lines and the flags."""
        bad = self.bad_total and not (self._flags.skip_bad and self.may_skip)
        return not bad and not (self._flags.strict and self.warnings_total)

    def requests(self) -> Iterator[tuple[Line, Request]]:
        """Yield the good lines with their requests, in order."""
        defaults = Defaults(model=self._flags.model, tpm=self._flags.tpm)
        count = self._tally.add
        for item in self.lines:
            if isinstance(item, Finding):
                self.is_torn |= item.code in WHOLE_FILE
                self._note([item])
                continue
            request, findings = read_request(item.raw, item.number, defaults)
            if findings:
                self._note(findings)
            if request is None:
                continue
            duplicate = self._ids.add(request.custom_id, item.number)
            if duplicate is not None:
                self._note([duplicate])
                continue
            self.total += 1
            count(request)
            yield item, request
            del item, request  # they may be large, and the next ones are built now

    def _note(self, findings: Sequence[Finding]) -> None:
        refused = [finding for finding in findings if finding.severity == "refused"]
        if refused:
            self.bad_lines.append(refused[0].line)
            self.bad += refused[: max(0, FINDINGS_KEPT - len(self.bad))]
        else:
            self.warnings_total += len(findings)
            self.warnings += findings[: max(0, FINDINGS_KEPT - len(self.warnings))]


def shown(bad: Sequence[Finding], total: int) -> tuple[str, ...]:
    """Return a sentence for each of the first bad lines, and one with the number of the others."""
    lines = tuple(sentence(finding) for finding in bad[:FINDINGS_SHOWN])
    return lines if total <= FINDINGS_SHOWN else (*lines, f"… and {total - FINDINGS_SHOWN:,} more")


def sentence(finding: Finding) -> str:
    """Return a diagnostic as a sentence: where, why, its code, and the fix."""
    place = f"line {finding.line}" + (f", column {finding.column}" if finding.column else "")
    return f"{place}: {finding.reason} [{finding.code}]; {finding.fix}"
