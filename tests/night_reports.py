"""Reports of nights made by hand, one for each thing that a night may say."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.night_report import (
    AnswersReport,
    ChangeReport,
    GateReport,
    GraderReport,
    ItemReport,
    ItemsReport,
    NightCost,
    NightReport,
    ScoreChange,
    ServiceReport,
)
from runner.rules.evaluation.report.verdicts import deciding_gate, sentence_of

SUITE: Final = "support-answers"
QUIET: Final = "-0.4 points (-3.1 to +2.3) against 14 nights; a drop this large by chance: once in 2 nights"
HOSTILE: Final = (
    "\x1b[2J<img src=x onerror=alert(1)>|a `b` [c](javascript:d) @everyone #12 https://evil.example"
    " www.evil.example a@evil.example ::error::x %0A =1+1 \x00\ud800\u202e\ufffe ~~s~~ *b* _i_ \\ ]]>"
    " &amp; ' \""
)


def gate(verdict: str = "passed", **changes: Any) -> GateReport:
    """Return what the no-drop gate of the primary grader says, against 14 nights."""
    made = GateReport(
        variant="",
        grader="correct",
        rule="no-drop",
        verdict=Verdict(verdict),
        text=QUIET,
        baseline=nights(14),
        is_provisional=False,
        is_repeated=False,
        p=0.41,
        alpha=1 / 90,
        z=-0.2,
        noise=1.0,
    )
    return replace(made, **changes)


def measured_gate(verdict: str = "passed", **changes: Any) -> GateReport:
    """Return what the gate of all answers says."""
    return gate(
        verdict,
        **{
            "grader": None,
            "rule": "measured",
            "text": "120 of 120 answers have a score (100.0 %)",
            "baseline": [],
            "p": None,
            "alpha": None,
            "z": None,
            "noise": None,
            **changes,
        },
    )


def change(**changes: Any) -> ScoreChange:
    """Return a change that is none."""
    made = ScoreChange(
        items=40,
        mean=0.85,
        base_mean=0.854,
        change=-0.004,
        low=-0.031,
        high=0.023,
        p_drop=0.41,
        p_rise=0.62,
        p_adjusted=None,
        detectable=0.041,
        nights=14,
    )
    return replace(made, **changes)


def grader(**changes: Any) -> GraderReport:
    """Return the score of the primary grader."""
    made = GraderReport(
        variant="",
        grader="correct",
        is_primary=True,
        is_gating=True,
        answers=120,
        measured=120,
        mean=0.85,
        low=0.775,
        high=0.903,
        worst=0.85,
        best=0.85,
        change=change(),
    )
    return replace(made, **changes)


def brief(**changes: Any) -> GraderReport:
    """Return the score of a grader without a gate."""
    made = grader(grader="brief", is_primary=False, is_gating=False, mean=0.94, low=0.903, high=0.977)
    made = replace(made, worst=0.94, best=0.94)
    return replace(
        made, change=change(change=0.006, low=-0.012, high=0.024, detectable=0.03, p_adjusted=0.51), **changes
    )


def answers(**changes: Any) -> AnswersReport:
    """Return a night in which every question was answered."""
    made = AnswersReport(
        expected=120,
        answered=120,
        refused=0,
        cut=1,
        empty=0,
        lost={},
        redrawn=0,
        was_refused=0,
        was_cut=1,
        was_empty=0,
    )
    return replace(made, **changes)


def items(**changes: Any) -> ItemsReport:
    """Return a night whose items differ a little."""
    made = ItemsReport(
        total=40,
        same=40,
        added=[],
        removed=[],
        changed=[],
        worse=4,
        better=5,
        changes=[
            ItemReport(variant="", id="refund-07", answers=3, score=1.0, base_answers=42, base_score=36.0),
            ItemReport(variant="", id="invoice-02", answers=3, score=3.0, base_answers=42, base_score=35.0),
        ],
    )
    return replace(made, **changes)


def service(fingerprint: str = "fp_7aa", **changes: Any) -> ServiceReport:
    """Return the model that answered."""
    made = ServiceReport(
        model="grok-4.3",
        fingerprint=fingerprint,
        answers=120,
        first_at="2026-11-28T02:00:09.120Z",
        last_at="2026-11-28T02:21:40.002Z",
        is_new=False,
    )
    return replace(made, **changes)


def nights(number: int) -> list[str]:
    """Return the names of the nights before, oldest first."""
    return [f"{SUITE}@2026-11-{day:02}" for day in range(28 - number, 28)]


def report(verdict: str = "passed", exit_code: int = 0, **changes: Any) -> NightReport:
    """Return the report of a quiet night."""
    made = NightReport(
        schema=1,
        suite=SUITE,
        night=f"{SUITE}@2026-11-28",
        occasion="2026-11-28",
        verdict=Verdict(verdict),
        exit_code=exit_code,
        reason=QUIET,
        runs=[41],
        epochs=3,
        baseline=nights(14),
        gates=[gate(), measured_gate()],
        graders=[grader(), brief()],
        answers=answers(),
        items=items(),
        services=[service()],
        changes=[],
        cost=NightCost(ticks=3_120_000_000, uncertain_ticks=0, requests=120),
    )
    night = replace(made, **changes)
    return night if "reason" in changes else decided(night)


def decided(night: NightReport) -> NightReport:
    """Return a night with the gate by which it has its verdict, and the sentence of that."""
    deciding = deciding_gate(night.gates)
    assert deciding.verdict is night.verdict
    gates = [replace(one, is_deciding=one is deciding) for one in night.gates]
    return replace(night, gates=gates, reason=sentence_of(deciding))


def first_night() -> NightReport:
    """Return a night with none before it."""
    why = "0 of 3 nights that a verdict needs"
    return report(
        "no_baseline",
        runs=[1],
        baseline=[],
        night=f"{SUITE}@2026-11-14",
        occasion="2026-11-14",
        gates=[
            gate("no_baseline", text=why, baseline=[], p=None, z=None, noise=None),
            measured_gate(),
        ],
        graders=[grader(change=None), brief_without_change()],
        answers=answers(was_refused=None, was_cut=None, was_empty=None),
        items=items(same=0, worse=0, better=0, changes=[]),
    )


def brief_without_change() -> GraderReport:
    """Return the score of the second grader, without a baseline."""
    return replace(brief(), change=None)


def provisional() -> NightReport:
    """Return a night with four before it."""
    why = f"{QUIET.replace('14', '4')}; provisional: few nights"
    return report(
        baseline=nights(4),
        gates=[gate(is_provisional=True, baseline=nights(4), text=why), measured_gate()],
        graders=[grader(change=change(nights=4, detectable=0.052)), brief()],
    )


def improved() -> NightReport:
    """Return a night that is better than chance explains."""
    why = "+7.9 points (+4.1 to +11.7) against 14 nights; a rise this large by chance: once in 2,500 nights"
    up = change(mean=0.933, change=0.079, low=0.041, high=0.117, p_drop=0.999, p_rise=0.0004)
    return report(
        "improved",
        gates=[gate("improved", text=why, p=0.999), measured_gate()],
        graders=[grader(mean=0.933, low=0.874, high=0.966, change=up), brief()],
        items=items(worse=1, better=14, changes=items().changes[1:]),
    )


def regressed() -> NightReport:
    """Return a night that was measured twice, with another fingerprint since its middle."""
    why = (
        "-9.2 points (-14.1 to -4.3) against 14 nights; measured twice;"
        " a drop this large by chance: once in 590 nights"
    )
    down = change(
        mean=0.762, change=-0.092, low=-0.141, high=-0.043, p_drop=0.0012, p_rise=0.999, detectable=0.033
    )
    worst = [("refund-12", 0.0, 41.0), ("refund-07", 1.0, 36.0), ("warranty-03", 2.0, 42.0)]
    return report(
        "regressed",
        10,
        runs=[41, 42],
        gates=[
            gate("regressed", text=why, is_repeated=True, p=0.0017, z=-2.4, noise=1.1),
            measured_gate(),
        ],
        graders=[
            grader(answers=240, measured=240, mean=0.762, low=0.704, high=0.812, change=down),
            brief(answers=240, measured=240),
        ],
        answers=answers(expected=240, answered=240, refused=4, cut=11),
        items=items(
            worse=17,
            better=4,
            changes=[
                ItemReport(variant="", id=key, answers=6, score=score, base_answers=42, base_score=base)
                for key, score, base in worst
            ],
        ),
        services=[
            service(answers=52, last_at="2026-11-28T02:13:58.000Z"),
            service("fp_9c1", answers=188, first_at="2026-11-28T02:14:02.000Z", is_new=True),
        ],
        changes=[
            ChangeReport(
                what="service", text="188 of 240 answers come as fp_9c1 since 02:14 UTC (before: fp_7aa)"
            )
        ],
        cost=NightCost(ticks=6_310_000_000, uncertain_ticks=26_000_000, requests=240),
    )


def measure_again() -> NightReport:
    """Return a night that looks worse and was measured once."""
    why = "-5.1 points (-9.3 to -0.9) against 14 nights; p 0.021: all of it is to be measured once more"
    return report(
        "measure_again",
        11,
        gates=[gate("measure_again", text=why, p=0.021), measured_gate()],
        graders=[grader(change=change(change=-0.051, low=-0.093, high=-0.009, p_drop=0.018)), brief()],
    )


def outage() -> NightReport:
    """Return a night in which a fifth of the answers was lost."""
    why = "96 of 120 answers have a score (80.0 %), 98 % are needed; lost: service_unavailable 23, expired 1"
    invalid = "too few answers were measured"
    return report(
        "no_verdict",
        11,
        gates=[gate("no_verdict", text=invalid), measured_gate("no_verdict", text=why)],
        graders=[
            grader(measured=96, mean=0.84, low=0.754, high=0.9, worst=0.672, best=0.872),
            brief(measured=96, mean=0.94, low=0.89, high=0.97, worst=0.752, best=0.952),
        ],
        answers=answers(answered=96, lost={"service_unavailable": 23, "expired": 1}),
    )


def not_proven() -> NightReport:
    """Return a night for which it could not be shown that it is no worse."""
    why = "-0.4 points (-3.1 to +2.3) against 14 nights; at worst -2.7, not within 2 points"
    return report(
        "not_proven",
        11,
        gates=[gate("not_proven", rule="no-worse", text=why, p=0.08), gate(), measured_gate()],
    )


def below_the_floor() -> NightReport:
    """Return a night with two gates by which it did not pass."""
    why = "85.0 %, 5.0 points below the least of 90 %"
    other = "+0.6 points (-1.2 to +2.4) against 14 nights; at worst -0.9, not within 0.5 points"
    return report(
        "regressed",
        10,
        gates=[
            gate("regressed", rule="at-least", text=why, baseline=[], p=None),
            gate("not_proven", rule="no-worse", grader="brief", text=other),
            gate(),
            measured_gate(),
        ],
    )


def two_variants() -> NightReport:
    """Return a night of two prompts, one of which got worse."""
    why = "-6.0 points (-10.0 to -2.0) against 14 nights; a drop this large by chance: once in 250 nights"
    down = change(change=-0.06, low=-0.1, high=-0.02, p_drop=0.003)
    return report(
        "regressed",
        10,
        gates=[
            gate(variant="long"),
            gate("regressed", variant="short", text=why, is_repeated=True, p=0.004),
            measured_gate(),
        ],
        graders=[
            grader(variant="long"),
            brief(variant="long"),
            grader(variant="short", mean=0.79, change=down),
            brief(variant="short"),
        ],
        items=items(
            changes=[
                ItemReport(
                    variant="short", id="refund-12", answers=6, score=0.5, base_answers=42, base_score=38.2
                )
            ]
        ),
    )


def changed_prompt() -> NightReport:
    """Return a night with another prompt and other items than the ones before."""
    return report(
        items=items(same=37, added=["refund-41", "refund-42"], removed=["refund-03"], changed=["tax-01"]),
        changes=[
            ChangeReport(what="prompt", text=f"the prompt is not that of {nights(1)[0]}"),
            ChangeReport(what="items", text="items: 1 changed, 2 added, 1 removed"),
        ],
    )


def new_fingerprint() -> NightReport:
    """Return a night that passed although another fingerprint answered from its middle on."""
    return replace(report(), services=regressed().services, changes=regressed().changes)


def no_budget() -> NightReport:
    """Return a night that looks worse and cannot be measured again."""
    why = (
        "-5.1 points (-9.3 to -0.9) against 14 nights; p 0.021, but it could not be measured once more:"
        " the budget is too small"
    )
    return report("no_verdict", 11, gates=[gate("no_verdict", text=why, p=0.021), measured_gate()])


def many_items() -> NightReport:
    """Return a night of 10,000 items that all differ."""
    made = [
        ItemReport(
            variant="", id=f"item-{number:05}", answers=3, score=number % 4, base_answers=42, base_score=41.0
        )
        for number in range(10_000)
    ]
    worst_first = sorted(made, key=lambda item: item.score)
    return report(
        items=items(
            total=10_000,
            same=9_000,
            added=[f"new-{number}" for number in range(1_000)],
            worse=7_500,
            better=2_500,
            changes=worst_first[:100],
        )
    )


def hostile(text: str = HOSTILE) -> NightReport:
    """Return a night in which every text that a stranger may choose is `text`."""
    down = change(change=-0.09, p_drop=0.0001)
    return replace(
        regressed(),
        suite=text,
        night=f"{text}@{text}",
        occasion=text,
        reason=text,
        baseline=[text, text],
        gates=[
            gate("regressed", variant=text, grader=text, text=f"{text} why", baseline=[text], p=0.0),
            gate("no_verdict", variant=text, grader=text, rule=text, text=text, is_provisional=True),
            gate("no_baseline", variant=text, grader=text, rule=text, text=text),
        ],
        graders=[grader(variant=text, grader=text, change=down), brief(variant=text)],
        answers=answers(expected=240, answered=120, lost={text: 120}, redrawn=3),
        items=items(
            added=[text],
            removed=[text, text],
            changed=[text] * 4,
            changes=[
                ItemReport(variant=text, id=text, answers=6, score=0.25, base_answers=42, base_score=40.0)
            ],
        ),
        services=[
            service(text, model=text, first_at=text, last_at=text, is_new=True),
            replace(service(), model=None, fingerprint=None),
        ],
        changes=[ChangeReport(what="prompt", text=text)],
    )


REPORTS: Final = {
    "first night": first_night(),
    "provisional": provisional(),
    "passed": report(),
    "improved": improved(),
    "regressed": regressed(),
    "measure again": measure_again(),
    "outage": outage(),
    "not proven": not_proven(),
    "below the floor": below_the_floor(),
    "two variants": two_variants(),
    "changed prompt": changed_prompt(),
    "new fingerprint": new_fingerprint(),
    "no budget": no_budget(),
    "10,000 items": many_items(),
    "hostile": hostile(),
}


def dated(night: NightReport, occasion: str) -> NightReport:
    """Return a night as that of another date."""
    return replace(night, night=f"{night.suite}@{occasion}", occasion=occasion)


# The nights that docs/evals.md shows, in its order.
WEEK: Final = [
    first_night(),
    report(),
    dated(regressed(), "2026-12-01"),
    dated(outage(), "2026-12-02"),
    dated(changed_prompt(), "2026-12-03"),
]
