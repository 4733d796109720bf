"""A table with labels: every row as it was, in its order, with its own labels, the same bytes each time."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labeled_run import (
    FAULT,
    LabeledRun,
    answer,
    csv_bytes,
    labeled_run,
    labels_of,
    recipe_of,
    table_bytes,
)

from runner.db.jobs import labeled_rows
from runner.db.session import Database
from runner.output.contents import TableOptions
from runner.output.files import paths
from runner.output.write import write_job_results, write_run
from runner.rules.errors import Bug, UsageError
from runner.rules.labels.row_status import COMPLETE, RowStatus
from runner.tables.pyarrow_import import import_pyarrow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDINGS: Final = (".csv", ".tsv", ".jsonl", ".parquet")
PLAIN: Final = (  # row n is job n
    RowStatus.OK,
    RowStatus.INVALID,
    RowStatus.FAILED,
    RowStatus.HELD,
    RowStatus.CANCELLED,
    RowStatus.UNFINISHED,
    RowStatus.OK,
    RowStatus.EXCLUDED,
)
MAPPED: Final = (RowStatus.EXCLUDED, RowStatus.OK, RowStatus.SKIPPED, *PLAIN, RowStatus.OK)
ERRORS: Final = {
    RowStatus.INVALID: "invalid: mood: expected one of good, bad",
    RowStatus.FAILED: "some-cause: a cause",
    RowStatus.HELD: "held-some-cause: a cause",
    RowStatus.CANCELLED: "cancelled: The user cancelled it before it had an answer.",
    RowStatus.UNFINISHED: "unfinished: There is no answer yet.",
    RowStatus.SKIPPED: f"skipped: {FAULT}",
}


@pytest.fixture
def sqlite_database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """Yield a database without rows on SQLite alone: for what does not depend on it."""
    opened = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'runner.db')}")
    yield opened
    opened.close()


def read_back(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a written table, as readers of others see them; "" and null are None."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = import_pyarrow().parquet.read_table(path).to_pylist()
        return rows
    text = path.read_text("utf-8-sig")
    found = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ",")
    return [{name: cell or None for name, cell in row.items()} for row in found]


def expected_rows(run: LabeledRun) -> list[dict[str, Any]]:
    """Return the rows that a written table of a run must have."""
    nothing = {"mood": None, "mark": None}
    return [
        {"id": f"{number:05}", "text": f"text {number}"}
        | (labels_of(number) if status is RowStatus.OK else nothing)
        | {"_status": status.value, "_error": ERRORS.get(status)}
        for number, status in enumerate(run.statuses, 1)
    ]


@pytest.mark.parametrize("statuses", [PLAIN, MAPPED], ids=["plain", "mapped"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_row_is_there_with_its_labels_its_status_and_its_reason(
    database: Database, tmp_path: Path, statuses: tuple[RowStatus, ...], ending: str
) -> None:
    """In the order of the input, with its cells, in each format."""
    run = labeled_run(database, tmp_path / f"reviews{ending}", statuses)
    out = tmp_path / f"labeled{ending}"

    written = write_run(database, run.run_id, out)

    assert read_back(out) == expected_rows(run)
    assert Counter(written.rows) == Counter(statuses)
    assert written.results.lines == len(statuses)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_input_of_each_format_is_written_in_each_other(
    sqlite_database: Database, tmp_path: Path, ending: str
) -> None:
    """The ending of the output says its format."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", MAPPED)

    write_run(sqlite_database, run.run_id, tmp_path / f"labeled{ending}")

    assert read_back(tmp_path / f"labeled{ending}") == expected_rows(run)


def test_the_errors_file_has_a_line_for_each_row_that_lacks_labels(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """With its number and its job; rows that are ok or excluded are not errors."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", MAPPED)
    written = write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")

    lines = [json.loads(line) for line in (tmp_path / "labeled.errors.jsonl").read_bytes().splitlines()]
    assert [(line["row"], line["status"]) for line in lines] == [
        (number, status.value) for number, status in enumerate(MAPPED, 1) if status not in COMPLETE
    ]
    assert all(f"{line['code']}: {line['message']}" == ERRORS[line["status"]] for line in lines)
    assert [line["custom_id"] for line in lines] == [
        None if line["status"] == "skipped" else f"row-{line['row']}" for line in lines
    ]
    assert written.errors.lines == len(lines)
    assert [set(line) for line in lines] == [{"id", "row", "custom_id", "status", "code", "message"}] * len(
        lines
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_written_again_has_the_same_bytes(
    sqlite_database: Database, tmp_path: Path, ending: str
) -> None:
    """All three files, also over the old ones, which are known as this run's."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", MAPPED)
    (tmp_path / "b").mkdir()
    first, second = tmp_path / f"labeled{ending}", tmp_path / "b" / f"labeled{ending}"

    for out in (first, first, second):
        write_run(sqlite_database, run.run_id, out)

    for one, other in zip(paths(first), paths(second), strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_that_the_run_did_not_write_is_refused_and_stays(
    sqlite_database: Database, tmp_path: Path, ending: str
) -> None:
    """Also this run's own, edited since; --force replaces it, and an empty file may be replaced."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    out = tmp_path / f"labeled{ending}"
    out.touch()
    write_run(sqlite_database, run.run_id, out)
    edited = table_bytes(ending, [("1", "edited by hand")])
    out.write_bytes(edited)

    with pytest.raises(UsageError, match="did not write") as caught:
        write_run(sqlite_database, run.run_id, out)
    assert "--force" in caught.value.fix
    assert out.read_bytes() == edited

    write_run(sqlite_database, run.run_id, out, force=True)
    assert read_back(out) == expected_rows(run)


def test_an_edit_of_the_same_length_is_noticed(sqlite_database: Database, tmp_path: Path) -> None:
    """The digest in the summary decides."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    out = tmp_path / "labeled.csv"
    write_run(sqlite_database, run.run_id, out)
    out.write_bytes(out.read_bytes().replace(b"good", b"evil"))

    with pytest.raises(UsageError, match="did not write"):
        write_run(sqlite_database, run.run_id, out)


def test_a_parquet_table_is_known_without_its_summary(sqlite_database: Database, tmp_path: Path) -> None:
    """Its metadata has the mark of the run; that of another run is refused."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    other = labeled_run(sqlite_database, tmp_path / "others.csv", PLAIN)
    out = tmp_path / "labeled.parquet"
    for target in paths(out):
        write_run(sqlite_database, run.run_id, out)
        target.unlink()
    write_run(sqlite_database, run.run_id, out)
    (tmp_path / "labeled.errors.jsonl").unlink()
    (tmp_path / "labeled.summary.json").unlink()

    with pytest.raises(UsageError, match="did not write"):
        write_run(sqlite_database, other.run_id, out)


def test_the_input_is_never_the_output(sqlite_database: Database, tmp_path: Path) -> None:
    """By any name, with --force, and none of the three files is."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    hard = tmp_path / "same.csv"
    hard.hardlink_to(run.table)
    moved = tmp_path / "moved.errors.jsonl"
    moved.write_bytes(run.table.read_bytes())
    before = run.table.read_bytes()

    for out, options in (
        (run.table, TableOptions()),
        (hard, TableOptions()),
        (tmp_path / "moved.csv", TableOptions(input_path=moved)),
        (run.table, TableOptions(input_path=moved)),
    ):
        with pytest.raises(UsageError, match="itself"):
            write_run(sqlite_database, run.run_id, out, force=True, table=options)
    assert run.table.read_bytes() == moved.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        csv_bytes([("1", "a")]),  # fewer rows: the run has some that it lacks
        csv_bytes([(str(number), "b") for number in range(1, 40)]),
        b"",
        b"id,id\n1,2\n",
        b"\x1f\x8bno gzip",
    ],
    ids=["shorter", "longer", "empty", "header", "damaged"],
)
def test_an_input_that_has_changed_is_refused_before_anything_is_written(
    sqlite_database: Database, tmp_path: Path, content: bytes
) -> None:
    """The sentence names --input; the old files stay."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    out = tmp_path / "labeled.csv"
    write_run(sqlite_database, run.run_id, out)
    before = [path.read_bytes() for path in paths(out)]
    kept = run.table.rename(tmp_path / "kept.csv")
    run.table.write_bytes(content)

    with pytest.raises(UsageError, match="content has changed") as caught:
        write_run(sqlite_database, run.run_id, out)
    assert "--input PATH" in caught.value.fix
    assert [path.read_bytes() for path in paths(out)] == before

    write_run(sqlite_database, run.run_id, out, table=TableOptions(input_path=kept))
    assert [path.read_bytes() for path in paths(out)] == before


def test_an_input_that_is_gone_is_refused(sqlite_database: Database, tmp_path: Path) -> None:
    """The sentence names --input."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    run.table.unlink()

    with pytest.raises(UsageError, match="cannot be read: no such file") as caught:
        write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")
    assert "--input PATH" in caught.value.fix


def test_a_row_of_the_run_that_its_own_table_lacks_is_a_bug(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """The digest says that the table is the same, so the run itself is wrong."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN, content=csv_bytes([("1", "a")]))

    with pytest.raises(Bug, match="row 2 of the run is not in its table"):
        write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("labeled", "labeled does not say its format"),
        ("labeled.json", ".json files cannot be written"),
        ("labeled.csv.zst", ".zst files cannot be written; gzip is the only compression"),
        ("labeled.xlsx", ".xlsx files cannot be written"),
    ],
)
def test_an_output_of_no_format_that_can_be_written_is_refused(
    sqlite_database: Database, tmp_path: Path, name: str, said: str
) -> None:
    """With the endings that can be written."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)

    with pytest.raises(UsageError) as caught:
        write_run(sqlite_database, run.run_id, tmp_path / name)
    assert caught.value.what == said
    assert ".csv" in caught.value.fix


@pytest.mark.parametrize("name", ["labeled.csv.gz", "labeled.tsv.gz", "labeled.jsonl.gz"])
def test_a_table_is_compressed_where_its_name_says_so(
    sqlite_database: Database, tmp_path: Path, name: str
) -> None:
    """With the content that it has without; the run may replace it, not what a person has made of it."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    out, unpacked = tmp_path / name, tmp_path / name.removesuffix(".gz")
    written = write_run(sqlite_database, run.run_id, out)
    write_run(sqlite_database, run.run_id, unpacked, force=True)

    assert gzip.decompress(out.read_bytes()) == unpacked.read_bytes()
    assert hashlib.sha256(out.read_bytes()).hexdigest() == written.results.sha256
    again = write_run(sqlite_database, run.run_id, out, force=True)
    assert (again.results, again.errors) == (written.results, written.errors)
    write_run(sqlite_database, run.run_id, out)

    out.write_bytes(gzip.compress(b"mine"))
    with pytest.raises(UsageError, match="did not write"):
        write_run(sqlite_database, run.run_id, out)


def test_a_table_for_a_spreadsheet_runs_no_formula(sqlite_database: Database, tmp_path: Path) -> None:
    """Only where it is asked for, and only in CSV and TSV."""
    body = answer(json.dumps({"mood": "good", "mark": "=cmd()"}))
    run = labeled_run(
        sqlite_database,
        tmp_path / "reviews.csv",
        (RowStatus.OK,),
        content=csv_bytes([("1", "=1+1")]),
        bodies={1: body},
    )
    out = tmp_path / "labeled.csv"

    write_run(sqlite_database, run.run_id, out)
    assert {"text": "=1+1", "mark": "=cmd()"}.items() <= read_back(out)[0].items()
    write_run(sqlite_database, run.run_id, out, table=TableOptions(spreadsheet=True))
    assert {"text": "'=1+1", "mark": "'=cmd()"}.items() <= read_back(out)[0].items()
    with pytest.raises(UsageError, match="does nothing for jsonl"):
        write_run(sqlite_database, run.run_id, tmp_path / "a.jsonl", table=TableOptions(spreadsheet=True))


def test_more_columns_are_written_where_the_recipe_asks_for_them(database: Database, tmp_path: Path) -> None:
    """In an order of their own, each with the prefix; the costs add up to those of the run."""
    recipe = recipe_of(out={"columns": ["answer", "cost", "asks", "model"], "prefix": "llm_"})
    statuses = (RowStatus.OK, RowStatus.INVALID, RowStatus.FAILED, RowStatus.EXCLUDED)
    run = labeled_run(
        database, tmp_path / "reviews.csv", statuses, recipe=recipe, bodies={2: answer("no label")}
    )
    run.driver.change(run.jobs[2], "asks = 2")

    write_run(database, run.run_id, tmp_path / "labeled.jsonl")

    rows = read_back(tmp_path / "labeled.jsonl")
    names = ["mood", "mark", "_status", "_error", "_cost_usd", "_model", "_asks", "_answer"]
    assert list(rows[0]) == ["id", "text", *(f"llm_{name}" for name in names)]
    assert [tuple(row[f"llm_{name}"] for name in names[4:]) for row in rows] == [
        (1e-7, "grok-4.3", 1, json.dumps(labels_of(1))),
        (1e-7, "grok-4.3", 3, "no label"),
        (0.0, None, 1, None),
        (None, None, None, None),
    ]
    assert round(sum(row["llm__cost_usd"] or 0 for row in rows) * 10**10) == run.driver.count(
        "ticks", "reported"
    )


def test_rows_that_share_a_job_share_its_labels_and_the_first_has_its_cost(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """The column adds up to what the run cost."""
    recipe = recipe_of(out={"columns": ["cost"]})
    statuses = (RowStatus.OK, RowStatus.OK, RowStatus.SKIPPED)
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", statuses, recipe=recipe)
    with sqlite_database.write() as connection:
        share = "UPDATE rows SET job_id = ?, fault = NULL WHERE job_id IS NULL"
        connection.exec_driver_sql(share, (run.jobs[1],))

    write_run(sqlite_database, run.run_id, tmp_path / "labeled.jsonl")

    rows = read_back(tmp_path / "labeled.jsonl")
    assert [(row["mark"], row["_cost_usd"]) for row in rows] == [
        ("mark-1", 1e-7),
        ("mark-2", 1e-7),
        ("mark-1", 0.0),
    ]


def test_labels_have_the_types_of_the_schema_and_nested_ones_become_columns(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Never those of the answers: a column without any value has its type too."""
    schema = {
        "type": "object",
        "properties": {
            "stars": {"type": "integer"},
            "share": {"type": "number"},
            "urgent": {"type": "boolean"},
            "topics": {"type": "array", "items": {"type": "string"}},
            "price": {
                "type": "object",
                "properties": {"low": {"type": "integer"}, "unit": {"type": "string"}},
                "required": ["low", "unit"],
                "additionalProperties": False,
            },
            "grid": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["stars", "share", "urgent", "topics", "price", "grid"],
        "additionalProperties": False,
    }
    found = {
        "stars": 3,
        "share": 1,
        "urgent": False,
        "topics": ["a", "b"],
        "price": {"low": 7, "unit": "EUR"},
        "grid": [1, 2],
    }
    run = labeled_run(
        sqlite_database,
        tmp_path / "reviews.csv",
        (RowStatus.OK, RowStatus.FAILED),
        recipe=recipe_of(schema),
        bodies={1: answer(json.dumps(found))},
    )
    write_run(sqlite_database, run.run_id, tmp_path / "labeled.parquet")
    write_run(sqlite_database, run.run_id, tmp_path / "other.csv")

    table = import_pyarrow().parquet.read_table(tmp_path / "labeled.parquet")
    assert [str(kind) for kind in table.schema.types[2:9]] == [
        *("int64", "double", "bool", "list<element: string>", "int64", "string", "string")
    ]
    names = ["stars", "share", "urgent", "topics", "price.low", "price.unit", "grid"]
    assert table.column_names[2:9] == names
    one, two = table.to_pylist()
    assert [one[name] for name in names] == [3, 1.0, False, ["a", "b"], 7, "EUR", "[1,2]"]
    assert {two[name] for name in names} == {None}
    row = read_back(tmp_path / "other.csv")[0]
    assert [row[name] for name in names[2:]] == ["false", '["a","b"]', "7", "EUR", "[1,2]"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (answer('{"mood": "good"'), "invalid: "),
        (answer('{"mood": "odd", "mark": "m"}'), "invalid: "),
        (answer(None), "invalid: "),
        (b"<html>", "unreadable-result: "),
        (b'{"choices": []}', "unreadable-result: "),
    ],
)
def test_a_stored_answer_that_does_not_fit_gives_no_label(
    sqlite_database: Database, tmp_path: Path, body: bytes, reason: str
) -> None:
    """Whatever its job's state: answers are read again when the table is written."""
    run = labeled_run(
        sqlite_database, tmp_path / "reviews.csv", (RowStatus.OK, RowStatus.OK), bodies={1: body}
    )

    written = write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")

    bad, good = read_back(tmp_path / "labeled.csv")
    assert (bad["mood"], bad["_status"], good["_status"]) == (None, "invalid", "ok")
    assert bad["_error"].startswith(reason)
    assert written.rows == {RowStatus.INVALID: 1, RowStatus.OK: 1}


def test_a_row_that_cannot_be_read_is_in_the_errors_file_alone(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """It was skipped; rows after it keep their own labels."""
    content = b"id,text\n1,a\n2,b,too many\n3,c\n"
    statuses = (RowStatus.OK, RowStatus.SKIPPED, RowStatus.OK)
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", statuses, content=content)

    written = write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")

    assert [(row["id"], row["mark"]) for row in read_back(tmp_path / "labeled.csv")] == [
        ("1", "mark-1"),
        ("3", "mark-3"),
    ]
    assert (written.results.lines, written.errors.lines) == (2, 1)
    assert written.rows == {RowStatus.OK: 2, RowStatus.SKIPPED: 1}


def test_an_excluded_row_that_cannot_be_read_is_no_error(sqlite_database: Database, tmp_path: Path) -> None:
    """It was not to be sent; it is counted."""
    content = b"id,text\n1,a\n2,b,too many\n"
    statuses = (RowStatus.OK, RowStatus.EXCLUDED)
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", statuses, content=content)

    written = write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")

    assert (written.rows, written.errors.lines) == ({RowStatus.OK: 1, RowStatus.EXCLUDED: 1}, 0)


def test_a_table_without_rows_is_written_with_its_header(sqlite_database: Database, tmp_path: Path) -> None:
    """And counts of 0."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", ())

    written = write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")

    assert (tmp_path / "labeled.csv").read_bytes() == b"id,text,mood,mark,_status,_error\n"
    assert (written.results.lines, written.rows) == (0, {})


def test_the_summary_has_the_rows_by_status_and_the_digest_of_the_table(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """The counts add up to the rows of the table, which is more than the jobs."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", MAPPED)
    write_run(sqlite_database, run.run_id, tmp_path / "labeled.csv")

    summary = json.loads((tmp_path / "labeled.summary.json").read_bytes())
    rows = summary["rows"]
    assert rows.pop("total") == len(MAPPED) == sum(rows.values())
    assert rows == {status.value: MAPPED.count(status) for status in RowStatus}
    digest = hashlib.sha256((tmp_path / "labeled.csv").read_bytes()).hexdigest()
    assert summary["files"]["results"]["sha256"] == digest


def test_where_the_table_is_not_at_hand_the_jobs_are_written(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """As of any other run, whatever the input is now."""
    run = labeled_run(sqlite_database, tmp_path / "reviews.csv", PLAIN)
    run.table.unlink()

    written = write_job_results(sqlite_database, run.run_id, tmp_path / "jobs.jsonl")

    ids = [json.loads(line)["custom_id"] for line in (tmp_path / "jobs.jsonl").read_bytes().splitlines()]
    assert ids == ["row-1", "row-7"]
    assert written.errors.lines == 3


@pytest.mark.parametrize("statuses", [PLAIN, MAPPED], ids=["plain", "mapped"])
def test_rows_come_once_and_in_order_whatever_the_pages(
    database: Database, tmp_path: Path, statuses: tuple[RowStatus, ...]
) -> None:
    """Those with a job or a fault; other runs have none of them."""
    labeled_run(database, tmp_path / "before.csv", MAPPED[:3])
    run = labeled_run(database, tmp_path / "reviews.csv", statuses)
    labeled_run(database, tmp_path / "after.csv", MAPPED[:3])
    parts = labeled_rows.RowParts(every_answer=True, model=True, cost=True)

    for page in (1, 3, 1000):
        with database.read() as connection:
            pages = labeled_rows.pages(connection, run.run_id, parts, page)
            found = [labeled_rows.RowRecord._make(row) for rows in pages for row in rows]

        assert [row.number for row in found] == [
            number for number, status in enumerate(statuses, 1) if status is not RowStatus.EXCLUDED
        ]
        assert [row.job_id for row in found] == [run.jobs.get(row.number) for row in found]
        assert {row.ticks for row in found if row.state == "succeeded"} == {1000}


STATUSES: Final = st.lists(st.sampled_from([RowStatus.OK, RowStatus.OK, *RowStatus]), min_size=1, max_size=30)
CELLS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(statuses=STATUSES, cells=st.data(), ending=st.sampled_from(ENDINGS), page=st.integers(1, 40))
def test_no_row_ever_has_the_label_of_another(
    database: Database,
    tmp_path_factory: pytest.TempPathFactory,
    statuses: list[RowStatus],
    cells: st.DataObject,
    ending: str,
    page: int,
) -> None:
    """Whatever the rows, their statuses, the format and the pages: each answer carries its row's mark."""
    folder = tmp_path_factory.mktemp("random")
    rows = [(str(number), cells.draw(CELLS)) for number in range(1, len(statuses) + 1)]
    content = table_bytes(ending, rows)
    run = labeled_run(database, folder / f"reviews{ending}", statuses, content=content)
    out = folder / f"labeled{ending}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labeled_rows, "_PAGE_FIRST", page)
        written = write_run(database, run.run_id, out)

    found = read_back(out)
    assert [row["id"] for row in found] == [id_ for id_, _ in rows]
    assert [row["text"] or "" for row in found] == [text for _, text in rows]
    assert [row["_status"] for row in found] == [status.value for status in statuses]
    assert [row["mark"] for row in found] == [
        f"mark-{number}" if status is RowStatus.OK else None for number, status in enumerate(statuses, 1)
    ]
    assert Counter(written.rows) == Counter(statuses)
