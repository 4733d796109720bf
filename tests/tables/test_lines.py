"""Numbered lines from bytes of any origin, in flat memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.rules.diagnostics import Diagnostic
from runner.tables.lines import Line, LineReader

if TYPE_CHECKING:
    from pathlib import Path


def read(content: bytes, **options: int) -> list[tuple[int, bytes] | tuple[int, str]]:
    """Return each line of the bytes as (number, bytes), each diagnostic as (number, code)."""
    return [
        (item.number, item.raw) if isinstance(item, Line) else (item.line, item.code)
        for item in LineReader(io.BytesIO(content), **options)
    ]


SPELLINGS = [
    (b"a\nb\n", [(1, b"a"), (2, b"b")]),
    (b"a\nb", [(1, b"a"), (2, b"b")]),
    (b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
    (b"\xef\xbb\xbfa\nb", [(1, b"a"), (2, b"b")]),
    (b"\n\n a\n \t\r\n\nb\n\n", [(3, b" a"), (6, b"b")]),
    (b"\xef\xbb\xbf\na", [(2, b"a")]),
    (b"line\x00\n\xff", [(1, b"line\x00"), (2, b"\xff")]),
]


@pytest.mark.parametrize(("content", "lines"), SPELLINGS)
def test_lines_are_numbered_as_an_editor_numbers_them(content: bytes, lines: list[tuple[int, bytes]]) -> None:
    """A BOM, CRLF, blank lines and a missing last line end are accepted; blank lines count."""
    assert lines == read(content)
    assert lines == read(gzip.compress(content, mtime=0))


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=30).map(lambda line: b"line" + line.replace(b"\n", b""))),
    st.integers(1, 40),
)
def test_however_the_bytes_arrive_the_lines_are_the_same(lines: list[bytes], piece: int) -> None:
    """A pipe gives bytes in pieces of any size; no line is split or joined."""
    content = b"\n".join(lines)
    source = InPieces(content, piece)
    found = [item for item in LineReader(source) if isinstance(item, Line)]

    assert [line.removesuffix(b"\r") for line in lines] == [line.raw for line in found]


class InPieces(io.BytesIO):
    """A source whose reads return at most `piece` bytes, as those of a pipe may."""

    def __init__(self, content: bytes, piece: int) -> None:
        super().__init__(content)
        self.piece = piece

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.piece if size is None or size < 0 else min(size, self.piece))


@pytest.mark.parametrize("content", [b"", b"\n\n \n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_input_without_any_job_is_refused(content: bytes) -> None:
    """An empty file is a mistake, not a run without jobs."""
    assert read(content) == [(1, "empty-file")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named_once(encoding: str) -> None:
    """There is one diagnostic for the file, not one for each line."""
    assert read('{"prompt": "a"}\n{"prompt": "b"}\n'.encode(encoding)) == [(1, "utf16")]


CAPPED = [
    (b"12345\nabc", [(1, b"12345"), (2, b"abc")]),
    (b"123456\nabc", [(1, "line-too-long"), (2, b"abc")]),
    (b"abc\n123456\n123456\nabc\n", [(1, b"abc"), (2, "line-too-long"), (3, "line-too-long"), (4, b"abc")]),
    (b"abc\n" + b"1" * 5_000_000 + b"\nabc", [(1, b"abc"), (2, "line-too-long"), (3, b"abc")]),
    (b"1" * 3_000_000, [(1, "line-too-long")]),
]


@pytest.mark.parametrize(("content", "lines"), CAPPED)
def test_a_line_past_the_cap_is_reported_and_skipped(content: bytes, lines: list[object]) -> None:
    """The lines after it keep their numbers."""
    assert lines == read(content, line_bytes_max=5)


class Endless(io.RawIOBase):
    """A source with one line that never ends; it counts the bytes read."""

    given_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        size = 1 if size is None else size
        self.given_bytes += size
        return b"x" * size


def test_a_line_past_the_cap_is_reported_while_it_is_read() -> None:
    """The diagnostic comes when the cap is passed, not when the line ends."""
    source = Endless()
    finding = next(iter(LineReader(source, line_bytes_max=10_000_000)))  # type: ignore[arg-type]

    assert isinstance(finding, Diagnostic)
    assert finding.code == "line-too-long"
    assert "9 MiB" in finding.reason
    assert source.given_bytes < 13_000_000


def test_memory_stays_flat_beside_a_huge_line() -> None:
    """A line past the cap is not kept in memory, nor are the lines already yielded."""
    content = b"x" * 20_000_000 + b"\n" + b"a line\n" * 100_000
    tracemalloc.start()
    for _ in LineReader(io.BytesIO(content), line_bytes_max=1_000_000):
        pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 13_000_000


NOISE = random.Random(7).randbytes(300_000).hex().encode()


def test_a_truncated_gzip_file_is_reported_where_it_ends() -> None:
    """The complete lines before the cut are yielded; the incomplete one is not."""
    zipped = gzip.compress(b"first\nsecond\n" + NOISE, mtime=0)
    items = read(zipped[:-2000])

    assert items == [(1, b"first"), (2, b"second"), (3, "bad-gzip")]


@pytest.mark.parametrize("damage", [20, -6])
def test_a_damaged_gzip_file_is_reported(damage: int) -> None:
    """Changed bytes in the middle and a wrong checksum are both found."""
    zipped = bytearray(gzip.compress(b"first\n" * 50 + NOISE, mtime=0))
    zipped[damage] ^= 0xFF

    assert read(bytes(zipped))[-1][1] == "bad-gzip"


def test_gzip_members_in_a_row_are_one_file() -> None:
    """`cat a.gz b.gz` makes such a file."""
    assert read(gzip.compress(b"a\n", mtime=0) + gzip.compress(b"b\n")) == [(1, b"a"), (2, b"b")]


@pytest.mark.parametrize(
    "content", [b"a\n\nb", gzip.compress(b"a\nb", mtime=0), "a".encode("utf-16"), b"\x1f\x8bx" + NOISE]
)
def test_the_digest_is_that_of_the_input_as_stored(content: bytes, tmp_path: Path) -> None:
    """It covers the whole input also after an error, from a file and from a pipe."""
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(content)
    for source in (path, io.BytesIO(content), InPieces(content, 7)):
        lines = LineReader(source)
        list(lines)

        assert lines.sha256 == hashlib.sha256(content).hexdigest()
        assert lines.byte_count == len(content)


def test_physical_lines_are_counted() -> None:
    """Blank ones too: progress is shown in lines of the file."""
    lines = LineReader(io.BytesIO(b"a\n\n\nb\n"))
    list(lines)

    assert lines.line_count == 4


def test_a_missing_file_is_an_ordinary_error(tmp_path: Path) -> None:
    """The caller makes a sentence of it, since it knows what the user typed."""
    with pytest.raises(FileNotFoundError):
        list(LineReader(tmp_path / "none.jsonl"))
