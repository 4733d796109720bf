"""Files of other batch services: lines, documents that hold requests, and what is neither."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from runner.intake.foreign_entries import ForeignEntries
from runner.intake.foreign_file import ForeignFileReader
from runner.rules.diagnostics import Diagnostic

if TYPE_CHECKING:
    from pathlib import Path

HELLO = [{"role": "user", "content": "Hello"}]


def request(custom_id: str) -> dict[str, Any]:
    """Return a request of Anthropic's batches."""
    return {"custom_id": custom_id, "params": {"max_tokens": 9, "messages": HELLO}}


def line(value: Any) -> bytes:
    """Return a value as a line."""
    return json.dumps(value).encode() + b"\n"


def entries(content: bytes, **bounds: int) -> list[tuple[int, str]]:
    """Return number and id of each entry; of a refusal its code."""
    found = list(ForeignEntries(io.BytesIO(content), **bounds))
    return [
        (one.line, one.code) if isinstance(one, Diagnostic) else (one.number, _id_in(one.raw))
        for one in found
    ]


def _id_in(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["custom_id"])
    except ValueError:
        return "no JSON"


TWO = [request("a"), request("b")]


@pytest.mark.parametrize(
    "content",
    [
        line(TWO),
        json.dumps(TWO, indent=2).encode(),
        line({"requests": TWO}),
        json.dumps({"requests": TWO}, indent=2).encode(),
        line({"batch_requests": TWO}),
        line({"batch": {"display_name": "x", "input_config": {"requests": {"requests": TWO}}}}),
        line({"batch": {"inputConfig": {"requests": {"requests": TWO}}}}),
        "\n".join(json.dumps(one, indent=2) for one in TWO).encode(),
        line([TWO[0]]) + line({"requests": [TWO[1]]}),
        b"\xef\xbb\xbf" + json.dumps(TWO, indent=1).replace("\n", "\r\n").encode(),
        gzip.compress(json.dumps(TWO, indent=2).encode(), mtime=0),
    ],
)
def test_the_requests_of_a_document_are_numbered(content: bytes) -> None:
    """On one line or on many, as a list or in an object, or one after another."""
    assert entries(content) == [(1, "a"), (2, "b")]


def test_lines_have_the_numbers_of_their_lines() -> None:
    """Blank lines count, as in every message about lines."""
    assert entries(line(TWO[0]) + b"\n" + line(TWO[1])) == [(1, "a"), (3, "b")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (line(TWO[0])[:20] + b"\n" + line(TWO[1]), [(1, "no JSON"), (2, "b")]),
        (line(TWO[0])[:20], [(1, "no JSON")]),
        (json.dumps({"requests": TWO}, indent=2).encode()[:-4], [(1, "bad-document")]),
        ('{"custom_id": "\xe9"}\n{"custom_id": "\xfc"}\n'.encode("latin-1"), [(1, "not-utf8")]),
        (json.dumps(["a", "\xe9"], indent=1, ensure_ascii=False).encode("latin-1"), [(3, "not-utf8")]),
        (b"", [(1, "empty-file")]),
        (gzip.compress(line(TWO[0]), mtime=0)[:-9], [(1, "a"), (2, "bad-gzip")]),
        (b"id,prompt\n1,hello\n2,there\n", [(1, "text-file")]),
        (b"PK\x03\x04 and so on", [(1, "archive")]),
    ],
)
def test_what_is_no_document_is_read_as_lines(content: bytes, found: list[tuple[int, str]]) -> None:
    """One broken line does not take the others along; a broken document is one refusal, not hundreds."""
    assert entries(content) == found


def test_a_document_is_held_up_to_a_bound() -> None:
    """Above it one refusal names the bound and the cure; lines are not held, however many."""
    document = json.dumps({"requests": TWO}, indent=2).encode()
    many = b"".join(line(request(str(n))) for n in range(100))

    assert entries(document, document_bytes_max=100) == [(1, "document-too-large")]
    assert len(entries(many, document_bytes_max=100)) == 100
    (found,) = ForeignEntries(io.BytesIO(document), document_bytes_max=100)
    assert isinstance(found, Diagnostic)
    assert "jq -c" in found.fix


def test_a_pass_counts_what_it_reads(tmp_path: Path) -> None:
    """Forms, changes with their lines and the first of them, refusals, ids that come twice."""
    path = tmp_path / "batch.jsonl"
    lines = [
        line(request("a")),
        line(request("b")),
        line({"custom_id": "c", "body": {"messages": HELLO, "top_k": 3}}),
        line(request("a")),
        line({"key": "g", "request": {"contents": []}}),
        line({"id": "d", "prompt": "x"}),
    ]
    path.write_bytes(b"".join(lines))
    reader = ForeignFileReader(path, None)
    made = [json.loads(one) for one in reader.job_lines()]

    assert [one.get("custom_id", one.get("id")) for one in made] == ["a", "b", "c", "d"]
    assert (reader.read_total, reader.written_total, reader.refused_total) == (6, 4, 2)
    assert [(one.line, one.code) for one in reader.refusals] == [(4, "duplicate-id"), (5, "empty-messages")]
    assert reader.forms == {"anthropic": 2, "job-line": 2}
    counts = {change.field: (count.lines, count.first) for change, count in reader.changes.items()}
    assert counts["max_tokens"] == (2, 1)
    assert counts["top_k"] == (1, 3)
    assert reader.can_skip_bad


def test_the_kinds_of_changes_that_are_kept_are_bounded(tmp_path: Path) -> None:
    """A file in which every line has a field of its own takes no more memory; the rest is counted."""
    path = tmp_path / "odd.jsonl"
    path.write_bytes(
        b"".join(line({"custom_id": str(n), "body": {"messages": HELLO, f"x{n}": 1}}) for n in range(1_005))
    )
    reader = ForeignFileReader(path, None)

    assert len(list(reader.job_lines())) == 1_005
    assert (len(reader.changes), reader.other_changes) == (1_000, 5)


class _Endless(io.RawIOBase):
    """Lines of 10,000 bytes, made as they are read."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._buffer = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._left and len(self._buffer) < len(buffer):
            self._left -= 1
            self._buffer += line({**request(str(self._left)), "note": "x" * 10_000})
        size = min(len(buffer), len(self._buffer))
        buffer[:size], self._buffer = self._buffer[:size], self._buffer[size:]
        return size


def test_memory_is_flat() -> None:
    """Thirty megabytes of lines are converted within a few."""
    reader = ForeignFileReader(io.BufferedReader(_Endless(3_000)), None)
    tracemalloc.start()
    try:
        count = sum(1 for _ in reader.job_lines())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 3_000
    assert peak < 12 * 1024 * 1024
