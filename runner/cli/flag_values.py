"""The flags of a command as one value, for commands that hand them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFlags:
    """The flags of `start` and `resume`, without those that change the run. `timeout`: seconds."""

    detach: bool
    timeout: float | None
    as_json: bool
    quiet: bool
    verbose: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """The flags of `run`. `options`: those of the run that are named (`take_options`). `timeout`: seconds."""

    name: str | None
    new: bool
    occasion: str | None
    model: str
    model_for_all: str | None
    skip_bad: bool
    strict: bool
    output: Path | None
    force: bool
    options: Mapping[str, Any]
    timeout: float | None
    yes: bool
    as_json: bool
    quiet: bool
    verbose: bool
    trust_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """The flags that choose jobs of a run; a job is chosen if it fits all that are given."""

    code: str | None
    ids: tuple[str, ...]
    model: str | None
    flaw: str | None

    @property
    def is_given(self) -> bool:
        """Return whether one of them was given."""
        return bool(self.ids) or any(one is not None for one in (self.code, self.model, self.flaw))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFlags(JobFilter):
    """The flags of `retry` that choose jobs."""

    failed: bool
    held: bool
    lost: bool
    cancelled: bool
    status: str | None
