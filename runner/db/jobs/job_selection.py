"""Which jobs of a run a user means, and the SQL conditions that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.rules.states import Event

if TYPE_CHECKING:
    from runner.rules.states import JobState

# Condition on the last attempt `a` of a job: the one that answered it, else its newest.
LAST_ATTEMPT: Final = "a.job_id = jobs.id AND a.attempt = COALESCE(jobs.answered_by, jobs.attempt)"

_WORDS: Final = {  # conditions on jobs, by the field of a selection that has their value
    "code": "error_code = :code",
    "not_code": "COALESCE(error_code, '') <> :not_code",
    "flaw": f"EXISTS (SELECT 1 FROM attempts a WHERE {LAST_ATTEMPT} AND a.flaw = :flaw)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSelection:
    """Which jobs a user means: those in `states`, narrowed by the other fields where given.

    `lost`: only those whose last attempt was lost. `code`: only those with this error code, `not_code`: only
    those without it. `job_ids`: only these jobs. `models`: only those that name one of these. `flaw`: only
    those whose last answer has it.
    """

    states: frozenset[JobState]
    lost: bool = False
    code: str | None = None
    not_code: str | None = None
    job_ids: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    flaw: str | None = None

    @property
    def is_of_codes(self) -> bool:
        """Return whether it has all jobs in its states, or all of these with some error codes."""
        return not (self.lost or self.job_ids or self.models) and self.flaw is None

    @property
    def is_of_states_alone(self) -> bool:
        """Return whether it has all jobs in its states."""
        return self.is_of_codes and self.code is None and self.not_code is None


def narrowed(chosen: JobSelection) -> tuple[str, dict[str, Any]]:
    """Return what a selection asks for beside states and ids, as SQL that begins with AND, and its values."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    if chosen.lost:
        parts.append(f"EXISTS (SELECT 1 FROM attempts a WHERE {LAST_ATTEMPT} AND a.outcome = '{Event.LOST}')")
    for name, condition in _WORDS.items():
        if (word := getattr(chosen, name)) is not None:
            parts.append(condition)
            values[name] = word
    if chosen.models:
        names = {f"model_{n}": model for n, model in enumerate(chosen.models)}
        parts.append(f"model IN ({', '.join(f':{name}' for name in names)})")
        values |= names
    return "".join(f" AND {part}" for part in parts), values
