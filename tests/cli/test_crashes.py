"""Exit code 70 and a report are for our own faults; what the surroundings do has a sentence."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cli_calls import run_command

from runner.cli import crash
from runner.embedded import bug_report, system_errors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "x"), "the system refused: no space left on device"),
        (OSError(errno.ENOSPC, "x", "/a\udce9"), r"/a\udce9 cannot be used: no space left on device"),
        (OSError(errno.EACCES, "x", b"/a\xe9"), r"/a\udce9 cannot be used: permission denied"),
        (OSError(errno.EMFILE, "x"), "the system refused: too many open files"),
        (BlockingIOError(errno.EAGAIN, "x"), "the system refused: resource temporarily unavailable"),
        (RuntimeError("can't start new thread"), "the system refused: resource temporarily unavailable"),
        (MemoryError(), "the system refused: cannot allocate memory"),
        (OSError(errno.EACCES, "x"), None),  # of no path: nobody could do anything with it
        (OSError(errno.EBADF, "x"), None),
        (FileNotFoundError(errno.ENOENT, "x", "/a"), None),
        (FileNotFoundError(errno.ENOENT, "x"), None),
        (KeyError("x"), None),
    ],
)
def test_what_the_machine_refuses_is_no_bug(error: Exception, said: str | None) -> None:
    """And has a fix."""
    known = system_errors.known(error)
    assert (known.what if known else None) == said
    assert known is None or known.fix


def test_a_removed_folder_is_named(tmp_path: Path) -> None:
    """Commands that need none work; the others say what to do."""
    folder = tmp_path / "gone"
    env = {"RUNNER_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "XAI_API_KEY": "xai-a-key"}
    (tmp_path / "jobs.jsonl").write_text('{"id": "a", "prompt": "x"}\n')
    words = [sys.executable, "-m", "runner"]
    gone = (
        "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone');"
        " os.execv(sys.argv[1], sys.argv[1:])"
    )

    def call(*more: str) -> tuple[int, bytes]:
        done = subprocess.run(
            [sys.executable, "-c", gone, *words, *more],
            cwd=tmp_path, env=env, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    assert call("load", str(tmp_path / "jobs.jsonl"))[0] == 0
    assert call("list")[0] == call("summary", "1")[0] == 0
    code, said = call("run", str(tmp_path / "jobs.jsonl"))
    assert (code, b"the current folder was removed" in said) == (2, True)
    assert not folder.exists()


def test_without_a_home_a_sentence_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user id that a container has made up; doctor shows it beside what else it finds."""
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    (tmp_path / "jobs.jsonl").write_text('{"id": "a", "prompt": "x"}\n')
    for words, code in ((["list"], 2), (["check", "jobs.jsonl"], 2), (["doctor"], 5), (["run", "x"], 2)):
        called = run_command(words, tmp_path, {}, code)
        assert "there is no state folder: HOME is no absolute path, and user 54321" in called.output
        assert "fix: set RUNNER_HOME" in called.output
    checks = json.loads(run_command(["doctor", "--json"], tmp_path, {}, 5).stdout)["checks"]
    assert [check["name"] for check in checks if check["state"] == "failed"] == ["settings"]


class UntoldError(Exception):
    """An exception whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "variables", [{}, {"RUNNER_CONCURRENCY": "none"}, {"XAI_BASE_URL": "x", "RUNNER_OLD": "1"}], ids=str
)
def test_a_report_lies_in_the_state_folder(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where other settings are wrong."""
    for name, value in {"RUNNER_HOME": str(tmp_path / "home"), **variables}.items():
        monkeypatch.setenv(name, value)
    what, path = bug_report.write(KeyError("x"))
    assert what == "KeyError: 'x'"
    assert path is not None
    assert path.parent == tmp_path / "home" / "logs"


@pytest.mark.parametrize("home", ["/dev/null/x", "/proc/x", ""])
def test_a_report_that_finds_no_state_folder_lies_in_a_temporary_one(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its path is printed; only its user can read it."""
    monkeypatch.setenv("RUNNER_HOME", home)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    crash.report(KeyError("x"))
    (path,) = tmp_path.glob("runner-*/bug-*.txt")
    assert str(path) in capsys.readouterr().err
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_report_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What tells of a bug does not fail for another one."""
    monkeypatch.setenv("RUNNER_HOME", "/dev/null/x")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    crash.report(KeyError("x"))
    crash.report(UntoldError())
    said = capsys.readouterr().err
    assert said.count("no report could be written") == 2
    assert "runner has met a bug of its own: UntoldError" in said


def test_a_name_that_the_locale_lacks_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one in a recipe; with UTF-8 it can only be a bug."""
    error = UnicodeEncodeError("ascii", "größe.csv", 2, 4, "ordinal not in range(128)")
    assert system_errors.known(error) is None
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    known = system_errors.known(error)
    assert known is not None
    assert known.what == "a name of a file has characters that this locale lacks (ascii): größe.csv"
