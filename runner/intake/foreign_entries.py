"""The entries of a file of another batch service: its lines, or the requests that one document holds.

Lines are read one by one. A document is held as a whole, up to DOCUMENT_BYTES_MAX.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from runner.rules.diagnostics import Diagnostic, Problem
from runner.rules.json_text.strict_json import parse_object
from runner.rules.other_files.foreign_document import entries_of_document, holds_requests, is_whole
from runner.rules.other_files.not_jobs import not_jobs
from runner.tables.lines import LINE_BYTES_MAX, Line, LineReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

DOCUMENT_BYTES_MAX: Final = LINE_BYTES_MAX
_OPENING: Final = (b"{", b"[")


class ForeignEntries:
    """The entries of one input, read once. `in_document` is set where they are numbered by their place."""

    def __init__(self, source: Path | BinaryIO, *, document_bytes_max: int = DOCUMENT_BYTES_MAX) -> None:
        """Read nothing yet; the source may be compressed with gzip."""
        self._lines = LineReader(source)
        self._document_bytes_max = document_bytes_max
        self.in_document = False

    @property
    def is_gzip(self) -> bool:
        """Return whether the input is compressed; known once it is read."""
        return self._lines.is_gzip

    def __iter__(self) -> Iterator[Line | Diagnostic]:
        """Yield each entry with its number, and a refusal for what is none. Raises OSError."""
        items = iter(self._lines)
        first = next(items, None)
        if first is None:
            return
        if isinstance(first, Line) and not first.raw.lstrip().startswith(_OPENING):
            other = not_jobs(first.raw, self._lines.head)
            if other is not None:
                yield other.diagnostic()
                return
        if isinstance(first, Diagnostic) or not _may_begin_document(first.raw):
            yield first
            yield from items
        elif holds_requests(first.raw):
            self.in_document = True
            yield from self._numbered(chain([first], items))
        else:
            yield from self._held(first, items)

    def _numbered(self, items: Iterable[Line | Diagnostic]) -> Iterator[Line | Diagnostic]:
        """Yield the requests of documents that stand on a line each."""
        count = 0
        for item in items:
            if isinstance(item, Diagnostic):
                yield item
                continue
            for raw in entries_of_document(item.raw) or [item.raw]:
                count += 1
                yield Line(count, raw)

    def _held(self, first: Line, items: Iterator[Line | Diagnostic]) -> Iterator[Line | Diagnostic]:
        """Yield what a document over many lines holds; the lines themselves where there is none."""
        held, is_whole_file = self._hold(first, items)
        lines = [item.raw for item in held if isinstance(item, Line)]
        is_readable = is_whole_file and len(lines) == len(held)
        found = entries_of_document(b"\n".join(lines)) if is_readable else None
        if found is not None:
            self.in_document = True
            yield from (Line(number, raw) for number, raw in enumerate(found, 1))
        elif len(lines) > 1 and not is_whole(lines[1]):
            yield _bad_document(held) if is_whole_file else _too_large(self._document_bytes_max)
        else:
            yield from held
            yield from items

    def _hold(self, first: Line, items: Iterator[Line | Diagnostic]) -> tuple[list[Line | Diagnostic], bool]:
        """Return all items, or those up to the bound and False."""
        held: list[Line | Diagnostic] = [first]
        byte_count = len(first.raw)
        for item in items:
            held.append(item)
            byte_count += len(item.raw) + 1 if isinstance(item, Line) else 0
            if byte_count > self._document_bytes_max:
                return held, False
        return held, True


def _may_begin_document(line: bytes) -> bool:
    """Return whether a first line is no whole object, or one that holds requests."""
    return not is_whole(line) or holds_requests(line)


def _too_large(bytes_max: int) -> Diagnostic:
    reason = f"the document is larger than {bytes_max >> 20} MiB, which is as much as is held at once"
    return _refused("document-too-large", reason, "write a line for each request: jq -c '.requests[]' FILE")


def _bad_document(held: Iterable[Line | Diagnostic]) -> Diagnostic:
    """Return why these lines are no document; jq reads other encodings than UTF-8 without a word."""
    for line in held:
        if isinstance(line, Line) and not _is_utf8(line.raw):
            problem = parse_object(line.raw)
            assert isinstance(problem, Problem)  # noqa: S101 - JSON is UTF-8
            return problem.at_line(line.number)
    reason = "the file is neither lines of JSON nor one JSON document"
    return _refused("bad-document", reason, "jq . FILE shows where it is broken")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refused(code: str, reason: str, fix: str) -> Diagnostic:
    return Diagnostic(line=1, column=None, code=code, reason=reason, fix=fix, severity="refused")
