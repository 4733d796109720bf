"""What a run with labels does with its answers, as its recipe says: its contract, its asks, its counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import orjson

from runner.rules.labels.contract import Contract
from runner.rules.labels.label_counts import counted_names
from runner.rules.recipes.recipe import REASK_DEFAULT

_RUNS_KEPT: Final = 16  # a contract takes milliseconds to make, and each answer of its run needs it


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRules:
    """`contract` checks an answer, `asks_max` is how often a job may be asked again, `counted` are the names
    of the labels that are counted by their values.
    """

    contract: Contract
    asks_max: int
    counted: tuple[str, ...]


@lru_cache(_RUNS_KEPT)
def label_rules(recipe: str) -> LabelRules:
    """Return the rules that a stored recipe makes, by its keys `schema`, `ask.reask` and `ask.repair`.

    Raises ValueError, KeyError or UsageError where it makes none; load has ruled that out.
    """
    stored = orjson.loads(recipe)
    ask = stored.get("ask", {})
    contract = Contract(orjson.dumps(stored["schema"]), repairs=ask.get("repair", True))
    return LabelRules(
        contract=contract,
        asks_max=ask.get("reask", REASK_DEFAULT),
        counted=counted_names(contract.fields),
    )
