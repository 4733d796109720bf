"""docs/models.md: the models of the catalogue with limits, efforts, prices and what the Batch API takes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner import rules
from runner.rules import models

if TYPE_CHECKING:
    from runner.rules.models import ModelFacts

_RULES: Final = Path(rules.__file__).parent
_BATCH: Final = {True: "yes", False: "refused", None: "not known"}


def markdown() -> str:
    """Return the text of docs/models.md."""
    prices = _table("prices.toml")
    batch = {name: row.get("batch") for name, row in _table("models.toml")["models"].items()}
    serving = [model for model in models.CATALOGUE.values() if model.retired_on is None]
    retired = [model for model in models.CATALOGUE.values() if model.retired_on is not None]
    lines = [
        "# Models",
        "",
        "Generated from `models.toml` and `prices.toml` in `runner/rules` by `make docs`; do not edit.",
        "Those files name the source of each fact. A model that is not listed works too: its name is sent as",
        "written, with a warning, at low limits until the API's headers say more; its prices are unknown.",
        "",
        "## Limits and fields",
        "",
        "Requests and tokens are per minute, of a team at tier 0. The API's headers have other limits.",
        "",
        "| model | other names | context | requests | tokens | `reasoning_effort` |",
        "|---|---|---|---|---|---|",
        *(_limits(model) for model in serving),
        "",
        "## Prices",
        "",
        f"USD per million tokens, as of {prices['as_of']}. With `long from` prompt tokens or more, all",
        "tokens of a request have the second price. You can set your own: [costs.md](costs.md).",
        "",
        "| model | input | cached input | output | long from |",
        "|---|---|---|---|---|",
        *(_prices(model.name, prices["models"][model.name][0]) for model in serving),
        "",
        "## The Batch API",
        "",
        "`runner` sends deferred chat completions; it does not use the Batch API. For a comparison:",
        "",
        "| model | accepted | discount on all tokens |",
        "|---|---|---|",
        *(_batch(model.name, batch[model.name], prices["models"][model.name][0]) for model in serving),
        "",
        "## Retired names",
        "",
        "A request for one of these is answered by the newer model, at its price. `check` and `run` warn.",
        "",
        "| name | other names | retired on | answered by |",
        "|---|---|---|---|",
        *(_retired(model) for model in retired),
    ]
    return "\n".join(lines) + "\n"


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((_RULES / name).read_text("utf-8"))


def _names(model: ModelFacts) -> str:
    return ", ".join(f"`{alias}`" for alias in model.aliases)


def _limits(model: ModelFacts) -> str:
    efforts = "not checked" if model.efforts is None else ", ".join(model.efforts) or "refused"
    numbers = f"{model.context_tokens:,} | {model.rpm:,} | {model.tpm:,}"
    return f"| `{model.name}` | {_names(model)} | {numbers} | {efforts} |"


def _prices(name: str, row: dict[str, Any]) -> str:
    long = row["long"]
    pairs = " | ".join(f"{row[kind]:.2f}, {long[kind]:.2f}" for kind in ("input", "cached", "output"))
    return f"| `{name}` | {pairs} | {row['long_from']:,} |"


def _batch(name: str, is_accepted: bool | None, row: dict[str, Any]) -> str:
    discount = row.get("batch_discount")
    return f"| `{name}` | {_BATCH[is_accepted]} | {f'{discount:.0%}' if discount else 'none known'} |"


def _retired(model: ModelFacts) -> str:
    return f"| `{model.name}` | {_names(model)} | {model.retired_on} | `{model.redirected_to}` |"
