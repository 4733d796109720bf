"""A table in memory, as the readers of files make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.recipes.recipe import Prompt, Recipe, TableChoice
from runner.rules.recipes.recipe_identity import RecipeTexts
from runner.tables.table import Format, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.rules.table_faults import TableFault

SCHEMA: Final = (
    b'{"type":"object","properties":{"sentiment":{"type":"string","enum":["good","bad"]}},'
    b'"required":["sentiment"],"additionalProperties":false}'
)


class MemoryBatch:
    """Some rows."""

    def __init__(self, first: int, rows: Sequence[tuple[Any, ...]]) -> None:
        self.first = first
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, columns: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Yield some cells of each row."""
        return (tuple(row[column] for column in columns) for row in self.rows)


class MemoryTable:
    """A table of rows and faults, in batches of three."""

    def __init__(self, columns: Sequence[str], rows: Sequence[tuple[Any, ...] | TableFault]) -> None:
        self.format = Format.JSONL
        self.reading = ReadOptions(format=Format.JSONL)
        self.columns = tuple(columns)
        self.rows = rows
        self.sha256 = "0" * 64
        self.byte_count = 0

    def batches(self) -> Iterator[MemoryBatch | TableFault]:
        """Yield rows with their numbers, and faults in their place."""
        batch: list[tuple[Any, ...]] = []
        for number, row in enumerate(self.rows, 1):
            if isinstance(row, tuple):
                batch.append(row)
            if batch and (len(batch) == 3 or not isinstance(row, tuple) or number == len(self.rows)):
                yield MemoryBatch(number - len(batch) + isinstance(row, tuple), batch)
                batch = []
            if not isinstance(row, tuple):
                yield row


def recipe_with(*, choice: TableChoice | None = None, **prompt: Any) -> Recipe:
    """Return a recipe with one label; `prompt` are the fields of its prompt."""
    return Recipe(table=choice or TableChoice(), prompt=Prompt(**prompt), labels={"sentiment": "good|bad"})


def texts_of(recipe: Recipe, system: str = "You label.", schema: bytes = SCHEMA) -> RecipeTexts:
    """Return the texts of a recipe without files."""
    return RecipeTexts(
        model=recipe.prompt.model or "grok-4.3",
        system=recipe.prompt.system if recipe.prompt.system is not None else system,
        user=recipe.prompt.user,
        schema=schema,
        instructions="Answer with sentiment.",
    )
