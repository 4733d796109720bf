"""`runner convert`: what is written, what is printed, and when nothing is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from test_commands import Place

if TYPE_CHECKING:
    from cli_calls import Called

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json.schema.json").read_bytes())
HELLO = [{"role": "user", "content": "Hello"}]
CLAUDE = {"custom_id": "a", "params": {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": HELLO}}
GROK = {"custom_id": "b", "params": {"model": "grok-4.3", "max_tokens": 9, "top_k": 3, "messages": HELLO}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a folder with a batch of which one line names a model of another service."""
    place = Place(tmp_path)
    place.write("batch.jsonl", "".join(json.dumps(one) + "\n" for one in (GROK, CLAUDE)))
    return place


def object_of(called: Called) -> dict[str, Any]:
    """Return the object that was printed; it has the shape that is documented."""
    found = json.loads(called.stdout)
    shape = {"$ref": "#/$defs/convert", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(shape).validate(found)
    assert isinstance(found, dict)
    return found


def test_a_batch_becomes_a_job_file(place: Place) -> None:
    """Order and ids stay; the report is on stderr; the check has nothing to say of the result."""
    done = place.call("convert batch.jsonl -o jobs.jsonl --model grok-4.3")

    assert (done.code, done.stdout) == (0, "")
    assert "2 lines read (2 anthropic)" in done.stderr
    assert "max_tokens: written as max_completion_tokens (2 lines)" in done.stderr
    assert "top_k: answers may vary more (line 1)" in done.stderr
    written = [json.loads(line) for line in (place.folder / "jobs.jsonl").read_bytes().splitlines()]
    assert [one["custom_id"] for one in written] == ["b", "a"]
    assert {one["body"]["model"] for one in written} == {"grok-4.3"}
    checked = place.call("check jobs.jsonl --strict")
    assert (checked.code, "warning" in checked.stdout) == (0, False)


def test_a_refused_line_keeps_all_from_being_written(place: Place) -> None:
    """Exit 3 with line, code and cure; --skip-bad writes the others."""
    refused = place.call("convert batch.jsonl -o jobs.jsonl")

    assert refused.code == 3
    assert "line 2: " in refused.stderr
    assert "[foreign-model]" in refused.stderr
    assert "--skip-bad" in refused.stderr
    assert not (place.folder / "jobs.jsonl").exists()
    skipped = place.call("convert batch.jsonl -o jobs.jsonl --skip-bad")
    assert skipped.code == 0
    assert "1 line refused, left out" in skipped.stderr
    assert len((place.folder / "jobs.jsonl").read_bytes().splitlines()) == 1


def test_refusals_with_the_same_words_are_one(place: Place) -> None:
    """A file of another service does not fill the screen; each line is still in the object."""
    place.write("many.jsonl", "".join(json.dumps({**CLAUDE, "custom_id": str(n)}) + "\n" for n in range(30)))
    done = place.call("convert many.jsonl -o jobs.jsonl")

    assert done.stderr.count("foreign-model") == 1
    assert "line 1 and 29 more: " in done.stderr
    assert "fix: give one for all lines: --model grok-4.3" in done.stderr
    found = object_of(place.call("convert many.jsonl -o jobs.jsonl --json"))
    assert (found["refused"]["total"], len(found["refused"]["shown"])) == (30, 20)


def test_a_wrong_file_is_named_once_with_its_cure(place: Place) -> None:
    """As `check` does: not as a bad line, and the cure of a table is no other name for it."""
    (place.folder / "wide.jsonl").write_bytes(json.dumps(CLAUDE).encode("utf-16"))
    done = place.call("convert wide.jsonl -o jobs.jsonl")
    assert (done.code, done.stderr.count("UTF-16 text")) == (3, 1)
    assert "line 1" not in done.stderr
    assert done.stderr.endswith("iconv -f UTF-16 -t UTF-8 < wide.jsonl > wide.new.jsonl\n")
    place.write("rows.csv", "id,prompt\n1,Hi\n")
    table = place.call("convert rows.csv")
    assert table.code == 2
    assert "runner label labels it" in table.stderr


def test_nothing_is_left_to_write_without_a_good_line(place: Place) -> None:
    """--skip-bad does not make an empty file."""
    place.write("bad.jsonl", json.dumps(CLAUDE) + "\n")

    assert place.call("convert bad.jsonl -o jobs.jsonl --skip-bad").code == 3
    assert not (place.folder / "jobs.jsonl").exists()


def test_the_object_has_the_documented_shape(place: Place) -> None:
    """With all changes; refusals too, where nothing was written."""
    found = object_of(place.call("convert batch.jsonl -o jobs.jsonl --model grok-4.3 --json"))
    assert (found["read"], found["written"], found["output"]) == (2, 2, "jobs.jsonl")
    assert found["dropped"] == [
        {"field": "top_k", "effect": "answers may vary more", "lines": 1, "first_line": 1}
    ]
    refused = place.call("convert batch.jsonl -o other.jsonl --json")
    found = object_of(refused)
    assert (refused.code, found["output"], found["written"]) == (3, None, 0)
    assert found["refused"]["shown"][0]["line"] == 2


def test_stdout_gets_the_lines_and_nothing_else(place: Place) -> None:
    """From stdin by default; nothing at all where a line is refused."""
    batch = (place.folder / "batch.jsonl").read_text()
    done = place.call("convert - --model grok-4.3", stdin=batch)
    named = place.call("convert batch.jsonl -o - --model grok-4.3")

    assert [json.loads(line)["custom_id"] for line in done.stdout.splitlines()] == ["b", "a"]
    assert named.stdout == done.stdout
    assert "2 job lines made" in done.stderr
    refused = place.call("convert - ", stdin=batch)
    assert (refused.code, refused.stdout) == (3, "")
    assert place.call("convert batch.jsonl -o - --json").code == 2


def test_a_file_of_somebody_else_is_not_replaced(place: Place) -> None:
    """The same bytes may be written again; other content needs --force; the input is never replaced."""
    place.write("notes.jsonl", "mine\n")
    for words, code in (
        ("-o jobs.jsonl", 0),
        ("-o jobs.jsonl", 0),
        ("-o notes.jsonl", 2),
        ("-o batch.jsonl --force", 2),
        ("-o jobs.jsonl.gz", 0),
        ("-o jobs.jsonl.zst", 2),
        ("-o jobs.csv", 2),
        (f"-o {os.curdir}", 2),
        ("-o missing/jobs.jsonl", 2),
        ("-o notes.jsonl --force", 0),
    ):
        done = place.call(f"convert batch.jsonl {words} --model grok-4.3")
        assert done.code == code, (words, done.stderr)
        assert code == 0 or "fix: " in done.stderr
    assert (place.folder / "notes.jsonl").read_bytes() == (place.folder / "jobs.jsonl").read_bytes()
    assert [path for path in place.folder.iterdir() if "runner-part" in path.name] == []


def test_a_document_is_named_by_its_requests(place: Place) -> None:
    """The default output is beside the current folder's files, named after the input."""
    place.write("batch.json", json.dumps({"requests": [GROK, CLAUDE]}, indent=2))
    refused = place.call("convert batch.json")

    assert "request 2: " in refused.stderr
    assert place.call("convert batch.json --model grok-4.3").code == 0
    assert (place.folder / "batch.jobs.jsonl").exists()


@pytest.mark.parametrize("name", ["none.jsonl", "folder"])
def test_what_cannot_be_read_is_a_sentence(place: Place, name: str) -> None:
    """No traceback for a wrong path."""
    (place.folder / "folder").mkdir()
    done = place.call(f"convert {name}")

    assert done.code == 2
    assert "fix: " in done.stderr
