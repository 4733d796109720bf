"""What the source of a template refers to, and what is wrong with it, before a row is read."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import meta, nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError

from runner.intake.sandbox import SandboxEnvironment
from runner.rules.counted import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CELL: Final = "cell"  # the name of the object that has all columns
environment: Final = SandboxEnvironment()
_tracking: Final = SandboxEnvironment()  # without globals, so that a column may have the name of one
_tracking.globals.clear()
_FOREIGN: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block)
_MESSAGE_CHARACTERS_MAX: Final = 200
_LISTED: Final = 12


class SourceFault(NamedTuple):
    """What is wrong with the source of a template; `line` counts from 1."""

    line: int
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}; {self.fix}"


class Names(NamedTuple):
    """The names that a template may use."""

    columns: Sequence[str]
    constants: Mapping[str, Any]


class Used(NamedTuple):
    """What a template refers to."""

    tree: nodes.Template
    variables: frozenset[str]
    columns: frozenset[str]
    has_cells: bool


def read_source(source: str, columns: Sequence[str]) -> Used:
    """Return what a template refers to. Raises TemplateError where it cannot be parsed."""
    tree = environment.parse(source)
    tree.set_environment(_tracking)
    variables = frozenset(meta.find_undeclared_variables(tree))
    has_cells = CELL in variables
    by_name = _cell_names(tree) if has_cells else frozenset()
    read = (variables - {CELL}) | (frozenset(columns) if by_name is None else by_name)
    return Used(tree, variables - {CELL}, read, has_cells)


def _cell_names(tree: nodes.Template) -> frozenset[str] | None:
    """Return the columns that are read as `cell["name"]`; None where a name is computed: all may be read."""
    by_name = dict(_cell_reads(tree))
    reads = [node for node in tree.find_all(nodes.Name) if node.name == CELL]
    direct = sum(1 for _ in _cell_reads(tree))
    return frozenset(by_name) if direct == len(reads) else None


def _cell_reads(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Yield the name and line of each read of a cell by a fixed name."""
    for node in tree.find_all((nodes.Getitem, nodes.Getattr)):
        name = _cell_name(node)
        if name is not None:
            yield name, node.lineno


def _cell_name(node: nodes.Node) -> str | None:
    """Return the column of `cell["name"]` or `cell.name`; None for any other expression."""
    match node:
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(column))):
            return column if name == CELL else None
        case nodes.Getattr(node=nodes.Name(name=name), attr=column):
            return column if name == CELL else None
    return None


def source_faults(used: Used, names: Names) -> Iterator[SourceFault]:
    """Yield a fault for each unknown name, and for each statement that would read another template."""
    for node in used.tree.find_all(_FOREIGN):
        reason = f'"{type(node).__name__.lower()}" is not available: a template is one text'
        yield SourceFault(node.lineno, reason, "write its text here")
    known = {*names.columns, *names.constants}
    lines = _first_lines(used.tree)
    for name in sorted(used.variables - known - set(environment.globals)):
        yield SourceFault(lines.get(name, 1), f'there is no column "{name}"', _suggestion(name, names))
    for name, line in dict(_cell_reads(used.tree)).items() if used.has_cells else ():
        if name not in names.columns:
            yield SourceFault(line, f'there is no column "{name}"', _suggestion(name, names))


def printed_column(node: nodes.Node) -> str:
    """Return the column that an expression is the cell of; "" for any other expression."""
    if isinstance(node, nodes.Name):
        return "" if node.name == CELL else node.name
    return _cell_name(node) or ""


def _first_lines(tree: nodes.Template) -> dict[str, int]:
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        lines[node.name] = min(node.lineno, lines.get(node.name, node.lineno))
    return lines


def _suggestion(name: str, names: Names) -> str:
    return column_suggestion(name, [*names.columns, *names.constants])


def column_suggestion(name: str, columns: Sequence[str]) -> str:
    """Return how to go on where there is no column of this name: a name that is near, or what there is."""
    near = get_close_matches(name, columns, n=1) or [one for one in columns if one.lower() == name.lower()]
    if near:
        return f'did you mean "{near[0]}"?'
    return f"there are: {listed(columns, _LISTED)}" if columns else "the table has no columns"


def syntax_fault(error: TemplateError) -> SourceFault:
    """Return an error of Jinja as a fault."""
    line = error.lineno if isinstance(error, TemplateSyntaxError) else 1
    return SourceFault(line, short_message(error).rstrip("."), "correct the template")


def short_message(error: Exception) -> str:
    """Return the message of an error, shortened; its type where it has none."""
    text = (error.message if isinstance(error, TemplateError) else str(error)) or type(error).__name__
    return text if len(text) <= _MESSAGE_CHARACTERS_MAX else f"{text[: _MESSAGE_CHARACTERS_MAX - 1]}…"
