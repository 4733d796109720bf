"""Small builders of JSON Schema; `about` is the description that the pages show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Shape = dict[str, Any]


def of(kind: str, about: str, **more: Any) -> Shape:
    return {"type": kind, "description": about, **more}


def integer(about: str) -> Shape:
    return of("integer", about)


def string(about: str) -> Shape:
    return of("string", about)


def moment(about: str) -> Shape:
    return of("string", f"{about} (UTC, ISO 8601)", format="date-time")


def or_null(shape: Shape) -> Shape:
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    values = {"enum": [*shape["enum"], None]} if "enum" in shape else {}
    return {**shape, **values, "type": [*kinds, "null"]}


def one_of(words: Iterable[str], about: str) -> Shape:
    return of("string", about, enum=[str(word) for word in words])


def record(about: str, /, **properties: Shape) -> Shape:
    return of("object", about, properties=properties, required=list(properties), additionalProperties=False)


def mapping(about: str, values: Shape) -> Shape:
    return of("object", about, additionalProperties=values)


def array(about: str, items: Shape) -> Shape:
    return of("array", about, items=items)
