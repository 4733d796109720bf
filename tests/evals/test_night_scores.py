"""What the report of a night says of graders, items, services and costs."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_nights import (
    CONTENT,
    HOUR_MS,
    MEASURED,
    NO_DROP,
    OLD,
    columns,
    facts,
    measurement,
    past,
    scores,
    suite,
)
from scipy import stats

from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.make_report import night_report
from runner.rules.evaluation.report.night_facts import AnswerCounts, Column, Content, ItemChanges
from runner.rules.evaluation.report.night_report import NightCost
from runner.rules.evaluation.suite.suite import GateSpec
from runner.rules.json_object import encoded
from runner.rules.statistics.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.evaluation.gate.scores import Scores

GOOD = scores(95, 5)
WEEK = [past(day, GOOD) for day in range(1, 8)]
NEW = replace(OLD, fingerprint="fp_9c1", first_at_ms=2 * HOUR_MS + 14 * 60_000, answers=100)


def drawn(rates: Sequence[float], epochs: int, chance: random.Random) -> Scores:
    """Return scores of 0 and 1, drawn by the rate of each item."""
    return {
        f"q{place}": [int(chance.random() < rate) for _ in range(epochs)] for place, rate in enumerate(rates)
    }


def test_a_rate_has_wilsons_interval() -> None:
    """Where each item has one answer, and it is right or wrong."""
    found = night_report(facts(measurement(GOOD), WEEK)).graders[0]

    assert (found.mean, found.low, found.high) == (0.95, *wilson(95, 100, 0.95))
    assert (found.is_primary, found.is_gating, found.answers, found.measured) == (True, True, 100, 100)


def test_a_change_is_that_of_the_items_which_both_sides_have() -> None:
    """By all measurements of the night."""
    tonight = dict(scores(93, 7)) | {"new": [0]}

    change = night_report(facts(measurement(tonight), WEEK, again=measurement(GOOD, 2))).graders[0].change

    assert change is not None
    assert (change.items, change.nights) == (100, 7)
    assert (change.mean, change.base_mean, change.change) == pytest.approx((0.94, 0.95, -0.01))
    assert change.low < change.change < change.high


def test_other_means_have_the_interval_of_t() -> None:
    """But never a narrower one than that many equal answers have."""
    values = [0.1, 0.4, 0.35, 0.8, 0.9, 0.5]
    graded: Scores = {f"q{place}": [value, value] for place, value in enumerate(values)}

    found = night_report(facts(measurement(graded), [], suite=suite(epochs=2))).graders[0]
    equal = night_report(facts(measurement(scores(50, epochs=3)), [], suite=suite(epochs=3))).graders[0]

    low, high = stats.t.interval(0.95, 5, 3.05 / 6, stats.sem(values))
    assert (found.mean, found.low, found.high) == pytest.approx((3.05 / 6, low, high))
    assert (equal.low, equal.high) == pytest.approx((wilson(150, 150, 0.95).low, 1))


def test_items_of_a_cluster_count_as_one_that_is_surer() -> None:
    """The interval is by clusters, and so is the test; a cluster of one item changes nothing."""
    of_four = {f"q{place}": f"document {place // 25}" for place in range(100)}
    alone = {f"q{place}": f"document {place}" for place in range(100)}

    usual = night_report(facts(measurement(GOOD), WEEK))
    clustered = night_report(facts(measurement(GOOD), WEEK, clusters=of_four))

    assert night_report(facts(measurement(GOOD), WEEK, clusters=alone)) == usual
    widths = [(found.graders[0].high or 0) - (found.graders[0].low or 0) for found in (clustered, usual)]
    assert widths[0] > 2 * widths[1]
    worse = scores(93, 7)
    assert night_report(facts(measurement(worse), WEEK)).verdict == "measure_again"
    assert night_report(facts(measurement(worse), WEEK, clusters=of_four)).verdict == "passed"


def test_answers_without_a_score_bound_the_mean() -> None:
    found = night_report(facts(measurement(scores(90, 9, 1)), WEEK)).graders[0]

    assert found.measured == 99
    assert (found.worst, found.mean, found.best) == pytest.approx((0.9, 90 / 99, 0.91))


def test_a_grader_that_scored_nothing_has_no_mean() -> None:
    nothing = {Column("", "correct"): GOOD, Column("", "helpful"): scores(0, 0, 100)}

    found = night_report(facts(measurement(nothing), WEEK)).graders[1]

    assert (found.mean, found.low, found.high, found.change) == (None, None, None, None)
    assert (found.worst, found.best) == (0, 1)


def test_graders_without_a_gate_are_corrected_for_their_number() -> None:
    """By Holm, over all graders but the primary one and all variants; the primary one is asked by itself."""
    variants = ("a", "b")
    worse = {
        Column("a", "correct"): GOOD,
        Column("a", "helpful"): scores(92, 8),
        Column("b", "correct"): GOOD,
        Column("b", "helpful"): scores(93, 7),
    }
    nights = [past(day, dict.fromkeys(worse, GOOD)) for day in range(1, 8)]

    found = night_report(facts(measurement(worse), nights, suite=suite(variants=variants))).graders

    changes = [one.change for one in found]
    assert [one.p_adjusted for one in changes if one][0::2] == [None, None]
    first, second = changes[1], changes[3]
    assert first is not None
    assert second is not None
    assert first.p_adjusted == pytest.approx(2 * 2 * first.p_drop)
    assert second.p_adjusted == pytest.approx(2 * second.p_drop)


def test_what_a_night_would_have_found_is_found_in_about_8_of_10() -> None:
    """A drop of that size looks worse in the first measurement in most nights, one of a third in few."""
    chance = random.Random(7)
    rates = [chance.choice([0.97, 0.9, 0.6]) for _ in range(150)]
    nights = [past(day, drawn(rates, 2, chance)) for day in range(1, 15)]
    sized = suite(replace(NO_DROP, remeasure=False), MEASURED, epochs=2)
    usual = night_report(facts(measurement(drawn(rates, 2, chance)), nights, suite=sized)).graders[0].change
    assert usual is not None
    assert usual.detectable is not None

    regressed = []
    for share in (1.0, 1 / 3):
        lower = [rate - share * usual.detectable for rate in rates]
        verdicts = [
            night_report(facts(measurement(drawn(lower, 2, chance)), nights, suite=sized)).verdict
            for _ in range(40)
        ]
        regressed.append(verdicts.count(Verdict.REGRESSED))

    assert regressed[0] >= 24
    assert regressed[1] <= 14


def test_items_that_differ_come_worst_first() -> None:
    """How probable each is by chance is corrected for the number of items."""
    tonight = dict(scores(100, 10)) | {"q0": [0], "q105": [1]}
    nights = [past(day, scores(100, 10)) for day in range(1, 8)]
    changes = ItemChanges(same=110, added=["new"], removed=["old"], changed=["q7"])

    found = night_report(facts(measurement(tonight), nights, item_changes=changes)).items

    assert (found.total, found.same, found.worse, found.better) == (110, 110, 1, 1)
    assert (found.added, found.removed, found.changed) == (["new"], ["old"], ["q7"])
    assert [(one.id, one.score, one.base_score, one.base_answers) for one in found.changes] == [
        ("q0", 0, 7, 7),
        ("q105", 1, 0, 7),
    ]
    assert found.changes[0].p_adjusted == pytest.approx(min(1.0, 2 * 110 / 8 / 2))


def test_at_most_100_items_are_listed() -> None:
    """The ones that differ most."""
    tonight = dict(scores(150, epochs=2))
    tonight |= {f"q{place}": [0, 1] for place in range(60)} | {
        f"q{place}": [0, 0] for place in range(60, 120)
    }
    nights = [past(day, scores(150, epochs=2)) for day in range(1, 8)]

    found = night_report(facts(measurement(tonight), nights, suite=suite(epochs=2))).items

    assert (found.worse, len(found.changes)) == (120, 100)
    assert [one.score for one in found.changes] == [0] * 60 + [1] * 40


def test_a_new_fingerprint_is_a_possible_cause() -> None:
    """With the time of its first answer; a night without others before it has nothing new."""
    mixed = measurement(GOOD, services=[replace(OLD, answers=100), NEW])
    alone = measurement(GOOD, services=[NEW])

    report = night_report(facts(mixed, WEEK))

    assert [(one.fingerprint, one.answers, one.is_new) for one in report.services] == [
        ("fp_7aa", 100, False),
        ("fp_9c1", 100, True),
    ]
    assert report.services[1].first_at == "1970-01-01T02:14:00.000Z"
    assert [(one.what, one.text) for one in report.changes] == [
        ("service", "100 of 200 answers come as fp_9c1 since 02:14 UTC (before: fp_7aa)")
    ]
    assert [one.text for one in night_report(facts(alone, WEEK)).changes] == [
        "answers come as fp_9c1 since 02:14 UTC (before: fp_7aa)"
    ]
    assert night_report(facts(alone, [])).changes == []
    assert not night_report(facts(alone, [])).services[0].is_new


def test_services_of_both_measurements_are_joined() -> None:
    again = measurement(GOOD, 2, services=[replace(OLD, answers=50, last_at_ms=9 * HOUR_MS)])

    found = night_report(facts(measurement(GOOD), WEEK, again=again)).services

    assert [(one.answers, one.last_at) for one in found] == [(350, "1970-01-01T09:00:00.000Z")]


def test_everything_that_differs_from_the_last_night_is_named() -> None:
    now = Content(
        prompts={"": "p2"}, models={"": "grok-5"}, graders={"correct": "c2", "tone": "t1"}, items="i2"
    )
    tonight = measurement(GOOD, services=[replace(NEW, model="grok-5-0901")])
    changes = ItemChanges(same=97, added=["x"], changed=["q1", "q2"])

    found = night_report(facts(tonight, WEEK, content=now, item_changes=changes)).changes

    assert [(one.what, one.text) for one in found] == [
        ("model", "answers come from grok-5-0901 since 02:14 UTC (before: grok-4-0709)"),
        ("model", "grok-5 is asked for (before: grok-4)"),
        ("prompt", "the prompt is not that of support@2026-11-07"),
        ("items", "items: 2 changed, 1 added"),
        ("graders", 'the grader "correct" has changed: earlier answers are graded by it too'),
        ("graders", 'the grader "helpful" is gone'),
        ("graders", 'the grader "tone" is new: no earlier score is compared'),
    ]


def test_a_changed_grader_without_earlier_scores_compares_none() -> None:
    """The answers of these nights were removed before the grader was changed."""
    now = replace(CONTENT, graders={"correct": "c2", "helpful": "h1"})
    removed = [replace(night, first={}, scores={}) for night in WEEK]

    (change,) = night_report(facts(measurement(GOOD), removed, content=now)).changes

    assert change.text == 'the grader "correct" has changed: no earlier score is compared'


def test_answers_and_costs_are_those_of_both_measurements() -> None:
    counts = AnswerCounts(
        expected=100, answered=98, refused=1, cut=2, empty=3, lost={"HTTP_500": 2}, redrawn=4
    )
    first, again = (measurement(GOOD, run, answers=counts) for run in (1, 2))

    report = night_report(facts(first, WEEK, again=again))

    assert encoded(report.answers) == encoded(
        type(report.answers)(
            expected=200,
            answered=196,
            refused=2,
            cut=4,
            empty=6,
            lost={"HTTP_500": 4},
            redrawn=8,
            was_refused=4,
            was_cut=2,
            was_empty=0,
        )
    )
    assert report.cost == NightCost(ticks=31_200_000_000, uncertain_ticks=0, requests=100)


ONE_SCORE = st.sampled_from([0, 1, None, 0.5, 0.3, 1.0])


@given(
    data=st.data(),
    epochs=st.integers(1, 3),
    nights=st.integers(0, 16),
    is_again=st.booleans(),
    is_clustered=st.booleans(),
)
def test_any_night_has_a_report_of_plain_numbers(
    data: st.DataObject, epochs: int, nights: int, *, is_again: bool, is_clustered: bool
) -> None:
    """No NaN, no infinity, the same again from the same facts, and an exit code that fits the verdict."""
    items = [f"q{place}" for place in range(data.draw(st.integers(1, 5)))]
    side = st.fixed_dictionaries(
        {item: st.lists(ONE_SCORE, min_size=epochs, max_size=epochs) for item in items}
    )
    gates = (
        NO_DROP,
        replace(NO_DROP, grader="helpful", baseline="pinned:one", remeasure=False),
        GateSpec(rule="no-worse", grader="correct", margin=0.05),
        GateSpec(rule="at-least", grader="helpful", at_least=0.8),
        MEASURED,
    )

    def both() -> Mapping[Column, Scores]:
        return {Column("", grader): data.draw(side) for grader in ("correct", "helpful")}

    found = facts(
        measurement(both()),
        [
            past(day + 1, both(), pinned_as="one" if day == 2 else None, is_accepted=day % 5 != 4)
            for day in range(nights)
        ],
        again=measurement(both(), 2) if is_again else None,
        suite=suite(*gates, epochs=epochs),
        clusters=dict.fromkeys(items[:3], "one") if is_clustered else {},
    )

    report = night_report(found)

    assert encoded(night_report(found)) == encoded(report)
    assert all(math.isfinite(one) for one in numbers(msgspec.to_builtins(report)))
    expected = {"regressed": 10, "no_verdict": 11, "not_proven": 11, "measure_again": 11}
    assert report.exit_code == expected.get(report.verdict, 0)
    for grader in report.graders:
        bounds = [one for one in (grader.low, grader.mean, grader.high) if one is not None]
        assert bounds == sorted(bounds)
        assert grader.worst <= grader.best + 1e-12


def numbers(value: object) -> list[float]:
    """Return all numbers in an object."""
    if isinstance(value, dict):
        return [one for each in value.values() for one in numbers(each)]
    if isinstance(value, list):
        return [one for each in value for one in numbers(each)]
    return [value] if isinstance(value, int | float) else []


def test_the_content_of_a_night_is_usual() -> None:
    """The helper's content is that of its nights, so that nothing is said to have changed."""
    assert night_report(facts(measurement(columns(GOOD)), WEEK)).changes == []
    assert WEEK[0].content == CONTENT
