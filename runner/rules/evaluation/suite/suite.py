"""A suite: the items of a nightly evaluation, what answers them, how answers are graded, when to alarm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from runner.rules.evaluation.gate.pool import POOL_MOST

if TYPE_CHECKING:
    from collections.abc import Mapping

GateRule = Literal["no-drop", "no-worse", "at-least", "measured"]
COMPARING_RULES: Final[tuple[GateRule, ...]] = ("no-drop", "no-worse")
MEASURED_DEFAULT: Final = 0.98  # of the answers; a night with fewer has no verdict
BASELINE_DEFAULT: Final = f"rolling:{POOL_MOST}"
AGAIN: Final = ".again"  # ends the name of a second measurement's run: SUITE.again@DATE
FALSE_ALARM_NIGHTS: Final = 90  # one false alarm in so many unchanged nights


class BaselineNights(NamedTuple):
    """The newest `nights` of the pool; or the one night that is `pinned` under a name, else None."""

    nights: int
    pinned: str | None = None


def parse_baseline(text: str) -> BaselineNights:
    """Return which nights `rolling:N` or `pinned:NAME` means."""
    kind, _, value = text.partition(":")
    return BaselineNights(1, value) if kind == "pinned" else BaselineNights(int(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What answers the items. `name` is that of the variant; it is "" where a suite has one subject.

    `user` is a template around the item's text, `{{ input }}`; None sends the item's messages as they are.
    `body` has further fields of the request. Texts are those of files where the suite names files.
    """

    name: str = ""
    model: str
    system: str | None = None
    user: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderSpec:
    """One grader as the suite has it. `options` are its keys beside name, type and primary.

    The primary grader is the one that the default gate is for; a suite has exactly one.
    """

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_primary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """When a night has regressed.

    `no-drop`: the score of a grader fell against the nights of the baseline more than chance explains; alarms
    falsely once in `false_alarm_nights` unchanged nights. `no-worse`: it has to be shown that it fell by less
    than `margin` (0 to 1). `at-least`: the mean is `at_least` or more. `measured`: so many of the answers
    have a score. `grader` is None for `measured`. `baseline`: `rolling:N`, or `pinned:NAME`.
    """

    rule: GateRule
    grader: str | None = None
    false_alarm_nights: int = FALSE_ALARM_NIGHTS
    baseline: str = BASELINE_DEFAULT
    remeasure: bool = True
    at_least: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite without its items. `timezone` is the IANA name by which a night has its date."""

    name: str
    subjects: tuple[Subject, ...]
    graders: tuple[GraderSpec, ...]
    gates: tuple[GateSpec, ...]
    epochs: int = 1
    timezone: str | None = None

    @property
    def primary(self) -> GraderSpec:
        """Return the primary grader."""
        return next(grader for grader in self.graders if grader.is_primary)

    def grader(self, name: str) -> GraderSpec:
        """Return a grader by its name."""
        return next(grader for grader in self.graders if grader.name == name)

    def is_gating(self, grader: str) -> bool:
        """Return whether a gate is for a grader."""
        return any(gate.grader == grader for gate in self.gates)

    def comparing_gate(self, grader: str) -> GateSpec | None:
        """Return the first gate by which a grader's score is compared with a baseline; None without one."""
        found = (gate for gate in self.gates if gate.grader == grader and gate.rule in COMPARING_RULES)
        return next(found, None)

    def baseline_of(self, grader: str) -> str:
        """Return the baseline that a grader is compared with: that of its comparing gate, or the usual."""
        gate = self.comparing_gate(grader)
        return BASELINE_DEFAULT if gate is None else gate.baseline
