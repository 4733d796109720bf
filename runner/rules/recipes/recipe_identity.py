"""What of a recipe shapes its requests, as canonical JSON: equal bytes mean equal requests for a table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.rules.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeTexts:
    """What the files of a recipe hold, and its model.

    `system` and `user` are the templates, `user` None where a column is the prompt. `schema` is JSON as it
    is sent, `instructions` the words that end the system prompt. `examples_sha256` is None without examples.
    """

    model: str
    system: str
    user: str | None
    schema: bytes
    instructions: str
    examples_sha256: str | None = None


def canonical(recipe: Recipe, texts: RecipeTexts) -> bytes:
    """Return canonical JSON of all that shapes the requests; not the table's bytes, `ask` or `out`.

    Paths are left out: what their files hold counts. The order of `body` and of the schema's properties is
    kept, because it is that of the request.
    """
    table, prompt = recipe.table, recipe.prompt
    shaping = {
        "recipe": 1,
        "read": {"encoding": table.encoding, "delimiter": table.delimiter},
        "rows": {"where": table.where, "sample": table.sample, "seed": table.seed, "limit": table.limit},
        "id": table.id,
        "prompt": {"text": prompt.text, "image": prompt.image, "set": sorted(prompt.constants.items())},
        "model": texts.model,
        "system": texts.system,
        "user": texts.user,
        "examples": texts.examples_sha256,
        "schema": texts.schema.decode(),
        "instructions": texts.instructions,
        "body": json.dumps(recipe.body, separators=(",", ":")),
    }
    return json.dumps(shaping, sort_keys=True, separators=(",", ":")).encode("ascii")


def canonical_sha256(recipe: Recipe, texts: RecipeTexts) -> str:
    """Return the sha256 of `canonical` in hex: the recipe's part of a run's identity."""
    return hashlib.sha256(canonical(recipe, texts)).hexdigest()
