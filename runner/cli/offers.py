"""What a person may decide about held jobs: how many, why, what it may cost, and the command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.cli import last_words, text
from runner.db import by_user
from runner.db.by_user import Chosen
from runner.engine import doubt
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.engine.doubt import Pricing
    from runner.settings import Settings

_HELD = frozenset({JobState.HELD})


def offers(database: Database, seen: Snapshot, settings: Settings) -> list[str]:
    """Say what can be done about the held jobs of a run, in a line or two; nothing where there are none."""
    if not seen.jobs(JobState.HELD):
        return []
    pricing = replace(doubt.pricing_by(settings.base_url, settings.prices), counts=seen.counts)
    with database.read() as connection:
        lost = by_user.matching(connection, seen.run.id, Chosen(states=_HELD, lost=True))
        held = by_user.matching(connection, seen.run.id, Chosen(states=_HELD))
    n_lost, n_held = (sum(group.n for group in groups) for groups in (lost, held))
    lines = []
    if n_lost:
        expired = sum(group.n for group in lost if group.error_code == "expired")
        word = "expired" if expired == n_lost else "lost or expired"
        price = price_of(lost, seen.as_of_ms, pricing)
        lines.append(f"{n_lost:,} {word}, about {price}: runner retry {seen.run.id} --lost")
    if n_held > n_lost:
        price = price_of(held, seen.as_of_ms, pricing)
        lines.append(f"{n_held:,} held, about {price}: runner retry {seen.run.id} --held")
    return lines


def at_rest(database: Database, seen: Snapshot, command: str, settings: Settings) -> list[str]:
    """Say all there is to say of a run that stands still: why, what is out, what a person may decide."""
    return [
        *last_words.paused(seen, command),
        *last_words.out(database, seen),
        *offers(database, seen, settings),
    ]


def price_of(groups: Sequence[Row[Any]], now_ms: int, pricing: Pricing) -> str:
    """Say what sending such groups of jobs anew may cost."""
    ticks = [
        doubt.likely_ticks(
            group.model,
            round(group.prompt_tokens),
            None if group.output_tokens_max is None else round(group.output_tokens_max),
            now_ms,
            pricing,
        )
        for group in groups
    ]
    known = sum(group.n * each for group, each in zip(groups, ticks, strict=True) if each is not None)
    if not known:
        return "an unknown price"
    return text.dollars(known) + (" and an unknown price for others" if None in ticks else "")
