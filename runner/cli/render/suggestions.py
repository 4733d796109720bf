"""What a person can do about held jobs: how many, why, what it may cost, and the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.cli.render import text
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODELS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryCost:
    """Jobs that one command would send again, and the ticks that may cost.

    `expired`: how many of them expired. `model_refused`: how many are held since the API refuses their model.
    `has_unknown`: some of them name a model without a price.
    """

    jobs: int = 0
    expired: int = 0
    model_refused: int = 0
    known_ticks: int = 0
    has_unknown: bool = False


class RefusedModelNames(NamedTuple):
    """The models that the API refused, and a model to name instead in the command."""

    names: Sequence[str]
    instead: str


def suggestion_lines(
    run_id: int, *, lost: RetryCost, held: RetryCost, refused: RefusedModelNames | None = None
) -> list[str]:
    """Return what can be done about jobs that wait for a decision, each with its command.

    The lost ones, and those whose model was refused, are part of the held; those of a paused run are pending.
    """
    lines = _of_refused_models(run_id, refused) if refused is not None else []
    if lost.jobs:
        word = "expired" if lost.expired == lost.jobs else "lost or expired"
        lines.append(f"{lost.jobs:,} {word}, about {retry_price(lost)}: runner retry {run_id} --lost")
    if held.jobs > lost.jobs + held.model_refused:
        lines.append(f"{held.jobs:,} held, about {retry_price(held)}: runner retry {run_id} --held")
    return lines


def _of_refused_models(run_id: int, refused: RefusedModelNames) -> list[str]:
    lines = []
    for model in refused.names[:_MODELS_SHOWN]:
        named = text.shell_word(plain(model))
        retry = f"runner retry {run_id} --model {named} --set-model {text.shell_word(plain(refused.instead))}"
        lines.append(f"the API refuses {plain(model)}: {retry}")
        lines.append(f"  or without an answer: runner cancel {run_id} --model {named}")
    more = len(refused.names) - _MODELS_SHOWN
    return [*lines, f"… and {text.count(more, 'other model')} that the API refuses"] if more > 0 else lines


def retry_price(cost: RetryCost) -> str:
    """Return what sending the jobs again may cost."""
    if not cost.known_ticks:
        return "an unknown price"
    return text.dollars(cost.known_ticks) + (" and an unknown price for others" if cost.has_unknown else "")
