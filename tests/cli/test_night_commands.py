"""`runner history` and `runner baseline`, on nights that are stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import orjson
import pytest
from actors import trail_of
from cli_calls import run_command
from night_driver import REPORT, NightDriver, suite_of
from night_reports import outage, regressed, report
from run_driver import new_run
from sqlalchemy import text

from runner.db import migrate
from runner.db.evaluation import measurements, nights
from runner.db.session import Database
from runner.rules.json_object import encoded

if TYPE_CHECKING:
    from actors import TrailRow

    from runner.rules.evaluation.report.night_report import NightReport

CODE_SUITE = """
name = "answers"
items = "items.jsonl"
[subject]
model = "grok-4.3"
[[grader]]
name = "mine"
type = "python"
function = "checks:grade"
"""
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json.schema.json").read_bytes())
WIDTH = 80


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with a state folder: three good nights, a regressed, an invalid and an open one."""
    (tmp_path / "home").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'home' / 'runner.db'}")
    migrate.upgrade(database, None)
    driver = NightDriver(database)
    for day in (1, 2, 3):
        driver.end(driver.begin(f"2026-12-0{day}"))
    driver.end(driver.begin("2026-12-04"), "regressed", exit_code=10, is_accepted=False)
    report = orjson.dumps(REPORT | {"reason": "1 of 6 answers has a score"})
    invalid: dict[str, Any] = {"is_valid": False, "is_accepted": False, "exit_code": 11, "report": report}
    driver.end(driver.begin("2026-12-05"), "no_verdict", **invalid)
    driver.begin("2026-12-06")
    database.close()
    return tmp_path


def printed(home: Path, *words: str, code: int = 0) -> str:
    env = {"RUNNER_HOME": str(home / "home"), "PATH": "/usr/bin:/bin"}
    return run_command(words, home, env, code).output


def trail_at(home: Path) -> list[TrailRow]:
    """Return the events of commands about nights."""
    database = Database(f"sqlite:///{home / 'home' / 'runner.db'}")
    found = trail_of(database, "operator_events")
    database.close()
    return found


def json_of(home: Path, *words: str) -> Any:
    """Return what a command prints with --json, validated against its schema."""
    found = json.loads(printed(home, *words, "--json"))
    schema = {"$ref": f"#/$defs/{words[0]}", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


def test_the_events_of_a_night_have_what_commands_did_to_it(home: Path) -> None:
    """Beside those of its run, by its name; another night's are left out."""
    database = Database(f"sqlite:///{home / 'home' / 'runner.db'}")
    run = new_run(database, 1, identity="m")
    with database.write() as connection:
        night = nights.find_by_name(connection, "answers@2026-12-03")
        assert night is not None
        measurements.add_measurement(connection, night.id, 1, run.run_id)
    database.close()
    for day in (3, 4):
        printed(home, "baseline", "answers", "pin", f"2026-12-0{day}", "--as", f"day-{day}")

    shown = printed(home, "events", "answers@2026-12-03")

    kinds = [line[21:] for line in shown.splitlines() if line.startswith("20")]
    assert sorted(kinds) == ["baseline", "started"]
    assert "day-3" in shown
    assert "day-4" not in shown


def test_the_history_has_a_line_a_night(home: Path) -> None:
    """The oldest first, within 80 columns; a night without a verdict has no numbers."""
    lines = printed(home, "history", "answers").splitlines()

    assert [line.split("  ")[0] for line in lines] == ["night", *(f"2026-12-0{n}" for n in range(1, 7))]
    assert "80.0 %" in lines[1]
    assert "83.3 %" in lines[1]
    assert lines[1].endswith("accepted  grok-4.3 fp_1")
    assert "regressed" in lines[4]
    assert lines[6].split() == ["2026-12-06", "open", "-", "-", "-", "-"]
    assert max(map(len, lines)) <= WIDTH
    assert len(printed(home, "history", "answers", "--last", "2").splitlines()) == 3


def test_the_history_says_of_which_variant_its_scores_are(home: Path) -> None:
    """Else a night that regressed by another variant would show a good score."""
    database = Database(f"sqlite:///{home / 'home' / 'runner.db'}")
    NightDriver(database, suite_of("correct", variants=("short", "long"))).begin("2026-12-07")
    database.close()

    last = printed(home, "history", "answers").splitlines()[-1]

    assert last == "score and measured are those of the variant short, the first of 2"


def test_nights_are_compared_by_one_variant_that_is_named(home: Path) -> None:
    """The first, or the one that a user names; one that is not there is refused with those that are."""
    database = Database(f"sqlite:///{home / 'home' / 'runner.db'}")
    driver = NightDriver(database, suite_of("correct", variants=("short", "long")))
    for day, right in (("2026-12-08", 1.0), ("2026-12-09", 0.0)):
        night = driver.begin(day)
        driver.measure(night, {"correct": {"a": (1.0, 1.0), "b": (1.0, 1.0)}})
        driver.measure(night, {"correct": {"a": (1.0, 1.0), "b": (right, right)}}, variant=1)
        driver.end(night)
    database.close()
    sides = ("compare", "answers@2026-12-09", "answers@2026-12-08")

    first, other = printed(home, *sides), printed(home, *sides, "--variant", "long")
    refused = printed(home, *sides, "--variant", "longer", code=2)
    alone = printed(home, *sides[:2], "--variant", "long", code=2)

    assert first.startswith("answers@2026-12-09, short against answers@2026-12-08, short\n")
    assert "change    +0.0 points" in first
    assert "change    -50.0 points" in other
    assert 'has no variant "longer"' in refused
    assert "it has short, long" in refused
    assert "--variant is for nights that are compared" in alone


def test_the_history_is_there_for_programs(home: Path) -> None:
    """With numbers as they are."""
    found = json_of(home, "history", "answers")["nights"]

    assert [night["verdict"] for night in found[2:]] == ["passed", "regressed", "no_verdict", None]
    assert (found[0]["score"], found[0]["measured"], found[0]["answers"]) == (0.8, 5, 6)
    assert found[0]["services"] == [{"model": "grok-4.3", "fingerprint": "fp_1", "answers": 6}]
    assert found[0]["spent_ticks"] == 70
    assert [night["is_accepted"] for night in found] == [True, True, True, False, False, False]


def test_the_cost_of_a_removed_run_is_unknown(tmp_path: Path) -> None:
    """It is not zero. Of a night without a verdict there is none yet."""
    (tmp_path / "home").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'home' / 'runner.db'}")
    migrate.upgrade(database, None)
    driver = NightDriver(database)
    removed = orjson.dumps(REPORT | {"cost": None, "services": []})
    driver.end(
        driver.begin("n1"), "no_verdict", exit_code=11, is_valid=False, is_accepted=False, report=removed
    )
    driver.begin("n2")
    database.close()

    lines = printed(tmp_path, "history", "answers").splitlines()
    assert lines[1].split()[-4:] == ["unknown", "-", "(run", "removed)"]
    assert lines[2].split() == ["n2", "open", "-", "-", "-", "-"]
    found = json_of(tmp_path, "history", "answers")["nights"]
    assert [night["spent_ticks"] for night in found] == [None, None]


def test_a_regressed_night_counts_once_it_is_accepted(home: Path) -> None:
    """It stays outside of the pool until then; its verdict stays."""
    before = json_of(home, "baseline", "answers")
    assert before["pool"] == ["answers@2026-12-01", "answers@2026-12-02", "answers@2026-12-03"]
    assert before["left_out"] == ["answers@2026-12-04"]
    shown = printed(home, "baseline", "answers", "show")
    assert "the next night is compared with 3 nights" in shown
    assert "runner baseline answers accept 2026-12-04" in shown

    accepted = printed(home, "baseline", "answers", "accept", "2026-12-04")
    assert "is accepted" in accepted
    assert "runner baseline answers pin answers@2026-12-04 --as NAME" in accepted
    assert 'baseline = "pinned:NAME"' in accepted
    assert all(len(line) <= WIDTH for line in accepted.splitlines())
    assert "pin" not in printed(home, "baseline", "answers", "accept", "2026-12-01")
    assert "is already accepted" in printed(home, "baseline", "answers", "accept", "2026-12-04")

    after = json_of(home, "baseline", "answers", "show")
    assert after["pool"][-1] == "answers@2026-12-04"
    assert after["left_out"] == []
    assert json_of(home, "history", "answers")["nights"][3]["verdict"] == "regressed"


@pytest.mark.parametrize("action", ["accept", "pin"])
def test_a_night_without_scores_is_no_baseline(home: Path, action: str) -> None:
    """An invalid one is refused with the reason that its report gives, an open one too."""
    invalid = printed(home, "baseline", "answers", action, "2026-12-05", code=2)
    assert "not measured enough" in invalid
    assert "1 of 6 answers has a score" in invalid
    assert "no verdict yet" in printed(home, "baseline", "answers", action, "2026-12-06", code=2)
    assert len(json_of(home, "baseline", "answers")["pool"]) == 3


def test_a_night_is_pinned_under_a_name(home: Path) -> None:
    """By default that of its occasion; a name moves, and is forgotten."""
    printed(home, "baseline", "answers", "pin", "2026-12-01")
    printed(home, "baseline", "answers", "pin", "answers@2026-12-02", "--as", "spring")
    found = json_of(home, "baseline", "answers", "pin", "2026-12-03", "--as", "spring")
    assert found["pinned"] == [
        {"name": "2026-12-01", "night": "answers@2026-12-01"},
        {"name": "spring", "night": "answers@2026-12-03"},
    ]
    assert [(event.old, event.new) for event in trail_at(home)][1:] == [
        ({"pinned_as": None}, {"pinned_as": "spring"}),
        ({"pinned_as": "spring"}, {"pinned_as": None}),
        ({"pinned_as": None}, {"pinned_as": "spring"}),
    ], "the night that lost the name has an event, too"
    assert "pinned as spring" in printed(home, "baseline", "answers")

    assert "no longer pinned as spring" in printed(home, "baseline", "answers", "unpin", "spring")
    assert len(json_of(home, "baseline", "answers")["pinned"]) == 1
    not_pinned = printed(home, "baseline", "answers", "unpin", "2026-12-03")
    assert "was not pinned; runner baseline answers shows those that are" in not_pinned
    unknown = printed(home, "baseline", "answers", "unpin", "winter", code=2)
    assert "runner history answers shows its nights" in unknown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("history", "answer"), 'did you mean "answers"?'),
        (("baseline", "answers", "accept"), "accept needs a night"),
        (("baseline", "answers", "show", "2026-12-01"), "show takes no night"),
        (("baseline", "answers", "accept", "2026-12-1"), "did you mean"),
        (("baseline", "answers", "accept", "2026-12-04", "--as", "x"), "only for pin"),
        (("baseline", "answers", "pin", "2026-12-04", "--as", "a b"), 'cannot be "a b"'),
        (("baseline", "answers", "drop", "2026-12-04"), "drop"),
    ],
)
def test_what_cannot_be_done_is_explained(home: Path, words: tuple[str, ...], said: str) -> None:
    """Exit 2, with how to write it."""
    shown = printed(home, *words, code=2)

    assert said in shown
    assert "fix: " in shown


def test_few_nights_are_no_baseline_yet(home: Path) -> None:
    """As the verdict of the next night will say."""
    database = Database(f"sqlite:///{home / 'home' / 'runner.db'}")
    with database.write() as connection:
        first = nights.find(connection, "answers", "2026-12-01")
        assert first is not None
        nights.accept(connection, first.id, False)
    database.close()

    assert "no baseline yet, 2 nights of 3 accepted" in printed(home, "baseline", "answers")


def test_the_name_of_a_night_stands_for_its_run_at_work(home: Path) -> None:
    """The newest that is there; an id means just that run, and `summary` the run of that name."""
    database = Database(f"sqlite:///{home / 'home' / 'runner.db'}")
    driver = NightDriver(database)
    first, second, gone = (new_run(database, 2).run_id for _ in range(3))
    night = driver.read(nights.find, "answers", "2026-12-06")
    with database.write() as connection:
        named = text("UPDATE runs SET name = :name WHERE id = :run")
        connection.execute(named, {"name": night.name, "run": first})
        measurements.add_measurement(connection, night.id, 1, first)
        measurements.add_measurement(connection, night.id, 2, second)
    database.close()

    assert json_of(home, "status", night.name)["run"] == second
    assert json_of(home, "status", str(first))["run"] == first
    assert json_of(home, "summary", night.name)["run"] == first
    shown = printed(home, "status", night.name)
    assert f"night {night.name}: " in shown
    assert "0 of 4 jobs done" in shown
    assert f"night {night.name}: " in printed(home, "status", str(first))
    assert "night " not in printed(home, "status", str(gone))


@pytest.mark.parametrize("night", [report(), regressed(), outage()], ids=lambda night: night.verdict)
def test_a_night_that_is_shown_has_its_exit_code(tmp_path: Path, night: NightReport) -> None:
    """The code that the screen names is that of the command, also as JSON."""
    (tmp_path / "home").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'home' / 'runner.db'}")
    migrate.upgrade(database, None)
    driver = NightDriver(database)
    driver.end(driver.begin("2026-12-01"), night.verdict, exit_code=night.exit_code, report=encoded(night))
    database.close()

    shown = printed(tmp_path, "compare", "answers@2026-12-01", code=night.exit_code)
    assert f"(exit {night.exit_code})" in shown.splitlines()[0]
    printed(tmp_path, "compare", "answers@2026-12-01", "--json", code=night.exit_code)
    refused = printed(tmp_path, "compare", "answers@2026-12-01", "--again", "again.csv", code=2)
    assert "--again is for a night that is judged" in refused


def test_a_night_is_graded_again_by_its_name_or_occasion(home: Path) -> None:
    """One that is not there, or has not ended, is named; the others are found."""
    (home / "s.toml").write_text(CODE_SUITE.replace('"python"\nfunction = "checks:grade"', '"exact"'))
    for name in ("2026-12-07", "answers@2026-12-06", "2026-12-06"):
        shown = printed(home, "regrade", "s.toml", "2026-12-01", "answers@2026-12-02", name, code=2)
        assert f'answers has no night "answers@{name.removeprefix("answers@")}" that has ended' in shown


@pytest.mark.parametrize("command", ["eval", "regrade"])
def test_graders_that_are_code_are_refused_without_trust(home: Path, command: str) -> None:
    """Before anything is sent or graded: their scores would be missing, and the night without a verdict."""
    (home / "s.toml").write_text(CODE_SUITE)
    (home / "items.jsonl").write_text('{"id": "a", "prompt": "?", "target": "yes"}\n')
    shown = printed(home, command, "s.toml", code=2)

    assert 'the grader "mine" is code of the suite, which is not run' in shown
    assert "fix: read the code; if you trust it, add --trust-code" in shown
