"""Bad and unusual files: what `check`, `load` and `load --skip-bad` print; nothing of a bad file is loaded.

The commands are called in this process, through the command line's entry point, since there are many files.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_calls import run_command

from runner.cli.main import call

GOOD = b'{"id": "%s", "model": "grok-4.3", "prompt": "Say so."}'
A, B, C = (GOOD % name for name in (b"a", b"b", b"c"))
BATCH = (
    b'{"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "grok-4.3", %s}}'
)
HELLO = b'"messages": [{"role": "user", "content": "hi"}]'
TOOLS = b", ".join([b'{"type": "web_search"}'] * 351)
WITHIN_S = 240.0
BOMB = gzip.compress(b"0" * (80 << 20))


@dataclass(frozen=True, slots=True)
class Bad:
    """A file that is refused, with the diagnostics expected: (line, column or 0 for any, code)."""

    content: bytes
    named: tuple[tuple[int, int, str], ...]
    rest: int = 2  # jobs that --skip-bad loads; 0 where the whole file is refused


def between(line: bytes, code: str, column: int = 0) -> Bad:
    """Return a file with a bad line between two good ones."""
    return Bad(b"\n".join((A, line, C)) + b"\n", ((2, column, code),))


def body(fields: bytes, code: str, column: int = 0) -> Bad:
    """Return a file with a bad line in batch form between two good ones."""
    return between(BATCH % fields, code, column)


REFUSED = {
    # the file as a whole
    "empty": Bad(b"", ((1, 0, "empty-file"),), 0),
    "only a byte order mark": Bad(b"\xef\xbb\xbf", ((1, 0, "empty-file"),), 0),
    "blank lines only": Bad(b"\n \n\t\r\n", ((1, 0, "empty-file"),), 0),
    "UTF-16, little end first": Bad(A.decode().encode("utf-16"), ((1, 0, "utf16"),), 0),
    "UTF-16, big end first": Bad(b"\xfe\xff" + A.decode().encode("utf-16-be"), ((1, 0, "utf16"),), 0),
    "UTF-16 without a mark": Bad(A.decode().encode("utf-16-le"), ((1, 0, "utf16"),), 0),
    "gzip cut short": Bad(gzip.compress(A + b"\n" + B * 500)[:-20], ((2, 0, "bad-gzip"),), 0),
    "gzip that is none": Bad(b"\x1f\x8bhello", ((1, 0, "bad-gzip"),), 0),
    "a bomb of gzip": Bad(BOMB, ((1, 0, "line-too-long"),), 0),
    "one line above 64 MiB": Bad(
        A + b'\n{"prompt": "' + b"x" * (64 << 20) + b'"}\n' + C, ((2, 0, "line-too-long"),)
    ),
    # lines that are no strict JSON
    "cut in its last line": Bad(A + b"\n" + C + b"\n" + B[:-9], ((3, 0, "cut-line"),)),
    "Latin-1": between(b'{"prompt": "caf\xe9"}', "not-utf8", 16),
    "a NUL byte": between(b'{"prompt": "a\0b"}', "invalid-json", 14),
    "no object": between(b'["a"]', "not-an-object", 1),
    "two objects": between(b'{"prompt": "a"}{"prompt": "b"}', "invalid-json", 16),
    "a comma missing": between(b'{"id": "b" "prompt": "b"}', "invalid-json", 12),
    "a key twice": between(b'{"prompt": "a", "prompt": "b"}', "duplicate-key", 17),
    "NaN": between(b'{"prompt": "a", "top_p": NaN}', "not-finite", 26),
    "minus infinity": between(b'{"prompt": "a", "top_p": -Infinity}', "not-finite", 26),
    "a number above every float": between(b'{"prompt": "a", "seed": 1e400}', "not-finite", 25),
    "a number of 4,001 digits": between(b'{"prompt": "a", "seed": ' + b"1" * 4001 + b"}", "long-number", 25),
    "10,000 levels": between(b'{"prompt": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "depth", 111),
    "half a surrogate pair": between(b'{"prompt": "a\\ud800b"}', "lone-surrogate", 12),
    # lines that are no job
    "an id twice": Bad(b"\n".join((A, C, B, A)), ((4, 0, "duplicate-id"),), 3),
    "an id that another line would get": Bad(
        GOOD % b"line-2" + b'\n{"prompt": "b"}', ((2, 0, "duplicate-id"),), 1
    ),
    "no messages": body(b'"seed": 1', "missing-messages"),
    "empty messages": body(b'"messages": []', "empty-messages"),
    "unknown role": body(b'"messages": [{"role": "usr", "content": "a"}]', "unknown-role"),
    "deferred false": body(HELLO + b', "deferred": false', "deferred-in-body"),
    "stream": body(HELLO + b', "stream": true', "stream"),
    "n of 5": body(HELLO + b', "n": 5', "several-choices"),
    "live search": body(HELLO + b', "search_parameters": {}', "search-parameters"),
    "a penalty": body(HELLO + b', "presence_penalty": 1', "penalty-rejected"),
    "stop": body(HELLO + b', "stop": ["x"]', "stop-rejected"),
    "351 tools": body(HELLO + b', "tools": [' + TOOLS + b"]", "too-many-tools"),
    "another endpoint": between(b'{"url": "/v1/embeddings", "body": {}}', "wrong-url"),
    "another host": between(b'{"url": "https://evil.test/v1", "body": {}}', "host-in-url"),
    "another method": between(b'{"method": "GET", "body": {}}', "wrong-method"),
    "headers": between(b'{"headers": {}, "prompt": "a"}', "headers-in-line"),
}  # fmt: skip

ACCEPTED = {
    "no final newline": (A + b"\n" + B, 2),
    "CRLF": (A + b"\r\n" + B + b"\r\n", 2),
    "byte order mark": (b"\xef\xbb\xbf" + A + b"\n", 1),
    "blank lines": (b"\n\n" + A + b"\n \t\n" + B + b"\n\n", 2),
    "gzip": (gzip.compress(A + b"\n" + B), 2),
    "gzip members in a row": (gzip.compress(A + b"\n" + B[:9]) + gzip.compress(B[9:] + b"\n" + C), 3),
    "ids that differ by case, form and space": (
        b"\n".join(GOOD % name for name in (b"a", b"A", b"a ", "é".encode(), "e\u0301".encode())),
        5,
    ),
    "n of 1": (BATCH % (HELLO + b', "n": 1'), 1),
    "stream false": (BATCH % (HELLO + b', "stream": false'), 1),
    "escaped NUL in a prompt": (b'{"prompt": "a\\u0000b"}', 1),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder of the commands; it has its own state folder."""
    for name in [name for name in os.environ if name.startswith(("RUNNER_", "XAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def row_counts(folder: Path) -> dict[str, int]:
    """Return the numbers of rows in the tables that loading writes."""
    database = sqlite3.connect(folder / "home" / "runner.db")
    try:
        return {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("runs", "jobs")
        }
    finally:
        database.close()


def diagnostics_in(output: str) -> set[tuple[int, int, str]]:
    """Return the diagnostics that a command printed, as (line, column or 0, code)."""
    found = re.findall(r"line (\d+)(?:, column (\d+))?: .*? \[([a-z0-9-]+)\]; \w", " ".join(output.split()))
    of_files = re.findall(r"the file is [^\[]*? \[([a-z0-9-]+)\] fix: \w", " ".join(output.split()))
    return {(int(line), int(column or 0), code) for line, column, code in found} | {
        (1, 0, code) for code in of_files
    }


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_refused_with_line_column_code_and_cure(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """`check` and `load` report the same lines; nothing is loaded, and the file is unchanged."""
    bad = REFUSED[name]
    (folder / "jobs.jsonl").write_bytes(bad.content)

    for command in ("check", "load"):
        assert call([command, "jobs.jsonl"]) == 3
        out, err = capsys.readouterr()
        found = diagnostics_in(out + err)
        for line, column, code in bad.named:
            assert any((at, why) == (line, code) and column in (0, there) for at, there, why in found), found
        assert len({line for line, _, _ in found}) == len(bad.named)
        assert "Traceback" not in out + err
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out + err)
    assert "nothing was loaded" in err
    assert row_counts(folder) == {"runs": 0, "jobs": 0}
    assert (folder / "jobs.jsonl").read_bytes() == bad.content


@pytest.mark.parametrize("name", [name for name, bad in REFUSED.items() if "64 MiB" not in name])
def test_the_rest_of_a_bad_file_is_loaded_where_that_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The bad lines are written aside unchanged; a file that is broken as a whole is still refused."""
    bad = REFUSED[name]
    (folder / "jobs.jsonl").write_bytes(bad.content)
    code = call(["load", "jobs.jsonl", "--skip-bad"])
    err = capsys.readouterr().err

    assert code == (0 if bad.rest else 3), err
    assert row_counts(folder) == {"runs": int(bad.rest > 0), "jobs": bad.rest}
    aside = folder / "jobs.bad.jsonl"
    if bad.rest:
        lines = bad.content.split(b"\n")
        assert aside.read_bytes() == b"".join(lines[line - 1] + b"\n" for line, _, _ in bad.named)
        assert f"skipped {len(bad.named)} bad line" in err
    else:
        assert not aside.exists()


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_unusual_file_is_loaded_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """`check` counts and `load` loads every line."""
    content, jobs = ACCEPTED[name]
    (folder / "jobs.jsonl").write_bytes(content)

    assert call(["check", "jobs.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"] == jobs
    assert call(["load", "jobs.jsonl"]) == 0
    assert row_counts(folder) == {"runs": 1, "jobs": jobs}


def test_all_bad_lines_are_counted_and_the_first_twenty_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sixty of a hundred lines are bad."""
    (folder / "jobs.jsonl").write_bytes(
        b"\n".join(b"{oops" if n % 5 < 3 else b'{"prompt": "a"}' for n in range(100))
    )
    assert call(["load", "jobs.jsonl"]) == 3
    err = capsys.readouterr().err

    assert "60 bad lines" in err
    assert len(diagnostics_in(err)) == 20
    assert "and 40 more" in err


@pytest.mark.parametrize("command", ["check", "load", "run"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "zero", "null", "missing", "dangling"])
def test_what_is_no_file_is_refused_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, kind: str
) -> None:
    """A pipe without a writer would hang, /dev/zero never ends."""
    path = folder / "jobs.jsonl"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind != "missing":
        path.symlink_to(f"/dev/{kind}")
    assert call([command, "jobs.jsonl", *(["--yes"] if command == "run" else [])]) == 2
    err = capsys.readouterr().err

    assert err.startswith("error: ")
    assert "jobs.jsonl" in err
    assert "fix: " in err
    assert len(err.splitlines()) <= 6


def test_a_link_and_a_name_with_a_newline_are_names_like_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newline in a name is printed without control characters."""
    (folder / "real.jsonl").write_bytes(A)
    (folder / "link.jsonl").symlink_to("real.jsonl")
    assert call(["load", "link.jsonl"]) == 0
    (folder / "two\nlines\x1b[31m.jsonl").write_bytes(b"{oops")
    capsys.readouterr()
    assert call(["load", "two\nlines\x1b[31m.jsonl"]) == 3
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.startswith("error: two")
    assert row_counts(folder) == {"runs": 1, "jobs": 1}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_file_that_may_not_be_read_is_told() -> None:
    """`load` runs as a user without rights, since root may read everything."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "jobs.jsonl").write_bytes(A)
        (folder / "jobs.jsonl").chmod(0o000)
        (folder / "other.jsonl").write_bytes(A)
        code = (  # one call as root first imports everything: user `nobody` may be unable to
            "import os, sys; from runner.cli.main import call; call(['load', 'other.jsonl']);"
            "os.environ['RUNNER_HOME'] += '-of-nobody'; os.setuid(65534);"
            "sys.exit(call(['load', 'jobs.jsonl']))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder,
            env={"RUNNER_HOME": str(folder / "home"), "PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False, timeout=WITHIN_S,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a process of its own peak is read from /proc")
def test_a_line_of_500_megabytes_is_told_and_not_held(folder: Path) -> None:
    """The file is sparse; the peak memory of `load` stays far below its size. `check` has the same reader."""
    with (folder / "jobs.jsonl").open("wb") as file:
        file.write(A + b'\n{"prompt": "')
        file.seek(500 << 20, os.SEEK_CUR)
        file.write(b'"}\n' + C + b"\n")
    code = (  # not ru_maxrss: a child starts with that of its parent
        "import sys; from pathlib import Path; from runner.cli.main import call;"
        "code = call(['load', 'jobs.jsonl']);"
        "print(Path('/proc/self/status').read_text(), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 3, output
    assert (2, 0, "line-too-long") in diagnostics_in(output)
    (peak_kb,) = re.findall(r"^VmHWM:\s+(\d+) kB$", done.stderr, re.MULTILINE)
    assert int(peak_kb) < 300_000


def test_standard_input_that_is_empty_is_a_bad_file(folder: Path) -> None:
    """The command neither waits for input nor makes an empty run."""
    for command in ("check", "load"):
        assert "empty-file" in run_command([command, "-"], folder, os.environ, 3).output
    assert row_counts(folder) == {"runs": 0, "jobs": 0}


def test_a_file_replaced_or_grown_while_it_is_read_is_not_loaded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Either the hashed content is loaded, or nothing."""
    path = folder / "jobs.jsonl"
    path.write_bytes(b"".join(GOOD % str(n).encode() + b"\n" for n in range(40_000)))
    stop = threading.Event()

    def grow() -> None:
        number = 0
        while not stop.is_set():
            with path.open("ab") as file:
                file.write(GOOD % b"x%d" % number + b"\n")
            number += 1

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        code = call(["load", "jobs.jsonl"])
    finally:
        stop.set()
        writer.join()
    assert code == 3
    assert "changed while it was read; nothing was loaded" in capsys.readouterr().err
    assert row_counts(folder) == {"runs": 0, "jobs": 0}
