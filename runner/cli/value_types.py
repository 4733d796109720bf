"""Types of values on the command line: what a person types, and what it becomes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from runner.rules.costs.budget import parse_usd
from runner.rules.numbers import NumberError, parse_count, parse_span_s
from runner.rules.occasion import TODAY, is_occasion, is_today
from runner.rules.os_text import as_text
from runner.rules.redact import plain
from runner.rules.replies.chat_completion import Flaw

if TYPE_CHECKING:
    from collections.abc import Callable


class Text(click.ParamType[str]):
    """A name or an id. Bytes that are no text are read as the escapes that `list` and `show` print."""

    name = "text"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        """Return the text."""
        return as_text(str(value))


class Count(click.IntRange):
    """A whole number, such as `1000` or `1,000`, within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        return int(super().convert(_parsed(self, parse_count, value, param, ctx), param, ctx))


class Duration(click.ParamType[float]):
    """`90s`, `15m`, `1h30m`, `2d`: seconds as a float. A number alone is seconds, unless `needs_unit`."""

    name = "duration"

    def __init__(self, *, needs_unit: bool = False) -> None:
        self._parse = partial(parse_span_s, needs_unit=needs_unit)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds, more than 0."""
        return float(_parsed(self, self._parse, value, param, ctx))


class NumberOrNone(click.ParamType[int]):
    """A whole number from 1 up, or `none` for no limit, which is 0 inside."""

    name = "number"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or 0 for `none`."""
        if value == "none":
            return 0
        number = int(_parsed(self, parse_count, value, param, ctx, "none"))
        if isinstance(value, str) and not number:
            self.fail(f"{value!r} is neither a number from 1 up nor none", param, ctx)
        return number


class RateOrDefault(click.ParamType[int | None]):
    """A limit of a minute as NumberOrNone reads it, or `default` for one that is not set, which is None."""

    name = "rate"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "N|none|default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number, 0 for `none`, None for `default`."""
        return None if value == "default" else NumberOrNone().convert(value, param, ctx)


class Budget(click.ParamType[int]):
    """US dollars like `20` or `0.75`, or `none` for no budget, which is 0 inside: ticks."""

    name = "budget"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "USD|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return ticks."""
        return 0 if value == "none" else int(_parsed(self, parse_usd, value, param, ctx, "none"))


def _parsed(
    kind: click.ParamType[Any],
    parse: Callable[[str], float],
    value: Any,
    param: click.Parameter | None,
    ctx: click.Context | None,
    other: str = "",
) -> Any:
    """Return what a text means; a value that is none is a default of ours. `other`: a word beside numbers."""
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except NumberError as error:
        kind.fail(f"{error}{f', or {other}' if other else ''}", param, ctx)


class Words(click.ParamType[tuple[str, ...]]):
    """Words with commas between them."""

    name = "words"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "WORD,…"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        words = value.split(",") if isinstance(value, str) else value
        return tuple(dict.fromkeys(word.strip() for word in words))


class Columns(Words):
    """Words with commas between them, or `none`, which is no word."""

    name = "columns"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        return () if value == "none" else super().convert(value, param, ctx)


class Flaws(click.ParamType[tuple[str, ...]]):
    """Words of `length`, `refusal` and `empty`, with commas between them, or `none`, which is no word."""

    name = "flaws"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "FLAW,…|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        if value == "none":
            return ()
        words = tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else tuple(value)
        for word in words:
            if word not in set(Flaw):
                self.fail(f"{word!r} is none of {', '.join(Flaw)}", param, ctx)
        return words


class ShellCommand(click.ParamType[str]):
    """A command for the shell, or `none` for no command, which is "" inside."""

    name = "command"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "CMD|none"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        """Return the command."""
        return "" if value == "none" else str(value)


class Occasion(click.ParamType[str]):
    """A word of letters, digits, `.`, `_` and `-`; `today`, however it is written, is `today`."""

    name = "occasion"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "WORD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word."""
        word = str(value)
        if not is_occasion(word):
            self.fail(f"{word!r} is no word of 1 to 64 letters, digits, dots, _ and -", param, ctx)
        return TODAY if is_today(word) else word


class ModelName(click.ParamType[str]):
    """The name of a model: anything that can be printed, without spaces."""

    name = "name"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        name = str(value)
        if not name or not name.isprintable() or " " in name:
            self.fail(f"{plain(name)!r} is no name of a model, like grok-4.3", param, ctx)
        return name
