"""Loading a table with its recipe: once, all of its rows or none, on both databases."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy import text

from runner.db.answers import results
from runner.db.counts import counters
from runner.db.runs import runs
from runner.db.runs.run_row import RunOptions
from runner.intake import insert_jobs
from runner.intake.load import LoadResult, WantedRun, load
from runner.intake.plan_table import plan_table
from runner.intake.recipe_input import RowFlags, TableInput
from runner.rules.errors import JobFileError, UsageError
from runner.rules.labels.stored_recipe import stored_recipe
from runner.rules.recipes.recipe import Prompt, Recipe, TableChoice
from runner.rules.recipes.recipe_identity import RecipeTexts, canonical_sha256
from runner.rules.requests.request import Defaults, read_request
from runner.rules.sending.rate_limits import GivenLimits
from runner.tables.table import ReadOptions, TableError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database

SCHEMA = (
    b'{"type":"object","properties":{"mood":{"type":"string"}},"required":["mood"],'
    b'"additionalProperties":false}'
)


def table_of(folder: Path, *texts: str, name: str = "reviews.csv") -> Path:
    """Write a table with the columns id and text."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("id", "text"), *((f"r{n}", one) for n, one in enumerate(texts, 1))])
    path = folder / name
    path.write_text(out.getvalue(), newline="")
    return path


def input_of(
    path: Path, *, system: str = "You label.", flags: RowFlags | None = None, **choice: Any
) -> TableInput:
    """Return a table whose cells of `text` are the prompts."""
    recipe = Recipe(table=TableChoice(**choice), prompt=Prompt(text="text"), labels={"mood": "text"})
    texts = RecipeTexts(model="grok-4.3", system=system, user=None, schema=SCHEMA, instructions="")
    return TableInput(
        path=path,
        read_options=ReadOptions(),
        plan=plan_table(recipe, texts, ("id", "text"), title="the recipe"),
        model=texts.model,
        recipe=stored_recipe(recipe, schema=SCHEMA, table_format="csv"),
        recipe_sha256=canonical_sha256(recipe, texts),
        flags=flags or RowFlags(),
    )


def loaded(database: Database, source: TableInput, **options: Any) -> LoadResult:
    """Load a table."""
    progress = options.pop("progress", lambda _lines, _bytes: None)
    return load(database, source, WantedRun(**{"options": RunOptions(), **options}), progress=progress)


def count(database: Database, table: str) -> int:
    """Return the number of rows of a table of the database."""
    with database.read() as connection:
        return int(connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())


def mapped(database: Database, run_id: int) -> list[tuple[int, str | None, str | None]]:
    """Return the mapped rows of a run: their numbers, the ids of their jobs and their faults."""
    query = (
        "SELECT rows.id, jobs.custom_id, rows.fault FROM rows LEFT JOIN jobs ON jobs.id = rows.job_id"
        " ORDER BY rows.id"
    )
    with database.read() as connection:
        found = connection.execute(text(query)).all()
    return [(row.id - (run_id << 32), row.custom_id, row.fault) for row in found]


def test_each_row_is_the_job_that_its_line_would_be(database: Database, tmp_path: Path) -> None:
    """The shared part is stored once; what is sent are the bytes of the compiled line."""
    source = input_of(table_of(tmp_path, "so good", 'bad, "really"\nbad', "é"), id="id")

    found = loaded(database, source)

    with database.read() as connection:
        ids = connection.execute(
            text(
                "SELECT id, custom_id, line, conv_id FROM jobs JOIN payloads"
                " ON payloads.job_id = jobs.id ORDER BY id"
            )
        ).all()
        bodies = results.loaded_bodies(connection, [row.id for row in ids])
        run = runs.find(connection, found.run_id)
    assert run is not None
    assert (run.recipe, run.needs, run.total) == (source.recipe, "labels", 3)
    assert orjson.loads(run.recipe or "")["schema"] == orjson.loads(SCHEMA)
    assert [(row.custom_id, row.line) for row in ids] == [("r1", 1), ("r2", 2), ("r3", 3)]
    assert len({row.conv_id for row in ids}) == 1
    assert count(database, "frames") == 1
    assert count(database, "rows") == 0
    for row, prompt in zip(ids, ["so good", 'bad, "really"\nbad', "é"], strict=True):
        body = bodies[row.id][0]
        request, _ = read_request(b'{"custom_id":"x","body":%b}' % body, 1, Defaults(model="grok-4.3"))
        assert request is not None
        assert orjson.loads(body)["messages"][-1] == {"role": "user", "content": prompt}


def left_out(database: Database, run_id: int) -> dict[str, int]:
    """Return the counters of rows without a job that are not 0."""
    with database.read() as connection:
        found = counters.read(connection, run_id)
    return {key: n for (kind, key), n in found.items() if kind == "rows" and n}


def test_rows_that_are_left_out_shift_no_job(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where row n is not job n each row that is sent is mapped, also those before the first one left out."""
    monkeypatch.setattr(insert_jobs, "ROWS_PER_COMMIT", 2)
    source = input_of(table_of(tmp_path, "a", "b", "c", "d", "x", "e"), id="id", where="text != 'x'")

    found = loaded(database, source)

    assert found.total == 5
    assert left_out(database, found.run_id) == {"excluded": 1}
    assert mapped(database, found.run_id) == [(n, f"r{n}", None) for n in (1, 2, 3, 4, 6)]


def test_rows_after_a_limit_are_known_to_be_left_out(database: Database, tmp_path: Path) -> None:
    """Also where all jobs stand in the place of their rows: the others have none."""
    found = loaded(database, input_of(table_of(tmp_path, "a", "b", "c"), limit=2))
    assert left_out(database, found.run_id) == {"excluded": 1}

    assert mapped(database, found.run_id) == [(1, "row-1", None), (2, "row-2", None)]


def test_a_bad_row_loads_nothing_and_names_its_place(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bad rows are named in one pass; nothing stays, though chunks were written before."""
    monkeypatch.setattr(insert_jobs, "ROWS_PER_COMMIT", 1)
    source = input_of(table_of(tmp_path, "a", "b", " ", "c", ""))

    with pytest.raises(TableError, match="2 bad rows; nothing was loaded") as refused:
        loaded(database, source)

    assert "row 3, column text" in refused.value.where[0]
    assert "row 5" in refused.value.where[1]
    assert "label the other 3 with --skip-bad" in refused.value.fix
    assert [count(database, table) for table in ("runs", "jobs", "frames", "rows")] == [0, 0, 0, 0]


def test_skipped_rows_keep_their_fault(database: Database, tmp_path: Path) -> None:
    """They have no job, and say why."""
    source = input_of(table_of(tmp_path, "a", "", "c"), flags=RowFlags(skip_bad=True))

    found = loaded(database, source)

    assert left_out(database, found.run_id) == {"skipped": 1}
    (first, skipped, third) = mapped(database, found.run_id)
    assert (found.total, found.bad_total) == (2, 1)
    assert (first[1], third) == ("row-1", (3, "row-3", None))
    assert skipped[:2] == (2, None)
    assert "empty" in (skipped[2] or "")


def test_a_row_above_the_limit_of_tokens_is_a_bad_row(database: Database, tmp_path: Path) -> None:
    """What a job line would be refused for refuses a row."""
    source = input_of(table_of(tmp_path, "a", "word " * 2_000), flags=RowFlags(limits=GivenLimits(tpm=1_000)))

    with pytest.raises(TableError) as refused:
        loaded(database, source)

    assert "row 2" in refused.value.where[0]
    assert "prompt-above-tpm" in refused.value.where[0]


def test_the_same_table_and_recipe_are_the_same_run(database: Database, tmp_path: Path) -> None:
    """How often is asked again and what is written are no part of it."""
    source = input_of(table_of(tmp_path, "a"))
    first = loaded(database, source)
    other_words = replace(source, recipe=source.recipe.replace('"reask":2', '"reask":3'))

    again = loaded(database, other_words)

    assert (again.run_id, again.is_new) == (first.run_id, False)
    assert count(database, "runs") == 1


@pytest.mark.parametrize("change", [{"system": "You label well."}, {"where": "text"}, {"id": "id"}])
def test_another_prompt_is_another_run_and_is_said_to_be(
    database: Database, tmp_path: Path, change: dict[str, Any]
) -> None:
    """The earlier run of the table is named."""
    path = table_of(tmp_path, "a")
    first = loaded(database, input_of(path))

    other = loaded(database, input_of(path, **change))

    assert other.is_new
    assert other.same_content_run is not None
    assert other.same_content_run.id == first.run_id


def test_a_changed_table_is_refused_with_a_choice(database: Database, tmp_path: Path) -> None:
    """As a changed job file is."""
    loaded(database, input_of(table_of(tmp_path, "a")))

    with pytest.raises(UsageError, match="other content") as refused:
        loaded(database, input_of(table_of(tmp_path, "b")))

    assert "--new" in refused.value.fix


def test_a_table_that_grows_while_it_is_read_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content that was hashed is what is loaded."""
    monkeypatch.setattr(insert_jobs, "ROWS_PER_COMMIT", 1)
    path = table_of(tmp_path, *"abcdef")

    def grow(_rows: int, _bytes: int) -> None:
        with path.open("a") as file:
            file.write("r9,more\r\n")

    with pytest.raises(JobFileError, match="changed while"):
        loaded(database, input_of(path), progress=grow)

    assert count(database, "runs") == 0


def test_a_table_without_rows_is_a_run_without_jobs(database: Database, tmp_path: Path) -> None:
    """There is nothing to send, and the table can be written."""
    found = loaded(database, input_of(table_of(tmp_path)))

    assert (found.total, found.is_new) == (0, True)
