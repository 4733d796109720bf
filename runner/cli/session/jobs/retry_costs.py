"""What sending jobs of a run again may cost: one number for suggestions and for the question of `retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.render.suggestions import RetryCost
from runner.engine.runs import cost_bounds
from runner.rules.replies.reply_table import MODEL_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.jobs.job_groups import JobGroup
    from runner.engine.runs.cost_bounds import PriceBasis


def retry_cost(groups: Sequence[JobGroup], now_ms: int, price_basis: PriceBasis) -> RetryCost:
    """Return what sending jobs again may cost. `groups`: these jobs, as `chosen_jobs.matching_groups` returns
    them; `price_basis` has the run's counters.
    """
    ticks = [
        cost_bounds.likely_ticks(
            group.model,
            round(group.prompt_tokens),
            None if group.output_tokens_max is None else round(group.output_tokens_max),
            now_ms,
            price_basis,
        )
        for group in groups
    ]
    return RetryCost(
        jobs=sum(group.n for group in groups),
        expired=sum(group.n for group in groups if group.error_code == "expired"),
        model_refused=sum(group.n for group in groups if group.error_code in MODEL_CODES),
        known_ticks=sum(
            group.n * each for group, each in zip(groups, ticks, strict=True) if each is not None
        ),
        has_unknown=None in ticks,
    )
