"""Reads the gates of a suite file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, get_args

from runner.rules.evaluation.gate.pool import POOL_LEAST, POOL_MOST
from runner.rules.evaluation.suite.suite import (
    BASELINE_DEFAULT,
    FALSE_ALARM_NIGHTS,
    MEASURED_DEFAULT,
    GateRule,
    GateSpec,
    GraderSpec,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.recipes.toml_section import TomlSection

_KEYS_OF_RULE: Final[dict[GateRule, frozenset[str]]] = {
    "no-drop": frozenset({"grader", "false_alarms", "baseline", "remeasure"}),
    "no-worse": frozenset({"grader", "false_alarms", "baseline", "by"}),
    "at-least": frozenset({"grader", "at_least"}),
    "measured": frozenset({"at_least"}),
}
_NEEDED: Final[dict[GateRule, tuple[str, str]]] = {
    "no-worse": ("by", "write by = 2 for 2 points at most"),
    "at-least": ("at_least", "write at_least = 0.8 for 80 %"),
}
_KEYS: Final = ("rule", *sorted(frozenset.union(*_KEYS_OF_RULE.values())))
_FALSE_ALARMS: Final = re.compile(r"1 in ([1-9][0-9]{0,5}) nights")
_BASELINE: Final = re.compile(r"rolling:([0-9]{1,3})|pinned:\S.*")
_POINTS_MAX: Final = 100


def read_gates(sections: Sequence[TomlSection], graders: Sequence[GraderSpec]) -> tuple[GateSpec, ...]:
    """Return the gates of a suite, with those that every suite has.

    A suite whose file has no gate on a score has a no-drop gate on its primary grader. How many answers must
    be measured is the last gate, always.
    """
    found: dict[tuple[str, str | None], GateSpec] = {}
    for section in sections:
        gate = _gate(section, graders)
        if gate is not None and found.setdefault((gate.rule, gate.grader), gate) is not gate:
            section.fault("rule", "there is this gate already", "keep one of them")
    gates = [gate for gate in found.values() if gate.rule != "measured"] or _defaults(graders)
    measured = [gate for gate in found.values() if gate.rule == "measured"]
    return (*gates, *(measured[:1] or [GateSpec(rule="measured", at_least=MEASURED_DEFAULT)]))


def _defaults(graders: Sequence[GraderSpec]) -> list[GateSpec]:
    return [GateSpec(rule="no-drop", grader=grader.name) for grader in graders if grader.is_primary]


def _gate(section: TomlSection, graders: Sequence[GraderSpec]) -> GateSpec | None:
    rule = _rule(section)
    section.check_keys(_KEYS)
    if rule is None:
        return None
    _check_rule_keys(section, rule)
    by_points = section.number("by", 0, _POINTS_MAX)
    at_least = section.number("at_least", 0, 1)
    return GateSpec(
        rule=rule,
        grader=None if rule == "measured" else _grader_name(section, graders),
        false_alarm_nights=_false_alarm_nights(section),
        baseline=_baseline(section),
        remeasure=section.flag("remeasure", default=True),
        at_least=MEASURED_DEFAULT if at_least is None and rule == "measured" else at_least,
        margin=None if by_points is None else by_points / 100,
    )


def _check_rule_keys(section: TomlSection, rule: GateRule) -> None:
    """Add faults for keys that a rule does not have, and for one that it needs."""
    known = _KEYS_OF_RULE[rule]
    for key in section.table:
        if key in _KEYS and key != "rule" and key not in known:
            fix = f"remove it; it has: {', '.join(sorted(known))}"
            section.fault(key, f"a gate {rule} has no such key", fix)
    needed, example = _NEEDED.get(rule, ("", ""))
    if needed and needed not in section.table:
        section.fault(needed, "is missing", example)


def _rule(section: TomlSection) -> GateRule | None:
    word = section.text("rule")
    if "rule" not in section.table:
        return "no-drop"
    rules: tuple[GateRule, ...] = get_args(GateRule)
    found = next((rule for rule in rules if rule == word), None)
    if word is not None and found is None:
        section.fault("rule", f'there is no rule "{word:.40}"', f"use one of: {', '.join(rules)}")
    return found


def _grader_name(section: TomlSection, graders: Sequence[GraderSpec]) -> str | None:
    name = section.text("grader")
    names = [grader.name for grader in graders if grader.name]
    if name is None:
        return next((grader.name for grader in graders if grader.is_primary), None)
    if name not in names:
        section.fault("grader", f'there is no grader "{name:.40}"', f"use one of: {', '.join(names)}")
    return name


def _false_alarm_nights(section: TomlSection) -> int:
    words = section.text("false_alarms")
    found = None if words is None else _FALSE_ALARMS.fullmatch(words)
    nights = 0 if found is None else int(found[1])
    if words is not None and nights < 2:
        fix = f'write "1 in {FALSE_ALARM_NIGHTS} nights"'
        section.fault("false_alarms", "must be 1 in so many nights, at least 2", fix)
    return nights if nights >= 2 else FALSE_ALARM_NIGHTS


def _baseline(section: TomlSection) -> str:
    word = section.text("baseline")
    if word is None:
        return BASELINE_DEFAULT
    found = _BASELINE.fullmatch(word)
    if found is None or (found[1] and not POOL_LEAST <= int(found[1]) <= POOL_MOST):
        reason = f"must be rolling:N, N from {POOL_LEAST} to {POOL_MOST}, or pinned:NAME"
        section.fault("baseline", reason, f'write "{BASELINE_DEFAULT}", or leave it out')
        return BASELINE_DEFAULT
    return word
