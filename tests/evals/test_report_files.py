"""The files of a night: whole or not at all, replaced by the same night only, and the same each time."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest
from night_reports import REPORTS, hostile, regressed, report

from runner.evals.night.report_files import check_report_places, report_paths, write_report_files
from runner.rules.errors import UsageError, UserError
from runner.rules.evaluation.forms.items_csv import ItemLine
from runner.rules.evaluation.report.night_report import NightReport

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE, NIGHT = "support-answers", "support-answers@2026-11-28"
LINES = [ItemLine("", f"item-{n}", "correct", 3, 3, 1.0, 42, 30.0, ("A",)) for n in range(4)]
NAMES = [
    "support-answers.2026-11-28.eval.json",
    "support-answers.2026-11-28.items.csv",
    "support-answers.2026-11-28.junit.xml",
    "support-answers.2026-11-28.md",
]
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json.schema.json").read_bytes())


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the files in a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("output", "stem"),
    [
        (None, "support-answers.2026-11-28"),
        (".", "./support-answers.2026-11-28"),
        ("out", "out"),
        ("nights/monday", "nights/monday"),
        ("nights/monday.eval.json", "nights/monday"),
        ("there", "there/support-answers.2026-11-28"),
    ],
)
def test_the_names_come_from_the_night_or_from_the_output(
    output: str | None, stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-o` names a folder that exists, the .eval.json, or what the four names begin with."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    found = report_paths(SUITE, NIGHT, None if output is None else Path(output))
    assert list(found) == [Path(f"{stem}{end}") for end in (".eval.json", ".md", ".junit.xml", ".items.csv")]


def test_a_second_run_of_a_night_has_files_of_its_own() -> None:
    """SUITE@OCCASION.2 is SUITE.OCCASION.2 in names of files."""
    assert report_paths(SUITE, f"{NIGHT}.2").report == Path("support-answers.2026-11-28.2.eval.json")


def test_four_files_are_written_and_read_back(tmp_path: Path) -> None:
    """The JSON is the report and its mark, in the documented shape; the CSV has every item."""
    targets = write_report_files(tmp_path, regressed(), LINES, night_tag="abc")
    assert list(content(tmp_path)) == NAMES
    written = targets.report.read_bytes()
    assert msgspec.json.decode(written, type=NightReport) == msgspec.structs.replace(regressed(), mark="abc")
    shape = {"$ref": "#/$defs/NightReport", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(shape).validate(json.loads(written))
    with targets.items.open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [line.id for line in LINES]


@pytest.mark.parametrize("night", REPORTS.values(), ids=list(REPORTS))
def test_every_report_is_an_object_of_the_documented_shape(night: NightReport, tmp_path: Path) -> None:
    """The exit code and the verdict in it are those of the night."""
    targets = write_report_files(tmp_path / "out", night, [], night_tag="abc")
    found = json.loads(targets.report.read_bytes())
    jsonschema.Draft202012Validator({"$ref": "#/$defs/NightReport", "$defs": SCHEMA["$defs"]}).validate(found)
    assert (found["verdict"], found["exit_code"]) == (night.verdict, night.exit_code)


def test_the_same_night_makes_the_same_bytes(tmp_path: Path) -> None:
    """Written again, the files are replaced by equal ones; another verdict of the night replaces them too."""
    write_report_files(tmp_path, report(), LINES, night_tag="abc")
    before = content(tmp_path)
    write_report_files(tmp_path, report(), LINES, night_tag="abc")
    assert content(tmp_path) == before
    write_report_files(tmp_path, regressed(), LINES, night_tag="abc")
    assert b"REGRESSED" in content(tmp_path)["support-answers.2026-11-28.md"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_unknown_origin_is_not_replaced(name: str, tmp_path: Path) -> None:
    """Whichever of the four it is; `--force` replaces it, and an empty one is free."""
    there = tmp_path / name
    there.write_text("mine")
    with pytest.raises(UsageError, match="this night did not write") as refused:
        write_report_files(tmp_path, report(), LINES, night_tag="abc")
    assert refused.value.where == (f"{there} (of unknown origin)",)
    assert "--force" in (refused.value.fix or "")
    assert content(tmp_path) == {name: b"mine"}
    there.write_text("")
    write_report_files(tmp_path, report(), LINES, night_tag="abc")
    there.write_text("mine")
    write_report_files(tmp_path, report(), LINES, night_tag="abc", force=True)
    assert there.read_bytes() != b"mine"


def test_files_of_another_night_are_not_replaced(tmp_path: Path) -> None:
    """The error names that night. One of the same name in another state folder is another night, too."""
    write_report_files(tmp_path / "out", report(), LINES, night_tag="abc")
    with pytest.raises(UsageError) as refused:
        check_report_places(report_paths(SUITE, NIGHT, tmp_path / "out"), "def")
    assert all("of support-answers@2026-11-28" in place for place in refused.value.where)
    assert len(refused.value.where) == 4


def test_a_night_whose_writing_was_cut_short_knows_its_files(tmp_path: Path) -> None:
    """The .eval.json is put in place first: what is beside it is its own, or missing."""
    targets = write_report_files(tmp_path, report(), LINES, night_tag="abc")
    targets.items.unlink()
    targets.markdown.write_text("of an hour ago")
    write_report_files(tmp_path, report(), LINES, night_tag="abc")
    assert list(content(tmp_path)) == NAMES


def test_no_file_is_left_where_one_cannot_be_written(tmp_path: Path) -> None:
    """Items that cannot be read, a missing folder, a folder in a file's place: all stays as it was."""

    def broken() -> Iterator[ItemLine]:
        yield LINES[0]
        raise RuntimeError("no more items")

    with pytest.raises(RuntimeError, match="no more items"):
        write_report_files(tmp_path, report(), broken(), night_tag="abc")
    assert content(tmp_path) == {}
    with pytest.raises(UserError, match="does not exist"):
        write_report_files(tmp_path / "no" / "out", report(), LINES, night_tag="abc")
    (tmp_path / "out.md").mkdir()
    with pytest.raises(UserError):
        write_report_files(tmp_path / "out", report(), LINES, night_tag="abc", force=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.md"]


def test_what_stands_in_a_files_place_is_to_be_moved(tmp_path: Path) -> None:
    """-o names no single file of the four, so no cure names a file in the folder, or where the link leads."""
    targets = report_paths(SUITE, NIGHT, tmp_path / "out")
    targets.markdown.mkdir()
    with pytest.raises(UserError, match=r"out\.md is a folder") as of_folder:
        check_report_places(targets, "abc", force=True)
    targets.report.symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=r"out\.eval\.json is a symbolic link") as of_link:
        check_report_places(targets, "abc", force=True)
    cure = "move it away, or choose another name with -o"
    assert (of_folder.value.fix, of_link.value.fix) == (cure, cure)


def test_hostile_text_is_unchanged_in_json_alone(tmp_path: Path) -> None:
    """As far as it is text: half a character is an escape there as well."""
    text = 'a\x1b[2J<b>"\u202e'
    targets = write_report_files(tmp_path / "out", hostile(text), [], night_tag="abc")
    assert json.loads(targets.report.read_bytes())["reason"] == text
    assert b"\x1b" not in b"".join(content(tmp_path).values())
    broken = write_report_files(tmp_path / "broken", hostile("\ud800"), [], night_tag="abc")
    assert json.loads(broken.report.read_bytes())["reason"] == "\\ud800"
