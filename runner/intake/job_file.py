"""Reads a job file once: its good lines as requests, and the diagnostics of all its lines.

`load` inserts the requests, `check` only reports; which lines are good is decided here for both.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from runner.intake.used_ids import UsedIds
from runner.rules import models
from runner.rules.counted import count
from runner.rules.diagnostics import Diagnostic
from runner.rules.other_files.not_jobs import not_jobs
from runner.rules.other_files.other_file import cure_for
from runner.rules.requests.request import Defaults, Request, read_request
from runner.rules.sending.rate_limits import NOT_GIVEN, GivenLimits
from runner.tables.lines import OTHER_FILE, WHOLE_FILE, Line, LineReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.rules.costs.estimate import Tally

DIAGNOSTICS_KEPT: Final = 1_000
DIAGNOSTICS_SHOWN: Final = 20
_MENDED_AT_ONCE: Final = frozenset(
    {"not-utf8", "utf16", "nul-bytes", "foreign-form", "wrong-url", "host-in-url"}
)
_CURED_BY_COMMAND: Final = WHOLE_FILE | {
    *("nul-bytes", "not-utf8", "invalid-json", "cut-line", "json-document", "text-file", "lfs-pointer"),
    *("results-file", "foreign-form", "cr-line-ends", "wrong-url", "host-in-url"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFlags:
    """The flags that decide which requests a file becomes; models and `skip_bad` are part of the identity.

    `model` is for lines that name none, `model_for_all` for every line; `is_model_given`: the first is not
    the default. `limits` are those that were given, which a prompt has to fit.
    """

    model: str = models.DEFAULT
    skip_bad: bool = False
    strict: bool = False
    limits: GivenLimits = NOT_GIVEN
    model_for_all: str | None = None
    is_model_given: bool = False

    @property
    def given_model(self) -> str | None:
        """Return the model of --model; None without that flag, or where no line is left for it."""
        return self.model if self.is_model_given and self.model_for_all is None else None


class JobFileReader:
    """One pass over a job file: iterate over `requests` to the end, then read the other fields.

    Memory stays flat: of `bad_diagnostics` and `warnings` it keeps DIAGNOSTICS_KEPT. `total` is the number of
    good lines, `other_model_total` how many of them name another model than the flags; `is_incomplete` is set
    where a part of the file cannot be read, `is_no_job_file` where it is of another kind: then its only
    diagnostic says of which.
    """

    def __init__(self, source: Path | BinaryIO, flags: LoadFlags, tally: Tally) -> None:
        """Read nothing yet; `tally` adds up the requests as they are read."""
        self.lines = LineReader(source)
        self.total = 0
        self.other_model_total = 0
        self.bad_diagnostics: list[Diagnostic] = []
        self.bad_lines = array("Q")  # all their numbers, ascending; 8 bytes each
        self.is_incomplete = False
        self.is_no_job_file = False
        self.warnings: list[Diagnostic] = []
        self.warnings_total = 0
        self._flags, self._tally = flags, tally
        self._file = str(source) if isinstance(source, Path) else ""
        self._ids = UsedIds()

    @property
    def line_count(self) -> int:
        """Return the number of physical lines read so far."""
        return self.lines.line_count

    @property
    def byte_count(self) -> int:
        """Return the number of stored bytes read so far."""
        return self.lines.byte_count

    @property
    def sha256(self) -> str:
        """Return the hex digest of the stored bytes; of all of them at the end."""
        return self.lines.sha256

    @property
    def bad_total(self) -> int:
        """Return the number of bad lines."""
        return len(self.bad_lines)

    @property
    def can_skip_bad(self) -> bool:
        """Return whether the file can be loaded without its bad lines: it is complete and has good ones."""
        return bool(self.total) and not self.is_incomplete

    @property
    def is_accepted(self) -> bool:
        """Return whether the file may be loaded, by its lines and the flags."""
        bad = self.bad_total and not (self._flags.skip_bad and self.can_skip_bad)
        return not bad and not (self._flags.strict and self.warnings_total)

    @property
    def bad_sentences(self) -> tuple[str, ...]:
        """Return as sentences what the file is instead of a job file; else its first bad lines."""
        if self.is_no_job_file:
            kind = self.bad_diagnostics[0]
            return (f"{kind.reason} [{kind.code}]",)
        return _bad_line_sentences(self.bad_diagnostics, self.bad_total)

    def requests(self) -> Iterator[tuple[Line, Request]]:
        """Yield the good lines with their requests, in order."""
        flags = self._flags
        defaults = Defaults(model=flags.model, limits=flags.limits, model_for_all=flags.model_for_all)
        add_to_tally = self._tally.add
        for item in self.lines:
            if self.is_no_job_file:
                continue  # to the end, for the digest
            if isinstance(item, Diagnostic):
                self._refuse(item)
                continue
            request, diagnostics = read_request(item.raw, item.number, defaults)
            if diagnostics and not (request is None and self._is_other_file(item.number, item.raw)):
                self._note(diagnostics)
            if request is None:
                continue
            duplicate = self._ids.add(request.custom_id, item.number)
            if duplicate is not None:
                self._note([duplicate])
                continue
            self.total += 1
            self.other_model_total += request.names_model and request.model != flags.model
            add_to_tally(request)
            yield item, request
            del item, request  # they may be large, and the next ones are built now

    def _refuse(self, found: Diagnostic) -> None:
        """Note what the line reader found in the place of a line."""
        self.is_incomplete |= found.code in WHOLE_FILE
        self.is_no_job_file = found.code in OTHER_FILE
        begin = self.lines.head.partition(b"\n")[0]
        is_long_document = found.code == "line-too-long" and begin.lstrip()[:1] in (b"{", b"[")
        if not (is_long_document and self._is_other_file(found.line, begin)):
            self._note([found])

    def _is_other_file(self, line: int, raw: bytes) -> bool:
        """Return whether a refused line is the first and shows that this is no job file; then note it."""
        if self.total or self.bad_lines:
            return False
        other = not_jobs(raw, self.lines.head)
        if other is not None:
            self.is_incomplete = self.is_no_job_file = True
            self._note([other.diagnostic(line)])
        return other is not None

    def _note(self, diagnostics: Sequence[Diagnostic]) -> None:
        refused = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "refused"]
        if refused:
            refused = [self._with_command(diagnostic) for diagnostic in refused]
            self.bad_lines.append(refused[0].line)
            if self.is_incomplete:  # the file is damaged, and bad lines before this one may come of that
                self.bad_diagnostics = refused + self.bad_diagnostics
            else:
                self.bad_diagnostics += refused[: max(0, DIAGNOSTICS_KEPT - len(self.bad_diagnostics))]
        else:
            self.warnings_total += len(diagnostics)
            self.warnings += diagnostics[: max(0, DIAGNOSTICS_KEPT - len(self.warnings))]

    def _with_command(self, diagnostic: Diagnostic) -> Diagnostic:
        """Return a diagnostic whose cure names the file, where it is a command."""
        if not self._file or diagnostic.code not in _CURED_BY_COMMAND:
            return diagnostic
        return replace(diagnostic, fix=cure_for(diagnostic.fix, self._file, is_gzip=self.lines.is_gzip))


def _bad_line_sentences(bad: Sequence[Diagnostic], total: int) -> tuple[str, ...]:
    """Return a sentence for each of the first bad lines, and one with the number of the others.

    What one command mends in the whole file is said of its first line, with the number of lines like it.
    """
    counts = Counter(diagnostic.code for diagnostic in bad if diagnostic.code in _MENDED_AT_ONCE)
    seen: set[str] = set()
    lines: list[str] = []
    for diagnostic in bad:
        if diagnostic.code not in seen:
            lines.append(as_sentence(diagnostic, alike=counts[diagnostic.code] - 1))
            seen |= _MENDED_AT_ONCE & {diagnostic.code}
        if len(lines) == DIAGNOSTICS_SHOWN:
            break
    more = total - DIAGNOSTICS_SHOWN - sum(counts[code] - 1 for code in seen)
    return (*lines, f"… and {more:,} more") if more > 0 else tuple(lines)


def as_sentence(diagnostic: Diagnostic, alike: int = 0) -> str:
    """Return a diagnostic as a sentence: where, why, its code, and the fix; `alike` are more such lines."""
    place = f"line {diagnostic.line}" + (f", column {diagnostic.column}" if diagnostic.column else "")
    others = f", as on {count(alike, 'other line')}" if alike > 0 else ""
    return f"{place}: {diagnostic.reason}{others} [{diagnostic.code}]; {diagnostic.fix}"
