"""The model catalogue: aliases, context windows, rate limits, and the fields a model rejects.

The facts and their sources are in models.toml; this module reads it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date


DEFAULT: Final = "grok-4.3"  # for lines that name none; docs/decisions/0040
EARLIER_DEFAULT: Final = "grok-4"  # served by the same model
UNKNOWN_RPM: Final = 120  # requests and tokens a minute of a model that is not in the catalogue: the lowest
UNKNOWN_TPM: Final = 200_000  # of those that are


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One model of the catalogue."""

    name: str
    aliases: tuple[str, ...]
    context_tokens: int
    rpm: int  # requests a minute of a team at tier 0
    tpm: int  # tokens a minute of a team at tier 0
    rejects: frozenset[str]  # request fields
    ignores: frozenset[str]  # request fields
    efforts: tuple[str, ...] | None  # None: unknown; empty: the model rejects `reasoning_effort`
    prompt_overhead_tokens: int  # billed in addition to the messages
    reasons: bool  # its answers have reasoning tokens
    retired_on: date | None
    redirected_to: str | None  # the model that answers from the retirement on


def canonical(name: str) -> str:
    """Return the model's own name, by which limits and prices go; an unknown name is returned as it is."""
    return _CANONICAL.get(name, name)


def serving(name: str, on: date) -> str:
    """Return the name of the model that answers to a name on a day: after retirement, its successor.

    Source: xAI's page on the retirements of 2026-05-15. Unknown names and aliases as in `canonical`.
    """
    found = facts(name)
    if found is None or found.redirected_to is None or found.retired_on is None or on < found.retired_on:
        return canonical(name)
    return serving(found.redirected_to, on)


def facts(name: str) -> ModelFacts | None:
    """Return the catalogue's entry for a model name or alias; None if there is none."""
    return CATALOGUE.get(canonical(name))


def limits(name: str) -> tuple[int, int]:
    """Return the requests and tokens a minute of a model at tier 0; low ones for an unknown model."""
    found = facts(name)
    return (found.rpm, found.tpm) if found else (UNKNOWN_RPM, UNKNOWN_TPM)


def names_in_answers(asked: str) -> frozenset[str]:
    """Return the names under which answers to a model's name come: its own, and its successor's."""
    found = facts(asked)
    successor = {found.redirected_to} if found and found.redirected_to else set()
    return frozenset({asked, canonical(asked), *successor})


def is_unexpected(asked: str, returned: str) -> bool:
    """Return whether an answer came from another model than the requested one or its known successor."""
    found = facts(asked)
    expected = {canonical(asked), found.redirected_to if found else None}
    return canonical(returned) not in expected


def names() -> tuple[str, ...]:
    """Return all model names of the catalogue, with aliases."""
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
        ignores=frozenset(row.get("ignores", ())),
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
