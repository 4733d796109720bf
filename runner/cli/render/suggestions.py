"""What a person can do about held jobs: how many, why, what it may cost, and the command."""

from __future__ import annotations

from dataclasses import dataclass

from runner.cli.render import text


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryCost:
    """Jobs that one command would send again, and the ticks that may cost.

    `expired`: how many of them expired. `has_unknown`: some of them name a model without a price.
    """

    jobs: int = 0
    expired: int = 0
    known_ticks: int = 0
    has_unknown: bool = False


def suggestion_lines(run_id: int, *, lost: RetryCost, held: RetryCost) -> list[str]:
    """Return a line for each command that would send held jobs again; the lost ones are part of the held."""
    lines = []
    if lost.jobs:
        word = "expired" if lost.expired == lost.jobs else "lost or expired"
        lines.append(f"{lost.jobs:,} {word}, about {retry_price(lost)}: runner retry {run_id} --lost")
    if held.jobs > lost.jobs:
        lines.append(f"{held.jobs:,} held, about {retry_price(held)}: runner retry {run_id} --held")
    return lines


def retry_price(cost: RetryCost) -> str:
    """Return what sending the jobs again may cost."""
    if not cost.known_ticks:
        return "an unknown price"
    return text.dollars(cost.known_ticks) + (" and an unknown price for others" if cost.has_unknown else "")
