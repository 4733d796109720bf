"""What a check of `runner doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from runner.rules.advice import Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; `fix` where it is not ok."""

    name: str
    state: Literal["ok", "warning", "failed"]
    told: str
    fix: str = ""


def ok(name: str, told: str) -> Check:
    """Say that all is well."""
    return Check(name=name, state="ok", told=told)


def warning(name: str, advice: Advice) -> Check:
    """Say what could be better; runs go on nonetheless."""
    return Check(name=name, state="warning", told=advice.what, fix=advice.fix)


def failed(name: str, advice: Advice) -> Check:
    """Say what no run can do without."""
    return Check(name=name, state="failed", told=advice.what, fix=advice.fix)
