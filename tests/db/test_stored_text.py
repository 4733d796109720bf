"""Text and paths in the database: any bytes go in, and a path comes out as it went in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_driver import NOW_MS

from runner.db.events import events
from runner.db.intake import earlier_answers
from runner.db.runs import occasions, runs, stored_options
from runner.db.runs.run_row import RunOptions
from runner.db.stored_text import path_of, stored_path, stored_text
from runner.rules.event_kinds import EventKind
from runner.rules.os_text import is_text

if TYPE_CHECKING:
    from runner.db.session import Database

BYTES = os.fsdecode(b"/data/caf\xe9 \x85%41/in.jsonl")


@given(st.binary().map(lambda name: b"/" + name.replace(b"\0", b"")))
def test_any_path_comes_back(raw: bytes) -> None:
    """As text where it is text, so that it can be read in the database."""
    path = os.fsdecode(raw)
    stored = stored_path(path)
    assert is_text(stored)
    assert path_of(stored) == path
    assert (stored == path) == is_text(path)


@pytest.mark.parametrize("path", ["/a/file:///b", "/100%41", "//two", "/日本/é", "/a\\b"])
def test_a_path_of_an_older_version_is_read_as_it_is(path: str) -> None:
    """They were all stored as text."""
    assert stored_path(path) == path_of(path) == path


def test_words_lose_what_a_database_cannot_store() -> None:
    """PostgreSQL takes no NUL, neither takes a byte that is no text."""
    assert stored_text("a\0b \udce9 日") == "a\ufffdb \\udce9 日"


def test_a_run_of_any_path_is_stored_and_found(database: Database) -> None:
    """On both databases: its input, its output, its command, and what happened to it."""
    on_end = os.fsdecode(b"echo \xe9")
    with database.write() as connection:
        run_id = runs.begin(
            connection, identity="x", name="n", input_path=BYTES, input_sha256="s",
            options=RunOptions(), now_ms=NOW_MS, occasion="night",
        )  # fmt: skip
        stored_options.change(connection, run_id, {"on_end": on_end}, NOW_MS)
        stored_options.set_output_path(connection, run_id, BYTES + "x")
        events.record(connection, run_id, NOW_MS, EventKind.WARNING, f"{BYTES} is gone")
        events.record_once(connection, run_id, NOW_MS, EventKind.WARNING, f"{BYTES} is gone")
    with database.read() as connection:
        found = runs.find(connection, run_id)
        assert found is not None
        assert (found.input_path, found.output_path, found.options.on_end) == (BYTES, BYTES + "x", on_end)
        assert occasions.find_newest(connection, "night", path=BYTES) == found
        assert runs.find_by_path(connection, BYTES) is None  # it has an occasion
        earlier_answers.read(connection, "t", Path(BYTES))
        assert [event.cause for event in events.of_run(connection, run_id)] == [
            "/data/caf\\udce9 \\udc85%41/in.jsonl is gone"
        ]
