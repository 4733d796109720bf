"""Model catalogue: prices, limits and accepted parameters of each model. Its data is models.json."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Ticks per token (1 USD = 10**10 ticks)."""

    fresh: int
    cached: int
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model, its limits and prices."""

    id: str
    aliases: tuple[str, ...]
    created: int  # unix seconds
    context: int  # tokens
    rpm: int
    tpm: int
    price: Price
    long_from: int  # the smallest prompt, in tokens, with the long price
    long_price: Price
    efforts: frozenset[str]  # accepted values of reasoning_effort
    stop: bool  # whether it accepts the parameter stop
    reasons: bool  # whether it has reasoning tokens
    fingerprint: str
    effort: str = "medium"  # of requests that name none


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageModel:
    """One model that makes images. It is listed, and serves no request here."""

    id: str
    aliases: tuple[str, ...]
    created: int  # unix seconds
    fingerprint: str
    image_price: int  # USD cents, at medium quality and 1k
    tiers: dict[str, int]  # ticks an image, by "quality resolution"


_Listed = TypeVar("_Listed", bound=Model | ImageModel)


def _price(row: list[int]) -> Price:
    return Price(fresh=row[0], cached=row[1], output=row[2])


def _model(row: dict[str, Any]) -> Model:
    return Model(
        price=_price(row.pop("price")),
        long_price=_price(row.pop("long_price")),
        efforts=frozenset(row.pop("efforts")),
        **_named(row),
    )


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what every kind of model has, in the types of its fields."""
    day = dt.date.fromisoformat(row["created"])
    return row | {
        "aliases": tuple(row["aliases"]),
        "created": int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()),
        "fingerprint": f"fp_{zlib.crc32(row['id'].encode()):010x}",
    }


def _by_slug(models: tuple[_Listed, ...]) -> dict[str, _Listed]:
    """Return the models by their ids and aliases."""
    return {slug: model for model in models for slug in (model.id, *model.aliases)}


class Catalogue:
    """The models by slug. A retired slug is served by its successor, as at xAI since 2026-05-15.

    With `keep_retired`, grok-4-0709 is still served by itself and the other retired slugs are unknown.
    """

    def __init__(self, *, keep_retired: bool = False) -> None:
        data = json.loads(resources.files(__package__).joinpath("models.json").read_bytes())
        models = tuple(_model(row) for row in data["models"])
        retired: dict[str, tuple[str, str]] = {} if keep_retired else data["retired"]
        by_slug = _by_slug(models)
        self._by_slug = by_slug | {
            slug: replace(by_slug[successor], effort=effort) for slug, (successor, effort) in retired.items()
        }
        self.models = tuple(model for model in models if model.id not in retired)
        self.image_models = tuple(ImageModel(**_named(row)) for row in data["image_models"])
        self._images_by_slug = _by_slug(self.image_models)

    def find(self, slug: str) -> Model | None:
        """Return the model that serves `slug` (an id or an alias), or None."""
        return self._by_slug.get(slug)

    def find_image_model(self, slug: str) -> ImageModel | None:
        """Return the image model of `slug` (an id or an alias), or None."""
        return self._images_by_slug.get(slug)
