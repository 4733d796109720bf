"""The smallest masks under which two runs of the same story give the same bytes.

A mask replaces a value and nothing around it: key order, types and spacing stay as they were printed.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_ID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}")
_RUN_MARK: Final = re.compile(rb'"mark": ?"([0-9a-f]{12})"')
_SHA256: Final = re.compile(rb'("sha256": ?")([0-9a-f]{64})"')
_DIGITS: Final = re.compile(rb"\d")
_WHOLE: Final[tuple[re.Pattern[bytes], ...]] = tuple(  # every digit of a match becomes 0
    re.compile(pattern)
    for pattern in (
        rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"',
        rb'"day":"\d{4}-\d\d-\d\d"',
        rb",\d{4}-\d\d-\d\d,",  # the same in CSV
        rb'"created":\d{10}',
        rb"at (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d:\d\d",
    )
)
_PARTS: Final[tuple[tuple[re.Pattern[bytes], bytes], ...]] = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        (rb"paused by [^@\"]+@[^ \"]+ at ", b"paused by USER@HOST at "),
        (rb"at (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ", b"at Day "),
        (rb'("(?:wall_s|latency_p50_s|latency_p95_s)": ?)\d+\.\d+', rb"\g<1>0.0"),
        (rb"(127\.0\.0\.1:)(?!8787)\d+", rb"\g<1>0"),
        (rb'("freed_bytes":)\d+', rb"\g<1>0"),
        (rb"\d[\d,]*\.\d GiB free", b"0.0 GiB free"),
        (rb"runner \d+\.\d+\.\d+[^,]*, Python [\w.+]+, \w+", b"runner 0.0.0, Python 0.0.0, machine"),
        (rb"(SQLite|Redis|Valkey) [\d.]+", rb"\g<1> 0.0.0"),
        (rb"/test_\d+\?host=(?:/|%2F)tmp(?:/|%2F)\w+", b"/test_0?host=PATH"),
        (rb'"private Valkey, [^"]+"', b'"private Valkey, PATH"'),
    )
)
_LIMIT: Final = (r'"limit":\{"model":[^}]*\}', '"limit":null')  # of the last minute, and of a living engine
WHILE_OUT: Final[tuple[tuple[str, str], ...]] = (  # while answers are out, polls go on
    _LIMIT,
    (r'("polls":)\d+', r"\g<1>0"),
    (r'("waiting":)\d+(,"collecting":)\d+', r"\g<1>0\g<2>0"),
    (r'"state":"collecting"', '"state":"waiting"'),
)

_TEAM_LIMIT: Final = (r'"team_limit":\{[^}]*\}', '"team_limit":null')  # of a living engine

REFUSED: Final[tuple[tuple[str, str], ...]] = (  # the pause may be seen before the refusal is counted
    (r'("refused_for_now":)\d+', r"\g<1>0"),
    (r'"pending":0,"submitting":1', '"pending":1,"submitting":0'),
    _LIMIT,
    _TEAM_LIMIT,  # the engine of the command before may still be ending
)
SERVING: Final[tuple[tuple[str, str], ...]] = ((r'"workers":\[\d+,\d+\]', '"workers":[0,0]'),)  # process ids


class Masks:
    """The masks of one story. Ids are numbered in the order in which they first appear.

    `folder`: where the story happens; its path is masked, and so is the SHA-256 of a file in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids: dict[bytes, bytes] = {}
        self._run_marks: dict[bytes, bytes] = {}

    def apply(self, said: bytes, more: Iterable[tuple[str, str]] = ()) -> bytes:
        """Return the masked bytes of an output or a file; `more`: patterns of this step alone."""
        said = said.replace(str(self._folder).encode(), b"FOLDER")
        for found in _RUN_MARK.finditer(said):
            self._run_marks.setdefault(found[1], b"%012d" % (len(self._run_marks) + 1))
        for mark, number in self._run_marks.items():
            said = said.replace(mark, number)
        said = _ID.sub(self._number, said)
        said = _SHA256.sub(self._of_file(), said)
        for whole in _WHOLE:
            said = whole.sub(lambda found: _DIGITS.sub(b"0", found[0]), said)
        for part, by in _PARTS:
            said = part.sub(by, said)
        for pattern, replacement in more:
            said = re.sub(pattern.encode(), replacement.encode(), said)
        return said

    def _number(self, found: re.Match[bytes]) -> bytes:
        number = len(self._ids) + 1
        return self._ids.setdefault(found[0], b"00000000-0000-4000-8000-%012d" % number)

    def _of_file(self) -> Callable[[re.Match[bytes]], bytes]:
        """Return a function that replaces the digest of an output file by the name of the file."""
        names = {
            hashlib.sha256(path.read_bytes()).hexdigest().encode(): path.name.encode()
            for path in sorted(self._folder.glob("*out*.jsonl"))
            if path.stat().st_size
        }
        return lambda found: found[1] + (b"of " + names[found[2]] if found[2] in names else found[2]) + b'"'
