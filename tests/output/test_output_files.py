"""The names of the files of a run, and what the name of its results promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.output.files import default_output, has_summary, paths
from runner.output.output_name import check_lines_name, table_format
from runner.rules.errors import UsageError, UserError
from runner.tables.table import Format


@pytest.mark.parametrize(
    ("output", "results", "errors", "summary"),
    [
        ("out.jsonl", "out.jsonl", "out.errors.jsonl", "out.summary.json"),
        ("a.results.jsonl", "a.results.jsonl", "a.results.errors.jsonl", "a.results.summary.json"),
        ("labels", "labels", "labels.errors.jsonl", "labels.summary.json"),
        ("out.jsonl.gz", "out.jsonl.gz", "out.errors.jsonl.gz", "out.summary.json"),
        ("out.csv.GZ", "out.csv.GZ", "out.errors.jsonl.GZ", "out.summary.json"),
        ("labels.json", "labels.json", "labels.json.errors.jsonl", "labels.json.summary.json"),
    ],
)
def test_the_three_names_come_from_the_one_given(
    output: str, results: str, errors: str, summary: str
) -> None:
    """OUT.jsonl gives OUT.errors.jsonl and OUT.summary.json; any other name works as well."""
    assert [Path("in", name) for name in (results, errors, summary)] == list(paths(Path("in", output)))


@pytest.mark.parametrize("source", ["a/b/reviews.jsonl", "reviews.jsonl.gz", "/reviews"])
def test_the_default_output_is_in_the_current_folder(source: str) -> None:
    """It has the input's name without its suffixes."""
    assert Path("reviews.results.jsonl") == default_output(Path(source))


def test_an_output_has_a_name(tmp_path: Path) -> None:
    """A path that ends with a folder is none."""
    with pytest.raises(UserError, match="is a folder"):
        paths(Path())
    assert not has_summary(Path())
    assert not has_summary(tmp_path / ("x" * 250))


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("x.jsonl.zst", "write x.jsonl.gz, or x.jsonl and compress that"),
        ("x.bz2", "write x.gz"),
        ("x.jsonl.XZ", "write x.jsonl.gz"),
        ("x.zip", "write x.gz"),
        ("x.tar.gz", "end the name with .jsonl or .jsonl.gz"),
        ("x.csv", "end the name with .jsonl or .jsonl.gz"),
        ("x.parquet.gz", "end the name with .jsonl or .jsonl.gz"),
        ("x.xlsx", "end the name with .jsonl or .jsonl.gz"),
    ],
)
def test_a_name_that_promises_something_else_than_json_lines_is_refused(name: str, fix: str) -> None:
    """What would read the file by its name could not."""
    with pytest.raises(UsageError) as caught:
        check_lines_name(Path("in", name))
    assert fix in caught.value.fix


@pytest.mark.parametrize("name", ["x", "x.json", "x.jsonl", "x.jsonl.gz", "x.gz", "x.out", "x.2026"])
def test_other_names_promise_nothing(name: str) -> None:
    """Any of them is taken."""
    check_lines_name(Path(name))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x.csv", Format.CSV),
        ("x.CSV.GZ", Format.CSV),
        ("x.tsv.gz", Format.TSV),
        ("x.jsonl.gz", Format.JSONL),
        ("x.parquet", Format.PARQUET),
    ],
)
def test_the_name_says_the_format_of_a_table(name: str, found: Format) -> None:
    """All formats of text may be compressed."""
    assert table_format(Path(name)) is found


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("x.parquet.gz", "leave out the last ending: x.parquet"),
        ("x.csv.zst", "write x.csv.gz, or x.csv and compress that"),
        ("x.gz", "end the name with .csv, .tsv, .jsonl, .parquet"),
        ("x", "end the name with .csv"),
        ("x.xlsx", "end the name with .csv"),
    ],
)
def test_a_table_that_cannot_be_written_so_is_refused(name: str, fix: str) -> None:
    """With a name that it can have."""
    with pytest.raises(UsageError) as caught:
        table_format(Path(name))
    assert fix in caught.value.fix
