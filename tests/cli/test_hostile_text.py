"""Hostile text: escaped on every screen, unchanged in every file."""

from __future__ import annotations

import csv
import io
import json
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from run_driver import CAUSE, COST, RunDriver, accepted, received, requeue_row, settled
from test_commands import Place
from test_no_escapes import at_a_terminal

from runner.cli.main import call
from runner.db.events import events
from runner.db.moves import job_moves, result_moves
from runner.db.runs import run_moves
from runner.db.session import Database
from runner.rules.event_kinds import EventKind
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE: Final = {
    "clears the screen": "\x1b[2J\x1b[31mred",
    "sets the title": "\x1b]0;owned\x07",
    "C1 sequence": "\x9b31mred\x9c",
    "runs backwards": "\u202egnp.exe\u202c",
    "isolates": "\u2066a\u2069\u200fb",
    "new lines": "one\ntwo\r\nthree\u2028four\x85five",
    "overwrites the line": "harmful\rharmless",
    "deletes": "abc\b\b\bxyz\x7f",
    "tabs and bells": "a\tb\x07c\x0bd\x0ce",
    "formula": "=cmd|'/c calc'!A1",
    "another formula": "@SUM(1+1)",
    "a third": "+1",
    "markup": "[bold red]<script>alert(1)</script>[/]",
    "shell": "$(touch owned) `touch owned` ; touch owned",
    "SQL": "'; DROP TABLE runs; --",
    "path": "../../etc/passwd",
    "format": "%s %(x)s {0} {x!r}",
    "byte order mark": "\ufeffid",
    "invisible": "a\u200bb\u2060c",
    "combined": "Z\u0341\u0343\u0301" * 40,
    "emoji": "👩‍👩‍👧‍👦",
}
NAME: Final = "na\x1b[2Jme\u202e [red]=1"
SEQUENCE: Final = b"\x1b[2J"
SCREENS: Final = (
    "list", "status", "status 1", "summary 1", "summary 1 --ids safety", "show 1",
    "costs", "costs --csv", "check jobs.jsonl", "watch 1 --timeout 0.1s", "watch 1 --timeout 0.1s -v",
    "retry 1 --failed --dry-run", "cancel 1 --dry-run", "rm 1 --dry-run", "write 1 -o out.jsonl", "doctor",
    "doctor --config", "jobs 1", "jobs 1 --content", "jobs 1 --limit 3", "events", "events 1", "workers",
)  # fmt: skip


def answer(text: str) -> bytes:
    """Return the bytes of an answer with a text in it, formatted unlike our own JSON."""
    content = json.dumps(text, ensure_ascii=True)
    return b'{ "model":"grok-4.3",\n"choices": [{"message": {"content": %s}}] }\n' % content.encode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a run in which every text is hostile: of the file, the answers, the errors, and the name."""
    place = Place(tmp_path_factory.mktemp("hostile"))
    lines: list[dict[str, Any]] = [
        {"id": f"{kind}{text}", "model": "grok-4.3", "prompt": text, "metadata": {text: text}}
        for kind in ("good ", "bad ")
        for text in HOSTILE.values()
    ]
    lines += [{"id": text, "model": "grok-4.3", "prompt": "p", f"x{text}": 1} for text in HOSTILE.values()]
    place.write("jobs.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    loaded = place.call(f"load jobs.jsonl --name {shlex.quote(NAME)}")
    assert loaded.stdout == "1\n", loaded.stderr
    database = Database(f"sqlite:///{place.home / 'runner.db'}")
    with database.write() as connection:
        run_moves.start(connection, 1, 1_800_000_000_000)
    driver = RunDriver(database, 1)
    for nth, text in enumerate(HOSTILE.values()):
        (lease,) = driver.lease()
        driver.send(lease)
        driver.apply(job_moves.accepted, accepted(lease, request_id=f"{nth}{text}"))
        body = answer(text)
        driver.apply(
            result_moves.stored, received(lease.job_id, lease.attempt, body=body, request_id=f"{nth}{text}")
        )
        cost = replace(COST, model=text, finish_reason=text[:32])
        driver.apply(
            result_moves.settled,
            settled(lease.job_id, lease.attempt, Event.SUCCEEDED, JobState.SUCCEEDED, cost),
        )
    for text in HOSTILE.values():
        (lease,) = driver.lease()
        driver.send(lease)
        cause = replace(CAUSE, code="safety", message=text)
        driver.apply(job_moves.refused, replace(requeue_row(lease, JobState.FAILED), cause=cause))
    with database.write() as connection:
        events.record(connection, 1, 1_800_000_000_000, EventKind.WARNING, NAME)
        run_moves.wait(connection, 1, NAME, 1_800_000_000_000)
    database.close()
    return place


def harmful(printed: str) -> str:
    """Return the characters that control a terminal or the direction of text."""
    return "".join(
        sorted(
            {char for char in printed if not char.isprintable() and char not in "\n\u200c\u200d\u00a0\u3000"}
        )
    )


@pytest.mark.parametrize("screen", SCREENS)
def test_no_screen_lets_it_through(screen: str, place: Place) -> None:
    """No screen of a run contains a control character."""
    done = place.call(screen)
    assert done.stdout + done.stderr
    assert harmful(done.stdout + done.stderr) == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("end", ["good ", "bad ", ""])
def test_the_history_of_a_job_is_escaped_and_found_by_its_id(
    kind: str,
    end: str,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """By its exact id; the answer's bytes are unchanged, and so is every text in JSON."""
    monkeypatch.setenv("RUNNER_HOME", str(place.home))
    text = HOSTILE[kind]
    custom_id = end + text

    def show(*flags: str) -> bytes:
        assert call(["show", *flags, "--", "1", custom_id]) == 0
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        assert err == b""
        return out

    assert harmful(show("--full").decode()) == ""
    shown: dict[str, Any] = json.loads(show("--json"))
    assert shown["custom_id"] == custom_id
    if end:
        assert shown["request"]["messages"][-1]["content"] == text
    if end == "bad ":
        assert shown["attempts"][0]["error_message"] == text
    if end == "good ":
        assert show("--raw") == answer(text)


def test_the_files_hold_every_text_unchanged(place: Place) -> None:
    """Ids, metadata and answers in the results, the API's words in the errors; one line each."""
    assert place.call("write 1 -o files.jsonl").code == 0
    results = [json.loads(line) for line in (place.folder / "files.jsonl").read_bytes().splitlines()]
    errors = [json.loads(line) for line in (place.folder / "files.errors.jsonl").read_bytes().splitlines()]
    texts = list(HOSTILE.values())
    assert [line["custom_id"] for line in results] == [f"good {text}" for text in texts]
    assert [line["metadata"] for line in results] == [{text: text} for text in texts]
    assert [line["response"]["body"]["choices"][0]["message"]["content"] for line in results] == texts
    assert [line["custom_id"] for line in errors] == [f"bad {text}" for text in texts]
    assert [line["error"]["message"] for line in errors] == texts


def test_the_csv_of_costs_contains_no_formula(place: Place) -> None:
    """It contains the models that answered, none as a formula."""
    rows = list(csv.DictReader(io.StringIO(place.call("costs --csv").stdout)))
    assert len(rows) == len(HOSTILE)
    for row in rows:
        assert not row["model"].startswith(("=", "+", "-", "@"))
        assert not row["name"].startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("screen", ["watch 1 --timeout 0.1s", "status 1", "summary 1", "list"])
def test_a_terminal_is_given_no_foreign_sequence(screen: str, place: Place) -> None:
    """The panel draws with its own sequences; those of the texts are not printed."""
    got = at_a_terminal(place, screen)
    assert b"me" in got
    assert SEQUENCE not in got
    assert "\u202e".encode() not in got
    assert b"\x1b]0;" not in got


ERRORS: Final = ("status {0}", "show 1 {0}", "run {0}", "{0}", "status --{0}", "run jobs.jsonl --rpm {0}")


@pytest.mark.parametrize("command", ERRORS)
def test_errors_repeat_it_harmlessly(command: str, place: Place) -> None:
    """The text may have been pasted: exit 2, and all of it is escaped."""
    word = "x".join(["", *HOSTILE.values()])
    done = place.call(command.format(shlex.quote(word)))
    assert done.code == 2, done.stderr
    assert harmful(done.stdout + done.stderr) == ""


def test_hostile_settings_are_shown_harmlessly(place: Place, tmp_path: Path) -> None:
    """An address, a folder, a name that is no setting."""
    text = HOSTILE["clears the screen"] + HOSTILE["runs backwards"]
    for name, value in (
        ("XAI_BASE_URL", f"http://{text}/v1"),
        ("RUNNER_HOME", str(tmp_path / text)),
        (f"RUNNER_{text}", "x"),
        ("RUNNER_CONCURRENCY", text),
        ("RUNNER_REDIS_URL", f"redis://{text}"),
        ("RUNNER_DATABASE_URL", f"postgresql://{text}"),
    ):
        for command in ("doctor --config", "status 1"):
            done = place.call(command, **{name: value})
            assert harmful(done.stdout + done.stderr) == "", (name, command)
