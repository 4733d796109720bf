"""The outcome of a check of `runner doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from runner.rules.advice import Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The outcome of one check. `result`: a sentence. `fix`: what to do if it is not ok."""

    name: str
    state: Literal["ok", "warning", "failed"]
    result: str
    fix: str = ""


def ok(name: str, result: str) -> Diagnosis:
    """Return the outcome of a check that passed."""
    return Diagnosis(name=name, state="ok", result=result)


def warning(name: str, advice: Advice) -> Diagnosis:
    """Return a warning: runs work, but something could be better."""
    return Diagnosis(name=name, state="warning", result=advice.what, fix=advice.fix)


def failed(name: str, advice: Advice) -> Diagnosis:
    """Return a failure: no run works until it is fixed."""
    return Diagnosis(name=name, state="failed", result=advice.what, fix=advice.fix)
