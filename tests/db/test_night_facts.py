"""What is read of a night and those before it: only scores that may be compared."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

from night_driver import CONTENT, NightDriver, answer, item, suite_of
from run_driver import NOW_MS

from runner.db.counts import counters
from runner.db.evaluation import grades, measurements, nights
from runner.db.evaluation.facts import read_facts
from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.items import items_of
from runner.rules.evaluation.gate.score_sums import ScoreSums
from runner.rules.evaluation.report.night_content import encode_content
from runner.rules.evaluation.report.night_facts import Column, NightCosts

if TYPE_CHECKING:
    from runner.db.evaluation.nights import NightRow
    from runner.db.session import Database
    from runner.rules.evaluation.report.night_facts import NightFacts

CORRECT = Column("", "correct")


def facts_of(driver: NightDriver, night: NightRow, nights_max: int = 90) -> NightFacts:
    with driver.database.read() as connection:
        return read_facts(connection, night, driver.suite, nights_max=nights_max)


def summed(*items: tuple[int, int]) -> ScoreSums:
    """Return the sums of a side: how many answers each item has, and how many of them are right."""
    answers, right = (array("B", column) for column in zip(*items, strict=True))
    return ScoreSums(answers, right, right)


def add_night(
    driver: NightDriver, occasion: str, *, is_valid: bool = True, **scores: list[float | None]
) -> None:
    """Store a night whose items are those with scores."""
    night = driver.begin(occasion, [item(key) for key in scores])
    driver.measure(night, {"correct": scores})
    driver.end(night, is_valid=is_valid)


def test_tonight_has_every_item_and_epoch(database: Database) -> None:
    """Answers that were lost or not graded are None; both measurements are read."""
    driver = NightDriver(database)
    night = driver.begin(items=[item("b", cluster="doc"), item("a"), item("lost")])
    driver.measure(night, {"correct": {"a": [1.0, 0.0], "b": [None, 0.25]}}, run_id=4)
    driver.measure(night, {"correct": {"a": [1.0, 1.0]}}, number=2, run_id=5)

    facts = facts_of(driver, night)

    assert facts.first.scores == {CORRECT: {"b": [None, 0.25], "a": [1.0, 0.0], "lost": [None, None]}}
    assert list(facts.first.scores[CORRECT]) == ["b", "a", "lost"]
    assert facts.again is not None
    assert facts.again.scores[CORRECT]["a"] == [1.0, 1.0]
    assert (facts.first.run, facts.again.run) == (4, 5)
    assert (facts.night, facts.occasion, facts.content) == (night.name, night.occasion, CONTENT)
    assert (facts.clusters, facts.past) == ({"b": "doc"}, [])
    assert facts.first.answers.expected == 6


def test_a_measurement_counts_when_it_is_graded(database: Database) -> None:
    """The second one is not there until then."""
    driver = NightDriver(database)
    night = driver.begin()
    driver.measure(night, {"correct": {"a": [1.0, 1.0]}})
    driver.write(measurements.add_measurement, night.id, 2, 9)

    assert facts_of(driver, night).again is None


def test_reasons_of_answers_without_a_grade_are_counted(database: Database) -> None:
    """By column, over both measurements; answers with a grade do not count."""
    driver = NightDriver(database)
    night = driver.begin()
    first = driver.measure(night, {"correct": {"a": [1.0, 1.0]}})
    second = driver.measure(night, {"correct": {"a": [1.0, 1.0]}}, number=2)
    (item_id, _), *_ = driver.read(items_of, night.id)
    (grader_id,) = driver.read(grader_ids, night.id).values()
    lost = [grades.GradeRow(0, item_id, 2, None, "", "it hung")]
    for measured in (first, second):
        driver.write(grades.put_grades, measured.id, grader_id, lost)

    assert facts_of(driver, night).unscored == {CORRECT: {"it hung": 2}}


def test_past_nights_are_valid_ones_before_it(database: Database) -> None:
    """Oldest first; invalid and open nights, later ones and those of other suites are left out."""
    driver = NightDriver(database)
    other = NightDriver(database, replace(suite_of("correct"), name="others"))
    add_night(driver, "n1", a=[1.0], b=[0.0])
    add_night(driver, "n2", is_valid=False, a=[0.0])
    add_night(other, "n3", a=[0.0])
    driver.begin("n4")
    add_night(driver, "n5", a=[0.0], b=[1.0])
    night = driver.begin("n6")
    driver.measure(night, {"correct": {"a": [1.0]}})
    add_night(driver, "n7", a=[1.0])

    past = facts_of(driver, night).past

    assert [one.occasion for one in past] == ["n1", "n5"]
    assert [one.scores[CORRECT] for one in past] == [summed((1, 1), (1, 0)), summed((1, 0), (1, 1))]
    assert all(one.first == one.scores for one in past)


def test_both_measurements_of_a_past_night_are_pooled(database: Database) -> None:
    """`first` stays the first one alone."""
    driver = NightDriver(database)
    before = driver.begin("n1")
    driver.measure(before, {"correct": {"a": [1.0, 0.0]}})
    driver.measure(before, {"correct": {"a": [1.0, 1.0]}}, number=2)
    driver.end(before)
    night = driver.begin("n2")
    driver.measure(night, {"correct": {"a": [1.0]}})

    (past,) = facts_of(driver, night).past

    assert past.first == {CORRECT: summed((2, 1), (0, 0))}
    assert [list(column) for column in past.scores[CORRECT]] == [[4, 0], [3, 0], [3, 0]]
    assert past.answers.answered == 4


def test_a_regressed_night_that_is_accepted_was_meant(database: Database) -> None:
    """It is compared with, but its drop is not taken for noise."""
    driver = NightDriver(database)
    for occasion, verdict, is_accepted in (
        ("n1", "passed", True),
        ("n2", "regressed", False),
        ("n3", "regressed", True),
    ):
        before = driver.begin(occasion)
        driver.measure(before, {"correct": {"a": [1.0]}})
        driver.end(before, verdict, is_accepted=is_accepted)
    night = driver.begin("n4")
    driver.measure(night, {"correct": {"a": [1.0]}})

    assert [one.is_meant for one in facts_of(driver, night).past] == [False, False, True]


def test_only_equal_items_are_compared(database: Database) -> None:
    """A changed item has no past, and the changes are those since the newest accepted night."""
    driver = NightDriver(database)
    before = driver.begin("n1", [item("a"), item("b", "old?"), item("c")])
    driver.measure(before, {"correct": {"a": [1.0], "b": [1.0], "c": [1.0]}})
    driver.end(before)
    newest = driver.begin("n2", [item("a")])
    driver.measure(newest, {"correct": {"a": [0.0]}})
    driver.end(newest, is_accepted=False)
    night = driver.begin("n3", [item("b", "new?"), item("d"), item("a")])
    driver.measure(night, {"correct": {"a": [1.0]}})

    facts = facts_of(driver, night)

    assert [one.scores[CORRECT] for one in facts.past] == [
        summed((0, 0), (0, 0), (1, 1)),
        summed((0, 0), (0, 0), (1, 0)),
    ]
    changes = facts.item_changes
    assert (changes.same, changes.added, changes.removed) == (1, ["d"], ["c"])
    assert changes.changed == ["b"]


def test_only_equal_graders_are_compared(database: Database) -> None:
    """By their rules, not their names: one that changed has no past, one that was renamed keeps it."""
    driver = NightDriver(database, suite_of("correct", "short"))
    before = driver.begin("n1", graders={"right": "c-1", "short": "s-1"})
    driver.measure(before, {"right": {"a": [0.5]}, "short": {"a": [1.0]}})
    driver.end(before)
    night = driver.begin("n2", graders={"correct": "c-1", "short": "s-2"})
    driver.measure(night, {"correct": {"a": [1.0]}, "short": {"a": [1.0]}})

    (past,) = facts_of(driver, night).past

    assert {column: list(sums.sums) for column, sums in past.scores.items()} == {CORRECT: [0.5, 0]}


def test_a_night_that_is_graded_again_can_be_compared(database: Database) -> None:
    """By a grader with new rules, on its stored answers."""
    driver = NightDriver(database)
    before = driver.begin("n1", graders={"correct": "c-1"})
    row = driver.measure(before, {"correct": {"a": [0.0, 0.0]}})
    driver.end(before)
    item_id = next(stored for stored, one in driver.read(items_of, before.id) if one.id == "a")
    changed = replace(CONTENT, graders={"correct": "c-2"})
    newer = {"correct": ("c-2", b"{}")}
    ids = driver.write(nights.set_graders, before, newer, spec=before.spec, content=encode_content(changed))
    found = [grades.GradeRow(0, item_id, epoch, 1.0) for epoch in (1, 2)]
    assert not driver.read(grades.is_graded_by, row.id, ids["correct"])
    driver.write(grades.put_grades, row.id, ids["correct"], found)
    night = driver.begin("n2", graders={"correct": "c-2"})
    driver.measure(night, {"correct": {"a": [1.0, 1.0]}})

    assert driver.read(grades.is_graded_by, row.id, ids["correct"])
    (past,) = facts_of(driver, night).past
    assert past.scores == {CORRECT: summed((2, 2), (0, 0))}
    assert past.content == changed


def test_variants_are_matched_by_name(database: Database) -> None:
    """A suite may list them in another order, and have new ones."""
    driver = NightDriver(database, suite_of("correct", variants=("short", "long"), epochs=1))
    before = driver.begin("n1")
    driver.measure(before, {"correct": {"a": [0.0]}}, variant=0)
    driver.measure(before, {"correct": {"a": [1.0]}}, variant=1)
    driver.end(before)
    driver.suite = suite_of("correct", variants=("long", "new", "short"), epochs=1)
    night = driver.begin("n2")
    driver.measure(night, {"correct": {"a": [0.75]}}, variant=1)

    facts = facts_of(driver, night)

    assert facts.first.scores[Column("new", "correct")] == {"a": [0.75], "b": [None]}
    (past,) = facts.past
    assert past.scores[Column("long", "correct")] == summed((1, 1), (0, 0))
    assert past.scores[Column("short", "correct")] == summed((1, 0), (0, 0))


def test_only_the_newest_nights_are_read_and_pinned_ones(database: Database) -> None:
    """A pinned night stays, however old it is."""
    driver = NightDriver(database)
    for occasion in ("n1", "n2", "n3", "n4"):
        add_night(driver, occasion, a=[1.0])
    pinned = driver.read(nights.find, "answers", "n1")
    driver.write(nights.pin, pinned.id, "spring")
    night = driver.begin("n5")
    driver.measure(night, {"correct": {"a": [1.0]}})

    past = facts_of(driver, night, nights_max=2).past

    assert [(one.occasion, one.pinned_as) for one in past] == [("n1", "spring"), ("n3", None), ("n4", None)]


def test_answers_are_counted_by_what_they_are(database: Database) -> None:
    """Refused, cut and empty ones are answers; lost ones are none, by their code."""
    driver = NightDriver(database)
    night = driver.begin()
    driver.measure(night, {})
    (row,) = driver.read(measurements.measurements, night.id)
    (first, _), (second, _) = driver.read(items_of, night.id)
    flaws = [
        answer(0, first, epoch, flaw=flaw) for epoch, flaw in enumerate(("refusal", "length", "empty"), 1)
    ]
    others = [
        answer(0, second, 1, redrawn=2, model=None, fingerprint=None, received_at_ms=NOW_MS + 5),
        grades.AnswerRow(0, second, 2, "lost", code="http_500"),
        grades.AnswerRow(0, second, 3, "lost"),
    ]
    driver.write(grades.put_answers, row.id, [*flaws, *others])

    answers = facts_of(driver, night).first.answers

    assert (answers.answered, answers.refused, answers.cut, answers.empty) == (4, 1, 1, 1)
    assert (answers.lost, answers.redrawn) == ({"http_500": 1, "lost": 1}, 2)
    services = [(one.model, one.fingerprint, one.answers) for one in facts_of(driver, night).first.services]
    assert services == [("grok-4.3", "fp_1", 3), (None, None, 1)]


def test_lost_answers_are_those_of_their_variant(database: Database) -> None:
    """One without a code counts as lost; a variant that lost none has none."""
    driver = NightDriver(database, suite_of("correct", variants=("short", "long", "new"), epochs=2))
    night = driver.begin()
    driver.measure(night, {})
    (row,) = driver.read(measurements.measurements, night.id)
    (first, _), (second, _) = driver.read(items_of, night.id)
    rows = [
        grades.AnswerRow(0, first, 1, "lost", code="http_500"),
        grades.AnswerRow(0, second, 1, "lost", code="http_500"),
        grades.AnswerRow(0, second, 2, "lost"),
        grades.AnswerRow(1, first, 1, "lost", code="expired"),
        answer(2, first, 1),
    ]
    driver.write(grades.put_answers, row.id, rows)

    lost = facts_of(driver, night).first.lost

    assert lost == {"short": {"http_500": 2, "lost": 1}, "long": {"expired": 1}}


def test_a_night_costs_what_its_runs_do(database: Database) -> None:
    """Both of them, with what may come on top."""
    driver = NightDriver(database)
    night = driver.begin()
    driver.measure(night, {"correct": {"a": [1.0]}}, run_id=3)
    driver.measure(night, {"correct": {"a": [1.0]}}, number=2, run_id=4)
    deltas = counters.Deltas(0)
    for run_id, ticks in ((3, 100), (4, 20), (5, 1)):
        deltas.add(run_id, "ticks", "reported", ticks)
        deltas.add(run_id, "ticks", "estimated", 3)
        deltas.add(run_id, "ticks", "possible_extra", 7)
        deltas.add(run_id, "attempts", "accepted", 2)
    driver.write(deltas.write)

    assert facts_of(driver, night).costs == NightCosts(ticks=126, uncertain_ticks=14, requests=4)
