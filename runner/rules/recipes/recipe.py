"""A recipe: how the rows of a table become requests, and what is done with their answers.

It is made from a recipe file (`recipe_file.py`), from the flags of a command, or from both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from runner.rules.errors import UsageError, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION: Final = 1
REASK_DEFAULT: Final = 2
REASK_MAX: Final = 5
FILE_PREFIX: Final = "file:"  # a text that begins with it names the file that holds the text
FAULTS_SHOWN: Final = 20
_SUITE_KEYS: Final = frozenset({"subject", "grader", "gate", "items"})

Constant: TypeAlias = str | int | float | bool
JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue]"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChoice:
    """The table and which of its rows are sent. `sample` is taken of what `where` leaves, then `limit`."""

    file: str | None = None
    id: str | None = None  # the column with the ids of the jobs
    where: str | None = None  # a template expression
    sample: int | None = None
    seed: int | None = None
    limit: int | None = None
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is asked. `system` and `user` are templates; `text` and `image` are names of columns."""

    model: str | None = None
    system: str | None = None
    user: str | None = None
    text: str | None = None  # instead of `user`: the cell is the prompt
    image: str | None = None
    examples: str | None = None  # a path
    constants: Mapping[str, Constant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is done with an answer that does not fit the labels."""

    reask: int = REASK_DEFAULT  # how often it is asked for again
    repair: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """What is written. `columns` are those beside the labels, `prefix` begins the name of each added one."""

    file: str | None = None
    columns: tuple[str, ...] = ()
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole recipe; paths are as written. One of `labels` and `schema` is given, and one of user and text.

    `labels` maps fields to their definitions in the label language, in their order; `schema` is a path, or
    `module:Class`; `body` has further fields of the request.
    """

    table: TableChoice = TableChoice()
    prompt: Prompt = Prompt()
    labels: Mapping[str, str] = field(default_factory=dict)
    schema: str | None = None
    ask: Ask = Ask()
    body: Mapping[str, JsonValue] = field(default_factory=dict)
    out: Out = Out()

    @property
    def labels_text(self) -> str:
        """Return the labels in the label language, one field a line."""
        return "\n".join(f"{name}: {definition}" for name, definition in self.labels.items())


class RecipeFault(NamedTuple):
    """One fault of a recipe. `key` leads to it, like `prompt.user`; "" is the recipe as a whole."""

    key: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}; {self.fix}" if self.key else f"{self.reason}; {self.fix}"


class RecipeError(UserError):
    """A recipe, or a file that it names, cannot be used (exit 3)."""

    exit_code = 3


def is_suite_table(table: Mapping[str, object]) -> bool:
    """Return whether the tables of a TOML file are those of a suite of an evaluation, not of a recipe."""
    return "recipe" not in table and bool(_SUITE_KEYS & table.keys())


def is_code(schema: str) -> bool:
    """Return whether a schema is `module:Class`, a class of code, and no path of a file."""
    module, colon, name = schema.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))


def error_of_faults(title: str | None, faults: Sequence[RecipeFault], kind: str = "recipe") -> UserError:
    """Return the error of a recipe, or a file of another kind, with all its faults, the first ones in words.

    `title` names the file; None is a recipe of flags alone, whose error names the flags (exit 2).
    """
    shown = faults[:FAULTS_SHOWN]
    if title is None:
        shown = [fault._replace(key=_flag_of(fault.key)) for fault in shown]
    lines = [str(fault) for fault in shown]
    if len(faults) > FAULTS_SHOWN:
        lines.append(f"… and {len(faults) - FAULTS_SHOWN:,} more")
    if title is None:
        return UsageError("the flags make no requests", where=tuple(lines), fix="correct the flags")
    what = f"{title} is no {kind} that can be used"
    return RecipeError(what, where=tuple(lines), fix=f"correct the {kind}; nothing was sent")


def _flag_of(key: str) -> str:
    """Return the flag that means a key, such as --where for `table.where`; other keys stay."""
    section, _, rest = key.partition(".")
    if section in ("labels", "schema"):
        return f"--{section}" + (f" {rest}" if rest else "")
    name, _, inner = rest.partition(".")
    if section not in ("table", "prompt") or not name:
        return key
    return f"--{name} {inner}" if inner else f"--{name}"


def recipe_faults(recipe: Recipe) -> list[RecipeFault]:
    """Return what is missing in a recipe, or contradicts itself; flags must have been applied."""
    faults = [*_prompt_faults(recipe.prompt), *_label_faults(recipe)]
    if recipe.table.seed is not None and recipe.table.sample is None:
        faults.append(
            RecipeFault("table.seed", "there is a seed, but no sample", "give a sample as well, or no seed")
        )
    return faults


def _prompt_faults(prompt: Prompt) -> list[RecipeFault]:
    if prompt.user is not None and prompt.text is not None:
        reason = "user and text are both given"
        return [RecipeFault("prompt.user", reason, "keep user for a template, or text for a column")]
    if prompt.user is None and prompt.text is None:
        reason = "there is no prompt"
        fix = "text names a column that holds the prompt, user is a template like {{ review }}"
        return [RecipeFault("prompt", reason, fix)]
    return []


def _label_faults(recipe: Recipe) -> list[RecipeFault]:
    if recipe.labels and recipe.schema is not None:
        reason = "labels and schema are both given"
        return [RecipeFault("schema", reason, "keep one of them")]
    if not recipe.labels and recipe.schema is None:
        fix = "give labels, like sentiment: positive|neutral|negative, or schema with a file or module:Class"
        return [RecipeFault("labels", "there are no labels", fix)]
    return []
