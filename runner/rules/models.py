"""The model catalogue: aliases, context windows, limits, and what a model rejects.

The facts stand in models.toml, each with its source; this module only reads them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One model. `rpm` and `tpm` are a team's limits at tier 0, per minute.

    `efforts` is None where nobody knows which words the model accepts, and empty where it
    refuses `reasoning_effort` altogether.
    """

    name: str
    aliases: tuple[str, ...]
    context_tokens: int
    rpm: int
    tpm: int
    rejects: frozenset[str]
    efforts: tuple[str, ...] | None
    prompt_overhead_tokens: int
    reasons: bool
    retired_on: date | None
    redirected_to: str | None


def canonical(name: str) -> str:
    """Give the name limits and prices go by: aliases share one. An unknown name stands for itself."""
    return _CANONICAL.get(name, name)


def serving(name: str, on: date) -> str:
    """Give the model that answers to a name on a day: from its retirement on, its successor.

    Source: xAI's page on the retirements of 2026-05-15. Unknown names and aliases as `canonical`.
    """
    found = facts(name)
    if found is None or found.redirected_to is None or found.retired_on is None or on < found.retired_on:
        return canonical(name)
    return serving(found.redirected_to, on)


def facts(name: str) -> ModelFacts | None:
    """What is known of a model, by its own name or an alias; None for an unknown one."""
    return CATALOGUE.get(canonical(name))


def is_another(asked: str, returned: str) -> bool:
    """Say whether an answer came from a model nobody asked for: no alias, and no known successor."""
    wanted = facts(asked)
    expected = {canonical(asked), wanted.redirected_to if wanted else None}
    return canonical(returned) not in expected


def names() -> tuple[str, ...]:
    """Every name the catalogue knows, aliases among them."""
    return tuple(_CANONICAL)


def _model(name: str, row: Mapping[str, Any]) -> ModelFacts:
    efforts = row.get("efforts")
    return ModelFacts(
        name=name,
        aliases=tuple(row["aliases"]),
        context_tokens=row["context_tokens"],
        rpm=row["rpm"],
        tpm=row["tpm"],
        rejects=frozenset(row["rejects"]),
        efforts=None if efforts is None else tuple(efforts),
        prompt_overhead_tokens=row.get("prompt_overhead_tokens", 0),
        reasons=row.get("reasons", True),
        retired_on=row.get("retired_on"),
        redirected_to=row.get("redirected_to"),
    )


def _read() -> dict[str, ModelFacts]:
    table = tomllib.loads(Path(__file__).with_name("models.toml").read_text("utf-8"))
    return {name: _model(name, row) for name, row in table["models"].items()}


CATALOGUE: Final = _read()
_CANONICAL: Final = {
    name: model.name for model in CATALOGUE.values() for name in (model.name, *model.aliases)
}
