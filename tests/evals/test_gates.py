"""Every gate of a night, and the verdict that they make: from facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from made_nights import MEASURED, NO_DROP, columns, facts, measurement, past, scores, suite

from runner.rules.evaluation.report.make_report import night_report
from runner.rules.evaluation.report.night_facts import Column, NightFacts
from runner.rules.evaluation.report.verdicts import is_accepted_by_itself, is_valid
from runner.rules.evaluation.suite.suite import GateSpec, GraderSpec

if TYPE_CHECKING:
    from runner.rules.evaluation.gate.scores import Scores
    from runner.rules.evaluation.report.night_report import GateReport

GOOD = scores(95, 5)
BAD = scores(70, 30)
WEEK = [past(day, GOOD) for day in range(1, 8)]


def gate(found: NightFacts, rule: str = "no-drop", variant: str = "") -> GateReport:
    """Return the report of one gate of a night."""
    return next(one for one in night_report(found).gates if (one.rule, one.variant) == (rule, variant))


def test_a_quiet_night_passes() -> None:
    """What would have been found is said, and the night joins the baseline."""
    report = night_report(facts(measurement(GOOD), WEEK))

    assert (report.verdict, report.exit_code) == ("passed", 0)
    assert report.baseline == [night.name for night in WEEK]
    assert is_accepted_by_itself(report)


def test_a_night_that_looks_worse_is_measured_again_before_it_is_an_alarm() -> None:
    first = night_report(facts(measurement(BAD), WEEK))
    both = night_report(facts(measurement(BAD), WEEK, again=measurement(BAD, 2)))

    assert (first.verdict, first.exit_code, first.runs) == ("measure_again", 11, [1])
    assert (both.verdict, both.exit_code, both.runs) == ("regressed", 10, [1, 2])
    assert both.gates[0].is_repeated
    assert [gate.is_deciding for gate in both.gates] == [True, False]
    assert both.reason.startswith("correct: -25.0 points (")
    assert "measured twice; a drop this large by chance: less than once in 1,000,000 nights" in both.reason
    assert is_valid(both)
    assert not is_accepted_by_itself(both)


def test_the_second_measurement_may_clear_a_night() -> None:
    report = night_report(facts(measurement(scores(93, 7)), WEEK, again=measurement(GOOD, 2)))

    assert (report.verdict, report.exit_code) == ("passed", 0)
    assert report.gates[0].is_repeated
    assert report.graders[0].answers == 200


def test_a_gate_without_remeasurement_decides_by_the_first() -> None:
    alone = suite(replace(NO_DROP, remeasure=False), MEASURED)

    assert night_report(facts(measurement(BAD), WEEK, suite=alone)).verdict == "regressed"


def test_a_night_that_cannot_be_measured_again_has_no_verdict() -> None:
    """The reason is given; a night that does not look worse needs none."""
    reason = "the budget has $0.10 left, it needs $3.12"
    worse = night_report(facts(measurement(BAD), WEEK, cannot_remeasure=reason))
    fine = night_report(facts(measurement(GOOD), WEEK, cannot_remeasure=reason))

    assert (worse.verdict, worse.exit_code, fine.verdict) == ("no_verdict", 11, "passed")
    assert worse.reason.endswith(f"but not measured once more: {reason}")
    assert not is_accepted_by_itself(worse)


@pytest.mark.parametrize(
    ("nights", "verdict", "is_provisional"), [(2, "no_baseline", False), (3, "passed", True)]
)
def test_few_nights_are_no_baseline(nights: int, verdict: str, is_provisional: bool) -> None:
    """Exit 0: the suite is young, nothing is wrong."""
    report = night_report(facts(measurement(GOOD), WEEK[:nights]))

    assert (report.verdict, report.exit_code) == (verdict, 0)
    assert report.gates[0].is_provisional is is_provisional
    assert (report.graders[0].change is None) is (verdict == "no_baseline")
    if verdict == "no_baseline":
        assert report.reason == "correct: 2 of 3 nights that a verdict needs"


def test_nights_without_an_item_of_tonight_are_no_baseline() -> None:
    """Where all items were replaced, one night with the new ones is no three; a part of them is enough."""
    other = [past(day, {f"old {item}": found for item, found in GOOD.items()}) for day in range(1, 8)]
    report = night_report(facts(measurement(GOOD), [*other, past(8, GOOD)]))

    assert report.verdict == "no_baseline"
    assert report.reason == "correct: 1 of 3 nights that a verdict needs"
    some = [past(day, dict(list(GOOD.items())[:50])) for day in range(9, 12)]
    report = night_report(facts(measurement(GOOD), [*some, *other]))
    assert (report.verdict, report.baseline) == ("passed", [night.name for night in some])


def test_nights_that_are_not_accepted_are_outside_the_baseline() -> None:
    regressed = [past(day, BAD, is_accepted=False) for day in range(8, 20)]

    assert night_report(facts(measurement(BAD), WEEK + regressed)).baseline == [one.name for one in WEEK]


def test_a_drop_that_stays_is_an_alarm_every_night() -> None:
    """Nights in a row that were alarms are no noise: else the gate would go blind for the drop it found."""
    worse = scores(86, 14)
    nights = [*WEEK, *(past(day, worse, is_accepted=False) for day in range(8, 28))]

    assert night_report(facts(measurement(worse), nights, again=measurement(worse))).verdict == "regressed"


def test_the_effect_of_another_prompt_is_no_noise() -> None:
    """Nights whose pool was asked otherwise do not blunt the gate."""
    asked = replace(WEEK[0].content, prompts={"": "p2"})
    better = [past(day, scores(99, 1), content=asked) for day in range(8, 22)]
    nights = [past(day, scores(60, 40)) for day in range(1, 8)]
    tonight = facts(measurement(scores(92, 8)), nights + better, content=asked)

    assert gate(tonight).noise == 1


@pytest.mark.parametrize(("is_meant", "verdict"), [(True, "regressed"), (False, "passed")])
def test_a_drop_that_was_accepted_is_no_noise(is_meant: bool, verdict: str) -> None:
    """Else a cheaper model that was chosen would hide the drops after it. So with alarms before it."""
    alarms = [past(8, BAD, is_accepted=False), past(9, BAD, is_meant=is_meant)]
    tonight = facts(measurement(scores(80, 20)), [*WEEK, *alarms], again=measurement(scores(80, 20)))

    assert (gate(tonight).noise == 1) is is_meant
    assert night_report(tonight).verdict == verdict


def test_a_night_that_only_missed_a_floor_is_noise_as_ever() -> None:
    """It regressed and was accepted, but not for a drop: what it says of nights is kept."""
    unlike = [past(8, scores(97, 3)), past(9, scores(99, 1), is_meant=True), past(10, scores(93, 7))]
    same = [replace(night, is_meant=False) for night in unlike]

    found, usual = (gate(facts(measurement(GOOD), [*WEEK, *nights])).noise for nights in (unlike, same))
    assert found == usual != 1


def test_a_pinned_night_is_the_baseline_alone() -> None:
    pinned = suite(replace(NO_DROP, baseline="pinned:launch"), MEASURED)
    nights = [past(1, scores(80, 20), pinned_as="launch", is_accepted=False), *WEEK[1:]]

    report = night_report(facts(measurement(scores(95, 5)), nights, suite=pinned))
    without = night_report(facts(measurement(GOOD), WEEK, suite=pinned))

    assert (report.verdict, report.gates[0].baseline) == ("improved", ["support@2026-11-01"])
    assert not report.gates[0].is_provisional
    assert (without.verdict, without.exit_code) == ("no_baseline", 0)
    assert without.reason == 'correct: no night with these items and this grader is pinned as "launch"'


def test_scores_of_a_file_are_not_counted_twice() -> None:
    """They are of one measurement: the gate decides by it alone, whatever a second one is said to score."""
    spec = GraderSpec(name="correct", type="scores", options={"file": "scores.csv"}, is_primary=True)
    outside = replace(suite(NO_DROP, MEASURED), graders=(spec,))
    worse = measurement(scores(85, 15))

    alone = night_report(facts(worse, WEEK, suite=outside))
    twice = night_report(facts(worse, WEEK, suite=outside, again=worse))

    assert alone.verdict != "measure_again"
    assert (twice.verdict, twice.gates[0].p) == (alone.verdict, alone.gates[0].p)
    assert twice.graders[0].answers == alone.graders[0].answers


def test_rolling_takes_the_newest_nights() -> None:
    three = suite(replace(NO_DROP, baseline="rolling:3"), MEASURED)

    report = night_report(facts(measurement(GOOD), WEEK, suite=three))

    assert report.gates[0].baseline == [one.name for one in WEEK[-3:]]


@pytest.mark.parametrize(("unscored", "verdict"), [(2, "passed"), (3, "no_verdict")])
def test_a_night_of_which_too_little_is_measured_has_no_verdict(unscored: int, verdict: str) -> None:
    """98 % of the answers need a score; the reason names what was lost. Such a night is not valid."""
    lost = {"HTTP_500": unscored - 1, "new-code": 1}
    first = measurement(scores(95, 5 - unscored, unscored), lost={"": lost})

    report = night_report(facts(first, WEEK))

    assert report.verdict == verdict
    assert is_valid(report) is (verdict == "passed")
    if verdict == "no_verdict":
        assert report.exit_code == 11
        assert report.reason == (
            "97 of 100 answers have a score (97.0 %), 98 % are needed; lost: HTTP_500 2, new-code 1"
        )
        assert [(one.rule, one.verdict) for one in report.gates] == [
            ("no-drop", "no_verdict"),
            ("measured", "no_verdict"),
        ]


@pytest.mark.parametrize("code", ["HTTP_503", "an-unknown-code"])
def test_an_outage_has_no_verdict_and_changes_none(code: str) -> None:
    """20 % lost: exit 11, whatever the code is called, and even if what is left looks worse.

    The night is not valid, so it is not among the facts of the next one, which has the same verdict.
    """
    lost = measurement(scores(40, 40, 20), lost={"": {code: 20}})
    outage = night_report(facts(lost, WEEK))
    after = night_report(facts(measurement(GOOD), [*WEEK, *[past(8, scores(40, 40, 20))] * is_valid(outage)]))

    assert (outage.verdict, outage.exit_code) == ("no_verdict", 11)
    assert f"lost: {code} 20" in outage.reason
    assert after == night_report(facts(measurement(GOOD), WEEK))


def test_an_outage_of_the_second_measurement_is_one_of_the_night() -> None:
    lost = measurement(scores(60, 20, 20), 2)

    assert night_report(facts(measurement(BAD), WEEK, again=lost)).verdict == "no_verdict"


def test_answers_without_a_score_that_would_decide_leave_no_verdict() -> None:
    """With all of them wrong the night has regressed, with all of them right it has not."""
    lax = suite(NO_DROP, GateSpec(rule="measured", at_least=0.5))
    report = night_report(facts(measurement(scores(80, 0, 20)), WEEK, suite=lax))

    assert (report.verdict, report.exit_code) == ("no_verdict", 11)
    assert report.reason == (
        "correct: 20 answers without a score would decide: regressed if they were wrong, passed if right"
    )
    assert is_valid(report)
    assert not is_accepted_by_itself(report)


def test_answers_without_a_score_that_do_not_decide_change_nothing() -> None:
    lax = suite(NO_DROP, GateSpec(rule="measured", at_least=0.5))
    worse = measurement(scores(50, 49, 1))

    assert night_report(facts(worse, WEEK, again=worse, suite=lax)).verdict == "regressed"


@pytest.mark.parametrize(("margin", "verdict", "code"), [(0.10, "passed", 0), (0.02, "not_proven", 11)])
def test_no_worse_is_to_be_proven(margin: float, verdict: str, code: int) -> None:
    """The lower bound of the one-sided interval has to be above the margin."""
    proven = suite(GateSpec(rule="no-worse", grader="correct", margin=margin), MEASURED)

    report = night_report(facts(measurement(GOOD), WEEK, suite=proven))

    assert (report.verdict, report.exit_code) == (verdict, code)
    assert f"within {100 * margin:g} points" in report.reason
    assert is_accepted_by_itself(report)


@pytest.mark.parametrize(
    ("of", "verdict", "text"),
    [
        (scores(95, 5), "passed", "95.0 %, 5.0 points above the least of 90 %"),
        (scores(90, 10), "passed", "90.0 %, 0.0 points above the least of 90 %"),
        (scores(85, 15), "regressed", "85.0 %, 5.0 points below the least of 90 %"),
        (
            scores(89, 9, 2),
            "no_verdict",
            "2 answers without a score would decide: regressed if they were wrong, passed if right",
        ),
        (scores(80, 18, 2), "regressed", "81.6 %, 8.4 points below the least of 90 %"),
    ],
)
def test_a_floor_and_the_distance_from_it(of: Scores, verdict: str, text: str) -> None:
    floor = suite(GateSpec(rule="at-least", grader="correct", at_least=0.9), MEASURED)

    report = night_report(facts(measurement(of), [], suite=floor))

    assert (report.verdict, report.gates[0].text) == (verdict, text)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ("passed improved", "improved"),
        ("improved no_baseline", "no_baseline"),
        ("no_baseline not_proven", "not_proven"),
        ("not_proven no_verdict", "no_verdict"),
        ("no_verdict measure_again", "measure_again"),
        ("measure_again regressed", "regressed"),
    ],
)
def test_the_verdict_of_a_night_is_the_worst_of_its_gates(verdicts: str, expected: str) -> None:
    from runner.rules.evaluation.report.verdicts import deciding_gate

    usual = gate(facts(measurement(GOOD), WEEK))
    gates = [replaced(usual, verdict) for verdict in verdicts.split()]

    assert deciding_gate(gates).verdict == deciding_gate(gates[::-1]).verdict == expected


def replaced(one: GateReport, verdict: str) -> GateReport:
    """Return a gate with another verdict."""
    import msgspec

    return msgspec.structs.replace(one, verdict=verdict)


def test_each_variant_has_its_own_baseline_and_verdict() -> None:
    """One that is new has none yet; the worst verdict is that of the night, and names the variant."""
    variants = suite(variants=("a", "b"))
    nights = [past(day, by_variant({"a": GOOD})) for day in range(1, 8)]
    tonight = measurement(by_variant({"a": BAD, "b": BAD}))
    found = facts(tonight, nights, again=tonight, suite=variants)

    report = night_report(found)

    assert (gate(found, variant="a").verdict, gate(found, variant="b").verdict) == (
        "regressed",
        "no_baseline",
    )
    assert report.verdict == "regressed"
    assert report.reason.startswith("a, correct: -25.0 points")


def test_what_a_variant_lost_is_its_own() -> None:
    """In both measurements together; what the others lost is theirs."""
    lost = measurement(by_variant({"a": scores(90, 5, 5), "b": GOOD}), lost={"a": {"x": 5}, "b": {"y": 1}})
    found = facts(lost, [], again=replace(lost, run=2), suite=suite(variants=("a", "b")))

    assert gate(found, "measured", "a").text.endswith("98 % are needed; lost: x 10")


def test_a_variant_that_was_not_measured_leaves_the_verdicts_of_others() -> None:
    """But the night has none: half of it is missing."""
    nights = [past(day, by_variant({"a": GOOD, "b": GOOD})) for day in range(1, 8)]
    found = facts(
        measurement(by_variant({"a": GOOD, "b": scores(50, 0, 50)})), nights, suite=suite(variants=("a", "b"))
    )

    assert (gate(found, variant="a").verdict, gate(found, variant="b").verdict) == ("passed", "no_verdict")
    assert night_report(found).verdict == "no_verdict"


def by_variant(of: dict[str, Scores]) -> dict[Column, Scores]:
    """Return scores by column, the same for both graders."""
    return {Column(name, grader): found for name, found in of.items() for grader in ("correct", "helpful")}


def test_an_epoch_that_is_missing_was_not_measured() -> None:
    """What never came is no zero; it counts as asked for."""
    first = measurement({item: [*found, None] for item, found in GOOD.items()})

    report = night_report(facts(first, WEEK, suite=suite(epochs=2)))

    assert (report.graders[0].answers, report.graders[0].measured, report.verdict) == (200, 100, "no_verdict")


def test_graders_that_changed_have_no_baseline() -> None:
    """The facts leave the old scores out: nothing is compared across."""
    nights = [past(day, {Column("", "helpful"): GOOD}) for day in range(1, 8)]

    report = night_report(facts(measurement(columns(GOOD)), nights))

    assert (report.verdict, report.graders[0].change) == ("no_baseline", None)
    assert report.graders[1].change is not None


def test_a_score_is_beside_the_baseline_of_the_gate_that_has_one() -> None:
    """A floor compares with no night, so a gate of that rule before it does not say which nights."""
    nights = [past(1, scores(80, 20), pinned_as="launch"), *WEEK[1:]]
    floor = GateSpec(rule="at-least", grader="correct", at_least=0.5)
    pinned = replace(NO_DROP, baseline="pinned:launch")
    found = night_report(facts(measurement(GOOD), nights, suite=suite(floor, pinned, MEASURED)))
    grader = next(one for one in found.graders if one.is_primary)

    assert grader.is_gating
    assert grader.change is not None
    assert (grader.change.base_mean, grader.change.nights) == (0.8, 1)
