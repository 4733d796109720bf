"""Coverage-guided fuzzing of the line reader: `python line_reader.py [libFuzzer flags] [CORPUS]`.

The reader must never raise. What it accepts, the strict reference accepts too. Each accepted line is in the
input unchanged, and every other line has a diagnostic or is blank.
"""

from __future__ import annotations

import gzip
import io
import sys
from datetime import date
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["runner.intake", "runner.rules"]):
    from runner.intake.job_file import JobFileReader, LoadFlags
    from runner.rules.costs.estimate import Tally
from strict_reference import reference

DAY = date(2026, 11, 1)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MESSAGES = (
    b'"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text"}]}]'
)
SCHEMA = b'{"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}'
SEEDS = (
    b'{"id": "r-1", "prompt": "hi"}\n{"id": "r-2", "messages": [{"role": "user", "content": "\\u00e9"}]}\n',
    b'{"custom_id": "a", "body": {"model": "grok-4.3", %s, "temperature": 0.5}}\r\n\r\n{"prompt": 1}'
    % MESSAGES,
    BYTE_ORDER_MARK
    + b'{"prompt": "a", "response_format": %s, "metadata": {"k": [1e5, -0.0, null]}}' % SCHEMA,
    b'{"prompt": "a", "a": 1, "a": 2}\n{"prompt": NaN}\n{"prompt": "\\ud800"}\n[1]\n{"x": [[[[]]]]}',
    gzip.compress(b'{"id": "z", "prompt": "packed"}\n', mtime=0),
    gzip.compress(b'{"id": "z", "prompt": "cut"}\n', mtime=0)[:-6],
    '{"id": "r"}\n'.encode("utf-16"),
)


def check_input(data: bytes) -> None:
    """Read one input; raise AssertionError where the reader breaks a rule."""
    reading = JobFileReader(io.BytesIO(data), LoadFlags(), Tally(DAY))
    kept = list(reading.requests())
    assert reading.total == len(kept)
    assert len({request.custom_id for _, request in kept}) == len(kept)
    for line, request in kept:
        assert isinstance(reference(line.raw), dict)
        assert isinstance(reference(request.body), dict)
    if not data.startswith(b"\x1f\x8b") and not reading.is_incomplete:
        check_lines(data, {line.number: line.raw for line, _ in kept}, set(reading.bad_lines))


def check_lines(content: bytes, kept: dict[int, bytes], bad: set[int]) -> None:
    """Check that each line is accepted unchanged, bad, or blank."""
    for number, line in enumerate(content.removeprefix(BYTE_ORDER_MARK).split(b"\n"), 1):
        if number in kept:
            assert kept[number] == line.removesuffix(b"\r")
        else:
            assert number in bad or not line.strip()


def main() -> None:
    """Fuzz from SEEDS and the corpus, until the limit given by a libFuzzer flag."""
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for number, seed in enumerate(SEEDS):
        for folder in folders[:1]:
            (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], "-max_len=4096", "-timeout=20", *sys.argv[1:]], check_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
