"""The result of a check of `runner doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from runner.rules.advice import Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The result of one check, `told` in words; `fix` if it is not ok. The names are keys of the JSON."""

    name: str
    state: Literal["ok", "warning", "failed"]
    told: str
    fix: str = ""


def ok(name: str, told: str) -> Diagnosis:
    """Return a result that is well."""
    return Diagnosis(name=name, state="ok", told=told)


def warning(name: str, advice: Advice) -> Diagnosis:
    """Return a result that could be better; runs work nonetheless."""
    return Diagnosis(name=name, state="warning", told=advice.what, fix=advice.fix)


def failed(name: str, advice: Advice) -> Diagnosis:
    """Return a result without which no run works."""
    return Diagnosis(name=name, state="failed", told=advice.what, fix=advice.fix)
