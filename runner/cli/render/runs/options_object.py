"""The options of a run as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.rules.json_object import MONEY, JsonObject, about
from runner.rules.redact import redact

if TYPE_CHECKING:
    from runner.db.runs.run_row import RunOptions

_OWN_RATE: Final = "a minute, of this run alone; null where none was set, 0 is none"


class OptionsInForce(JsonObject, frozen=True, kw_only=True):
    """What flags and `set` said of a run. It stays until a command names it again."""

    rpm: Annotated[int | None, about(f"requests {_OWN_RATE}")]
    tpm: Annotated[int | None, about(f"tokens {_OWN_RATE}")]
    budget_ticks: Annotated[int | None, about(f"the most it may spend, {MONEY}; null is no budget")]
    limit: Annotated[int | None, about("only so many jobs, from the first on; null is all")]
    max_waiting: Annotated[int, about("requests that may wait for their answers at the same time")]
    max_attempts: Annotated[int, about("attempts of a job before it fails")]
    max_failures: Annotated[int | None, about("failed jobs that pause it; null is no such bound")]
    fail_on: Annotated[list[str], about("flaws of an answer that fail its job")]
    on_ambiguous: Annotated[str, about("what follows an unknown outcome: resubmit or hold")]
    on_end: Annotated[str | None, about("command to call at its end, without secrets")]


def options_object(options: RunOptions) -> OptionsInForce:
    """Return the options of a run; secrets in its command are hidden."""
    return OptionsInForce(
        rpm=options.rpm,
        tpm=options.tpm,
        budget_ticks=options.budget_ticks,
        limit=options.limit,
        max_waiting=options.max_waiting,
        max_attempts=options.max_attempts,
        max_failures=options.max_failures,
        fail_on=list(options.fail_on),
        on_ambiguous=options.on_ambiguous,
        on_end=None if options.on_end is None else redact(options.on_end, ()),
    )
