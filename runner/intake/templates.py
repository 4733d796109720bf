"""Templates of prompts, and expressions that choose rows: parsed once, rendered for each row.

Columns are variables; `cell["any name"]` reaches those whose name is no word. A cell is data and never parsed
as a template. Unknown names, filters and syntax errors are found before a row is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import nodes
from jinja2.exceptions import TemplateError

from runner.intake.sandbox import NotTextError, NullError, cell_text
from runner.intake.template_bounds import CHARACTERS_MAX, BoundError
from runner.intake.template_source import (
    CELL,
    Names,
    SourceFault,
    Used,
    environment,
    printed_column,
    read_source,
    short_message,
    source_faults,
    syntax_fault,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType


BOUND: Final = "template-bound"  # the code of a row for which a template would compute too much


class RenderError(Exception):
    """A row cannot be rendered. `column` is the null one, where a null is the cause."""

    def __init__(self, code: str, reason: str, fix: str, column: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.fix = fix
        self.column = column


class Cells:
    """The cells of a row by the names of their columns. It has no method that hides a column."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        """Return a cell. Raises KeyError for an unknown column."""
        return self._values[name]


class RowTemplate:
    """A template whose names are known. `columns` are those that it reads, in the table's order."""

    def __init__(self, source: str, title: str, names: Names, used: Used) -> None:
        """Compile; `title` names the template in errors. Made by `parse_template`."""
        self._template = environment.from_string(source)
        self._render_parts = self._template.root_render_func
        self._title = title
        shared = {**environment.globals, **names.constants}
        self._shared = {name: shared[name] for name in shared if name in used.variables}
        self.columns = tuple(column for column in names.columns if column in used.columns)
        self._variables = tuple(column for column in self.columns if column in used.variables)
        self._has_cells = used.has_cells
        self._plain = _plain_text(used.tree, frozenset(self.columns))

    def render(self, row: Mapping[str, Any]) -> str:
        """Return the text for a row, which maps at least `columns` to cells. Raises RenderError."""
        text = None if self._plain is None else self._plain.fill(row)
        return self._run(row) if text is None else text

    def _run(self, row: Mapping[str, Any]) -> str:
        variables = self._shared.copy()
        for name in self._variables:
            variables[name] = row[name]
        if self._has_cells:
            variables[CELL] = Cells(row)
        environment.restart()
        try:
            context = self._template.new_context(variables, shared=True)
            return _joined(self._render_parts(context))
        except Exception as error:  # a template may raise whatever its operators raise
            raise self._render_error(error, row) from error

    def _render_error(self, error: Exception, row: Mapping[str, Any]) -> RenderError:
        place = f"{self._title}, line {self._line_of(error.__traceback__)}"
        if isinstance(error, NullError):
            column = next((name for name in self.columns if _is_null(row[name])), None)
            fix = f'write {{{{ {_as_name(column or "value")} or "" }}}} if an empty text is meant'
            return RenderError("null-cell", f"{place}: {error}", fix, column)
        if isinstance(error, BoundError):
            return RenderError(BOUND, f"{place}: {error}", "make the template smaller")
        if isinstance(error, NotTextError):
            return RenderError("not-text", f"{place}: {error}", "print a value")
        reason = f"{place}: {short_message(error)}"
        return RenderError("template-error", reason, _cure(error))

    def _line_of(self, traceback: TracebackType | None) -> int:
        line = 1
        while traceback is not None:
            if traceback.tb_frame.f_globals.get("__jinja_template__") is self._template:
                line = self._template.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


class PlainText(NamedTuple):
    """A template that only prints cells: texts with gaps, filled three times faster than Jinja does."""

    texts: list[str]
    gaps: list[tuple[int, str]]  # the places in `texts` that cells go to, and their columns

    def fill(self, row: Mapping[str, Any]) -> str | None:
        """Return the text for a row; None where a cell cannot be printed, or the text would be too long."""
        texts = self.texts.copy()
        try:
            for place, column in self.gaps:
                value = row[column]
                texts[place] = value if type(value) is str else cell_text(value)
        except (NullError, NotTextError):
            return None
        text = "".join(texts)
        return text if len(text) <= CHARACTERS_MAX else None


class RowCondition:
    """An expression that is true or false for a row, with the rules of truth of Jinja: "" and 0 are false."""

    def __init__(self, template: RowTemplate) -> None:
        self._template = template
        self.columns = template.columns

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Return whether it is true for a row. Raises RenderError."""
        return bool(self._template.render(row))


def parse_template(source: str, title: str, names: Names) -> RowTemplate | list[SourceFault]:
    """Return the template, or its faults: a syntax error, or all names that are no column and no constant.

    `title` names it in the errors of rows.
    """
    try:
        used = read_source(source, names.columns)
        faults = sorted(source_faults(used, names))
        return faults or RowTemplate(source, title, names, used)
    except TemplateError as error:
        return [syntax_fault(error)]
    except RecursionError:
        return [SourceFault(1, "it is nested too deeply", "make it simpler")]


def parse_condition(source: str, title: str, names: Names) -> RowCondition | list[SourceFault]:
    """Return the expression as a condition, or its faults, as `parse_template` does."""
    try:
        environment.compile_expression(source)
    except TemplateError as error:
        return [_as_condition(syntax_fault(error))]
    except RecursionError:
        return [SourceFault(1, "it is nested too deeply", "make it simpler")]
    found = parse_template(f"{{% if {source}\n%}}1{{% endif %}}", title, names)
    return found if isinstance(found, list) else RowCondition(found)


def _cure(error: Exception) -> str:
    message = str(error)
    if isinstance(error, TypeError) and "'str'" in message and ("'int'" in message or "'float'" in message):
        return "a cell of a CSV is text: write NAME|int or NAME|float for its number"
    return "correct the template, or the cells that it reads"


def _as_condition(fault: SourceFault) -> SourceFault:
    """Return a syntax error in words for an expression, which is not a template to people."""
    reason = fault.reason.replace("chunk after expression", "there is more after its end")
    reason = reason.replace("end of template", "end of the expression")
    return fault._replace(reason=reason, fix="write it like stars|int < 3, with == for equal")


def _joined(parts: Iterator[str]) -> str:
    kept: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > CHARACTERS_MAX:
            raise BoundError(f"the text is longer than {CHARACTERS_MAX >> 20} million characters")
        kept.append(part)
    return "".join(kept)


def _is_null(value: object) -> bool:
    try:
        cell_text(value)
    except NullError:
        return True
    except NotTextError:
        return False
    return False


def _as_name(column: str) -> str:
    return column if column.isidentifier() else f'{CELL}["{column}"]'


def _plain_text(tree: nodes.Template, columns: frozenset[str]) -> PlainText | None:
    """Return a template that only prints cells of these columns as such; None for any other."""
    plain = PlainText([], [])
    for output in tree.body:
        for node in output.nodes if isinstance(output, nodes.Output) else (output,):
            if isinstance(node, nodes.TemplateData):
                plain.texts.append(node.data)
                continue
            column = printed_column(node)
            if column not in columns:
                return None
            plain.gaps.append((len(plain.texts), column))
            plain.texts.append("")
    return plain
