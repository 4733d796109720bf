"""The flags of a command as a recipe, or over one: what a flag says replaces what the recipe says."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.errors import UsageError
from runner.rules.os_text import is_text
from runner.rules.recipes.recipe import FILE_PREFIX, Ask, Out, Prompt, Recipe, TableChoice, is_code

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELD: Final = re.compile(r"[^;\n]+")  # as the label language separates fields
_FILE_NAME: Final = re.compile(r"[^\s{}]+\.(?:j2|jinja2?|md|prompt|text|txt|tmpl)", re.IGNORECASE)
_WITHOUT_COLON: Final = re.compile(r"([^\W_]\w*\??)(?:\s*[=\uff1a]\s*|\s+)(\S.*)")
_NAME_CHARACTERS_MAX: Final = 4_096  # no path is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFlags:
    """The flags that make a recipe, as typed; None and () are not given.

    `trust_code`: run the code that a recipe file names.
    """

    table: str | None = None
    id: str | None = None
    text: str | None = None
    user: str | None = None
    system: str | None = None
    labels: tuple[str, ...] = ()
    schema: str | None = None
    examples: str | None = None
    image: str | None = None
    where: str | None = None
    sample: int | None = None
    seed: int | None = None
    limit: int | None = None
    constants: tuple[str, ...] = ()
    model: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    reask: int | None = None
    repair: bool | None = None
    output: str | None = None
    columns: tuple[str, ...] | None = None
    prefix: str | None = None
    trust_code: bool = False


class FlagPaths(NamedTuple):
    """How paths in flags are looked up: whether a file is there, and how the recipe is to write its path."""

    is_file: Callable[[str], bool]
    written: Callable[[str], str] = str


def recipe_of_flags(flags: RecipeFlags, paths: FlagPaths, base: Recipe | None = None) -> Recipe:
    """Return the recipe that flags make, over that of a file where there is one.

    Raises UsageError with the faults of all flags.
    """
    faults = [*_unreadable(flags)]
    labels = _pairs(flags.labels, ":", "--labels", '"sentiment: positive|neutral|negative"', faults)
    constants = _pairs(flags.constants, "=", "--set", "product=lamp", faults)
    _exclusive(flags, faults)
    faults += _missing_files(flags, paths)
    if faults:
        what = faults[0] if len(faults) == 1 else "some flags cannot be used together or are not readable"
        raise UsageError(what, where=tuple(faults[1:] and faults), fix="correct them; nothing was sent")
    base = base or Recipe()
    return replace(
        base,
        table=_table(base.table, flags, paths),
        prompt=_prompt(base.prompt, flags, paths, constants),
        labels=labels or ({} if flags.schema is not None else base.labels),
        schema=_schema(flags.schema, paths) or (None if labels else base.schema),
        ask=_ask(base.ask, flags),
        out=_out(base.out, flags, paths),
    )


def _table(base: TableChoice, flags: RecipeFlags, paths: FlagPaths) -> TableChoice:
    return TableChoice(
        file=_written(flags.table, paths) or base.file,
        id=flags.id or base.id,
        where=flags.where if flags.where is not None else base.where,
        sample=flags.sample if flags.sample is not None else base.sample,
        seed=flags.seed if flags.seed is not None else base.seed,
        limit=flags.limit if flags.limit is not None else base.limit,
        encoding=flags.encoding or base.encoding,
        delimiter=flags.delimiter.replace("\\t", "\t") if flags.delimiter else base.delimiter,
    )


def _prompt(base: Prompt, flags: RecipeFlags, paths: FlagPaths, constants: dict[str, str]) -> Prompt:
    user = _file_or_text(flags.user, paths)
    return Prompt(
        model=flags.model or base.model,
        system=base.system if flags.system is None else _file_or_text(flags.system, paths),
        user=user if user is not None else None if flags.text is not None else base.user,
        text=flags.text if flags.text is not None else None if user is not None else base.text,
        image=flags.image or base.image,
        examples=_written(flags.examples, paths) or base.examples,
        constants={**base.constants, **constants},
    )


def _ask(base: Ask, flags: RecipeFlags) -> Ask:
    return Ask(
        reask=base.reask if flags.reask is None else flags.reask,
        repair=base.repair if flags.repair is None else flags.repair,
    )


def _out(base: Out, flags: RecipeFlags, paths: FlagPaths) -> Out:
    return Out(
        file=_written(flags.output, paths) or base.file,
        columns=base.columns if flags.columns is None else flags.columns,
        prefix=base.prefix if flags.prefix is None else flags.prefix,
    )


def _schema(given: str | None, paths: FlagPaths) -> str | None:
    return given if given is None or is_code(given) else paths.written(given)


def _written(path: str | None, paths: FlagPaths) -> str | None:
    return None if path is None else paths.written(path)


def _file_or_text(given: str | None, paths: FlagPaths) -> str | None:
    """Return the name of a file, as `file:NAME`, where it is one; else the text itself."""
    if given is None or "\n" in given or "{{" in given or len(given) > _NAME_CHARACTERS_MAX:
        return given
    name = given.removeprefix(FILE_PREFIX)
    if given.startswith(FILE_PREFIX) or (name and paths.is_file(name)):
        return FILE_PREFIX + paths.written(name)
    return given


def _pairs(texts: tuple[str, ...], mark: str, flag: str, example: str, faults: list[str]) -> dict[str, str]:
    """Return the names and values of a flag that may be given several times, and on several lines."""
    lines = [line for text in texts for line in (_FIELD.findall(text) if mark == ":" else [text])]
    found: dict[str, str] = {}
    for line in filter(str.strip, lines):
        name, is_pair, value = line.partition(mark)
        name = name.strip()
        if not is_pair or not name:
            faults.append(_no_pair(line.strip(), mark, flag, example))
        elif name in found:
            faults.append(f'{flag} gives "{name}" twice; keep one of them')
        else:
            found[name] = value.strip() if mark == ":" else value
    return found


def _no_pair(line: str, mark: str, flag: str, example: str) -> str:
    """Return what is wrong with a text that has no mark, or no name before it."""
    if mark in line:
        return f'{flag} "{line}" has no name before its "{mark}"; write {flag} {example}'
    meant = _with_colon(line) if mark == ":" else ""
    cure = f'did you mean {flag} "{meant}"?' if meant else f"write {flag} {example}"
    return f'{flag} "{line}" has no "{mark}" after its name; {cure}'


def _with_colon(line: str) -> str:
    """Return a label whose colon is missing, or is another mark, as it was probably meant; else ""."""
    found = _WITHOUT_COLON.fullmatch(line)
    return f"{found[1]}: {found[2]}" if found else ""


def _missing_files(flags: RecipeFlags, paths: FlagPaths) -> list[str]:
    """Return a sentence for each text that is the name of a file which is not there."""
    given = (("--user", flags.user), ("--system", flags.system))
    return [
        f"{flag}: there is no file {text}; check the path, or write the text itself"
        for flag, text in given
        if text is not None
        and _FILE_NAME.fullmatch(text)
        and not text.startswith(FILE_PREFIX)  # it says so when it is read
        and not paths.is_file(text)
    ]


def _exclusive(flags: RecipeFlags, faults: list[str]) -> None:
    if flags.text is not None and flags.user is not None:
        faults.append("--text and --user exclude each other; --text COL is a ready prompt, --user a template")
    if flags.labels and flags.schema is not None:
        faults.append("--labels and --schema exclude each other; keep one of them")


def _unreadable(flags: RecipeFlags) -> list[str]:
    """Return a sentence for each flag that is not valid UTF-8; a request cannot hold it."""
    faults = []
    for name in RecipeFlags.__dataclass_fields__:
        value = getattr(flags, name)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not is_text(text):
                flag = {"constants": "set", "output": "output", "table": "table"}.get(name, name)
                faults.append(f"the value of --{flag} is not UTF-8; write it in UTF-8, or put it into a file")
    return faults
