"""The flags that make a recipe, on the command line and as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags, value_types
from runner.rules import models
from runner.rules.recipes.recipe_flags import RecipeFlags

if TYPE_CHECKING:
    from collections.abc import Callable

_REASK_MAX: Final = 5
_NAMES: Final = (  # the parameters of the options below; a given one replaces what a recipe file says
    "table", "id", "text", "user", "system", "labels", "schema", "examples", "image", "where", "sample",
    "seed", "constants", "model", "encoding", "delimiter", "reask", "repair", "columns", "prefix",
    "trust_code",
)  # fmt: skip


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that say how rows become requests and what is added to the table."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_recipe_flags(given: dict[str, Any]) -> RecipeFlags:
    """Remove the values of these flags from those of a command; return them."""
    return RecipeFlags(**{name: given.pop(name) for name in _NAMES})


_OPTIONS: Final = (
    click.option("--text", metavar="COL", help="Column whose cells are the prompts."),
    click.option("--user", metavar="TEMPLATE", help="Prompt with {{ column }}s, or a file that holds it."),
    click.option("--system", metavar="TEXT", help="System prompt of all rows, or a file that holds it."),
    click.option(
        "--labels",
        metavar="LABELS",
        multiple=True,
        help='Fields of an answer: "sentiment: positive|neutral|negative", "stars: 1..5",'
        ' "topics: [price|quality]", "urgent: yes/no", "note: text"; can be given several times.',
    ),
    click.option(
        "--schema",
        metavar="FILE|MODULE:CLASS",
        help="JSON schema of an answer, or a class of your code that makes one, instead of --labels.",
    ),
    flags.trust_code_flag,
    click.option("--id", metavar="COL", help="Column with the ids of the rows.  [default: row-N]"),
    click.option("--examples", metavar="FILE", help="Table of labeled rows to show to the model."),
    click.option("--image", metavar="COL", help="Column with addresses of images."),
    click.option("--where", metavar="EXPR", help='Only rows for which this is true: "stars|int < 3".'),
    click.option("--sample", type=value_types.Count(1), metavar="N", help="Only N rows, chosen at random."),
    click.option("--seed", type=value_types.Count(0), metavar="N", help="Another sample.  [default: 0]"),
    click.option(
        "--set", "constants", metavar="NAME=VALUE", multiple=True, help="Constant for the templates."
    ),
    click.option("--model", type=value_types.ModelName(), help=f"Model.  [default: {models.DEFAULT}]"),
    click.option(
        "--reask",
        type=value_types.Count(0, _REASK_MAX),
        metavar="N",
        help="How often an answer that does not fit is asked for again.  [default: 2]",
    ),
    click.option(
        "--repair/--no-repair", default=None, help="Take the only object out of an answer with words around."
    ),
    click.option(
        "--columns",
        type=value_types.Columns(),
        help="Further columns to add: cost, model, asks, answer, or none.",
    ),
    click.option("--prefix", metavar="TEXT", help="What the name of every added column begins with."),
    click.option("--table", metavar="PATH", help="Table for a recipe, instead of the one it names."),
    click.option("--encoding", metavar="NAME", help="Encoding of a CSV that is not UTF-8."),
    click.option("--delimiter", metavar="CHAR", help="Delimiter of a CSV.  [default: found out]"),
)
