"""What a conversion changes in a line, and why a line cannot be converted."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from runner.rules.diagnostics import Problem
from runner.rules.json_text.json_faults import shortened

ChangeKind: TypeAlias = Literal["translated", "dropped"]


class Change(NamedTuple):
    """One change of a line. `effect` is what was written instead, or what the lost field may change."""

    kind: ChangeKind
    field: str
    effect: str


class Changes:
    """The changes of one line; a change that comes twice in a line counts once."""

    def __init__(self) -> None:
        """Begin with none."""
        self.found: dict[Change, None] = {}

    def translated(self, field: str, effect: str) -> None:
        """Add that a field is written in another way."""
        self.found[Change("translated", shortened(field), effect)] = None

    def dropped(self, field: str, effect: str) -> None:
        """Add that a field is left out."""
        self.found[Change("dropped", shortened(field), effect)] = None


class CannotConvert(Exception):  # noqa: N818 - it is no error of the program
    """A line that cannot be converted; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def refusal(code: str, reason: str, fix: str) -> CannotConvert:
    """Return the error of a line that cannot be converted."""
    return CannotConvert(Problem(code=code, reason=reason, fix=fix))


def stored_elsewhere(field: str, service: str) -> CannotConvert:
    """Return the error for a field that names something which another service keeps."""
    reason = f"{field} names something that is stored at {service}; xAI cannot read it"
    return refusal("stored-elsewhere", reason, "write its content into the line")


def no_counterpart(what: str, fix: str = "remove it from the line, or leave the line out") -> CannotConvert:
    """Return the error for what chat completions of xAI do not have."""
    return refusal("no-counterpart", f"chat completions of xAI have no {what}", fix)
