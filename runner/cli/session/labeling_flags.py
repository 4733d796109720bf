"""The flags that turn a table into requests; they mean the same as the keys of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags
from runner.rules.recipe_flags import RecipeFlags

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNT: Final = flags.Count(1, 10**12)
_OPTIONS: Final = (
    click.option("--table", metavar="FILE", help="Table to read instead of the recipe's."),
    click.option("--id", metavar="COL", help="Column with the ids of the rows.  [default: row-N]"),
    click.option("--text", metavar="COL", help="Column whose cells are the prompts."),
    click.option("--user", metavar="TEMPLATE", help="Prompt with {{ column }} in it: a file, or the text."),
    click.option("--system", metavar="TEMPLATE", help="System prompt: a file, or the text."),
    click.option(
        "--labels",
        multiple=True,
        metavar="FIELD",
        help='What to answer, as "sentiment: positive|neutral|negative"; can be given several times.',
    ),
    click.option("--schema", metavar="FILE", help="JSON schema of the answers, instead of --labels."),
    click.option("--examples", metavar="FILE", help="Table of labeled rows, shown in each request."),
    click.option("--image", metavar="COL", help="Column with the addresses of images."),
    click.option("--where", metavar="EXPR", help='Only rows for which this is true, as "stars|int > 3".'),
    click.option("--sample", type=_COUNT, metavar="N", help="Only N random rows of those."),
    click.option("--seed", type=flags.Count(0, 2**63 - 1), metavar="N", help="Another sample for each N."),
    click.option("--limit", type=_COUNT, metavar="N", help="Only the first N rows of those."),
    click.option(
        "--set", "constants", multiple=True, metavar="NAME=VALUE", help="A constant for the templates."
    ),
    click.option("--model", type=flags.ModelName(), help="Model of the requests."),
    click.option("--encoding", metavar="NAME", help="Encoding of the table.  [default: UTF-8]"),
    click.option("--delimiter", metavar="CHAR", help="What separates the cells of the table."),
)


def labeling_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that decide which requests a table becomes, as one argument `shaping`."""

    def gathered(**arguments: Any) -> Any:
        names = RecipeFlags.__dataclass_fields__.keys() & arguments.keys()
        shaping = RecipeFlags(**{name: arguments.pop(name) for name in names})
        return command(shaping=shaping, **arguments)

    gathered.__doc__ = command.__doc__
    gathered.__click_params__ = list(getattr(command, "__click_params__", []))  # type: ignore[attr-defined]
    decorated: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
