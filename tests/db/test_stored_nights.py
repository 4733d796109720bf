"""Nights: begun once an occasion, kept whole, ended once, accepted and pinned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from night_driver import REPORT, NightDriver, item, suite_of
from run_driver import NOW_MS, new_run
from sqlalchemy import text

from runner.db.evaluation import measurements, nights
from runner.db.evaluation.items import changes_since, items_of
from runner.db.evaluation.nights import NightState

if TYPE_CHECKING:
    from runner.db.session import Database


def test_a_night_is_begun_once_an_occasion(database: Database) -> None:
    """The second begin returns what the first one stored, whatever it is given; `new` adds a night."""
    driver = NightDriver(database)
    first = driver.begin(items=[item("a"), item("b", cluster="doc", choices=("x", "y"))])
    again = driver.begin(items=[item("c")])
    further = driver.begin(new=True)

    assert again == first
    assert (first.name, first.repetition, first.state) == ("answers@2026-12-01", 0, NightState.OPEN)
    assert (further.name, further.repetition) == ("answers@2026-12-01.2", 1)
    assert driver.read(nights.find, "answers", "2026-12-01") == further
    assert driver.read(nights.find_by_name, "answers@2026-12-01") == first
    assert driver.read(nights.find, "answers", "2026-12-02") is None
    stored = [found for _, found in driver.read(items_of, first.id)]
    assert stored == [item("a"), item("b", cluster="doc", choices=("x", "y"))]


def test_two_processes_begin_the_same_night_once(database: Database) -> None:
    """The second one waits for the first, and gets what that stored."""
    driver = NightDriver(database)
    with ThreadPoolExecutor(4) as threads:
        begun = list(threads.map(lambda _: driver.begin(), range(8)))

    assert len({night.id for night in begun}) == 1
    assert len(driver.read(nights.of_suite, "answers")) == 1


def test_a_name_is_that_of_one_night_only(database: Database) -> None:
    """An occasion may be called like the second night of another one."""
    driver = NightDriver(database)
    driver.begin("a.2")
    driver.begin("a")

    assert driver.begin("a", new=True).name == "answers@a.3"


def test_a_name_is_that_of_no_run(database: Database) -> None:
    """Nor are those of its measurements: a job file may be called like the suite, and run on its own."""
    driver = NightDriver(database)
    rename = text("UPDATE runs SET name = identity")
    for name in ("answers@a", "answers.again@a.2"):
        new_run(database, 1, identity=name)
        driver.write(lambda connection: connection.execute(rename))

    assert driver.begin("a").name == "answers@a.3"
    assert driver.read(nights.find_by_run_name, "answers.again@a.3").name == "answers@a.3"
    other = NightDriver(database, replace(suite_of("correct"), name="answers.again"))
    assert other.begin("a.3").name == "answers.again@a.3.2"


def test_variants_are_the_names_of_the_subjects(database: Database) -> None:
    """In the order of the suite, as answers and grades number them."""
    suite = suite_of("correct", variants=("short", "long"))

    assert NightDriver(database, suite).begin().variants == ("short", "long")
    assert NightDriver(database, suite_of("correct")).begin("other").variants == ("",)


def test_nights_are_found_by_suite_and_state(database: Database) -> None:
    """Unfinished ones of a suite, oldest first."""
    driver = NightDriver(database)
    first, second = driver.begin("n1"), driver.begin("n2")
    driver.end(first)

    assert driver.read(nights.unfinished, "answers") == [second]
    assert driver.read(nights.unfinished, "others") == []
    assert [night.id for night in driver.read(nights.of_suite, "answers")] == [first.id, second.id]
    assert driver.read(nights.suite_names) == ["answers"]


def test_a_night_ends_once(database: Database) -> None:
    """A second verdict comes only from grading again; then the newest report counts, and none is lost."""
    driver = NightDriver(database)
    night = driver.begin()

    assert driver.read(nights.report, night.id) is None
    assert driver.end(night, now_ms=NOW_MS + 5)
    assert not driver.end(night, "regressed", exit_code=10)
    ended = driver.read(nights.find_by_name, night.name)
    assert (ended.state, ended.verdict, ended.exit_code) == (NightState.ENDED, "passed", 0)
    assert (ended.is_valid, ended.is_accepted, ended.ended_at_ms) == (True, True, NOW_MS + 5)

    other = orjson.dumps(REPORT | {"reason": "graded again"})
    again: dict[str, Any] = {"report": other, "is_regrade": True, "now_ms": NOW_MS + 9}
    assert driver.end(night, "regressed", exit_code=10, is_accepted=False, **again)
    newer = driver.read(nights.find_by_name, night.name)
    assert (newer.verdict, newer.is_accepted, newer.ended_at_ms) == ("regressed", False, NOW_MS + 9)
    assert driver.read(nights.report, night.id) == other
    count = text("SELECT COUNT(*) FROM eval_verdicts")
    assert driver.read(lambda connection: connection.execute(count).scalar_one()) == 2


def test_an_open_night_is_not_graded_again(database: Database) -> None:
    """Its first verdict comes first."""
    driver = NightDriver(database)

    assert not driver.end(driver.begin(), is_regrade=True)


def test_a_name_is_pinned_to_one_night(database: Database) -> None:
    """Pinned again it moves; another suite may have the same name."""
    driver = NightDriver(database)
    first, second = driver.begin("n1"), driver.begin("n2")
    other = NightDriver(database, suite_of("correct"))
    other.suite = other.suite.__class__(name="others", subjects=(), graders=(), gates=())
    third = other.begin("n1")
    for night in (first, third, second):
        driver.write(nights.pin, night.id, "spring")

    pinned = {night.id: night.pinned_as for night in (first, second, third)}
    for night in (first, second, third):
        pinned[night.id] = driver.read(nights.find_by_name, night.name).pinned_as
    assert pinned == {first.id: None, second.id: "spring", third.id: "spring"}

    driver.write(nights.pin, second.id, None)
    assert driver.read(nights.find_by_name, second.name).pinned_as is None


def test_settings_and_acceptance_are_changed_alone(database: Database) -> None:
    """All else of the night stays."""
    driver = NightDriver(database)
    night = driver.begin()
    driver.write(nights.set_options, night.id, b'{"rpm":3}')
    driver.write(nights.accept, night.id, True)

    changed = driver.read(nights.find_by_name, night.name)
    assert (changed.options, changed.is_accepted) == (b'{"rpm":3}', True)
    assert changed.spec == night.spec


def test_a_measurement_is_added_once(database: Database) -> None:
    """The run of a number stays the one that was added first."""
    driver = NightDriver(database)
    night = driver.begin()
    run_id = new_run(database, 1).run_id
    first = driver.write(measurements.add_measurement, night.id, 1, run_id)
    assert driver.write(measurements.add_measurement, night.id, 1, 98) == first
    driver.write(measurements.add_measurement, night.id, 2, 99)
    driver.write(measurements.set_graded, first.id)

    found = driver.read(measurements.measurements, night.id)
    assert [(row.number, row.run_id, row.is_graded) for row in found] == [(1, run_id, True), (2, 99, False)]


def test_a_run_that_was_removed_is_replaced_until_it_is_graded(database: Database) -> None:
    """Its night is measured by another run then; a graded one has its scores, and stays."""
    driver = NightDriver(database)
    night = driver.begin()
    driver.write(measurements.add_measurement, night.id, 1, 98)
    newer = driver.write(measurements.add_measurement, night.id, 1, 99)
    driver.write(measurements.set_graded, newer.id)

    assert newer.run_id == 99
    assert driver.write(measurements.add_measurement, night.id, 1, 100).run_id == 99


def test_items_are_stored_by_version(database: Database) -> None:
    """An item that asks the same is the same version; changes are told by id, sorted."""
    driver = NightDriver(database)
    before = driver.begin("n1", [item("b"), item("a"), item("gone"), item("moved", cluster="old")])
    after = driver.begin("n2", [item("moved", cluster="new"), item("new"), item("a", "other?"), item("b")])

    ids = [{found.id: row for row, found in driver.read(items_of, night.id)} for night in (before, after)]
    assert ids[0]["b"] == ids[1]["b"]
    assert ids[0]["moved"] == ids[1]["moved"]
    assert ids[0]["a"] != ids[1]["a"]
    clusters = {found.id: found.cluster for _, found in driver.read(items_of, before.id)}
    assert clusters["moved"] == "new"
    changes = driver.read(changes_since, after.id, before.id)
    assert (changes.same, changes.added, changes.removed) == (2, ["new"], ["gone"])
    assert changes.changed == ["a"]
