"""The environment in which templates of people run: Jinja's immutable sandbox, strict, and bounded.

Rendering is deterministic: nothing in it is random, reads a file, a clock or another template. Loops,
operators and filters that could grow without end raise BoundError.
"""

from __future__ import annotations

import functools
import json
import math
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from runner.intake.template_bounds import (
    BoundError,
    check_arguments,
    check_bits,
    check_extent,
    check_format,
    check_joined,
    check_method,
    check_product,
    check_replace,
    check_size,
    length,
    length_or_number,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2.runtime import Context

_STEPS_MAX: Final = 1_000_000  # of all loops of one rendering
_REMOVED_GLOBALS: Final = ("lipsum", "cycler", "joiner")
_REMOVED_FILTERS: Final = ("random", "pprint", "urlize", "xmlattr")
_OF_TEXT: Final = frozenset(  # filters that would read a null as the word None
    (
        *(
            "capitalize",
            "center",
            "e",
            "escape",
            "forceescape",
            "format",
            "indent",
            "lower",
            "replace",
            "safe",
        ),
        *("string", "striptags", "title", "trim", "truncate", "upper", "urlencode", "wordcount", "wordwrap"),
    )
)
_WITH_NUMBERS: Final = frozenset({"batch", "center", "indent", "round", "slice", "tojson", "truncate"})
_FORMATTING: Final = frozenset({"format", "format_map"})
_TEXT_TYPES: Final = (str, int, float, Decimal, date, time)
_STEP: Final = "_count_step"
_CONCAT: Final = "_joined"


class NullError(TemplateRuntimeError):
    """A null or NaN would be printed."""


class NotTextError(TemplateRuntimeError):
    """What would be printed has no text, such as a method or bytes."""


def cell_text(value: Any) -> str:
    """Return a value as it is printed: text as it is, numbers as Python does, lists and objects as JSON.

    Raises NullError for None and NaN, NotTextError for what is no value of a table.
    """
    if type(value) is str:
        return value
    if value is None:
        raise NullError("the value is null")
    if isinstance(value, float | Decimal) and math.isnan(value):
        raise NullError("the value is NaN")
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    if isinstance(value, list | tuple | dict):
        return _as_json(value)
    if isinstance(value, StrictUndefined):
        return str(value)  # raises UndefinedError
    raise NotTextError(f"this has no text: it is {_kind(value)}")


def _as_json(value: Any) -> str:
    check_extent(value)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=cell_text)
    except ValueError as error:
        raise NullError("a list or an object holds NaN") from error


def _kind(value: Any) -> str:
    if isinstance(value, bytes):
        return "bytes"
    if callable(value):
        return 'a method or function; a key of that name is reached as value["name"]'
    return f"of the type {type(value).__name__}; a sequence is printed with |list or |join"


class SandboxEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox; `restart` is called before each rendering, because loops are counted over all of it."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=cell_text, autoescape=False)
        self._steps = 0
        for name in _REMOVED_GLOBALS:
            del self.globals[name]
        for name in _REMOVED_FILTERS:
            del self.filters[name]
        for name in (*_OF_TEXT, *_WITH_NUMBERS, "join"):
            self.filters[name] = _bounded(name, self.filters[name])
        # filters, because the sandbox takes thirty times as long to call a function
        self.filters[_STEP] = self._count_step
        self.filters[_CONCAT] = _joined

    def restart(self) -> None:
        """Count the steps of loops from zero."""
        self._steps = 0

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return the result of an operator. Raises BoundError if it would be too large."""
        if operator == "%" and isinstance(left, str):
            check_format(left, right)
        elif operator == "+":
            check_size(length(left) + length(right))
        elif operator == "*":
            check_product(left, right)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            check_bits(left.bit_length() * max(right, 0))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 - Jinja's signature
        """Call a method or a function. Raises BoundError for a text's widths and counts if they are large."""
        if isinstance(getattr(__obj, "__self__", None), str):
            check_arguments(args)
            check_method(__obj.__self__, __obj.__name__, args)
        return super().call(__context, __obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return None. Raises SecurityError for `str.format`, since a cell could be the format."""
        if getattr(value, "__name__", "") in _FORMATTING and isinstance(
            getattr(value, "__self__", None), str
        ):
            raise SecurityError("format is not available on a text; write ~ to join values")
        return None

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Parse, with a counted step in each loop, and `~` as a call that refuses nulls."""
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            count = nodes.Filter(nodes.Const(0), _STEP, [], [], None, None)
            loop.body.insert(0, nodes.ExprStmt(count).set_lineno(loop.lineno))
        _Concats().visit(tree)
        tree.set_environment(self)
        return tree

    @pass_context  # so that it is not computed once, when the template is compiled
    def _count_step(self, _context: Context, _value: int) -> None:
        self._steps += 1
        if self._steps > _STEPS_MAX:
            raise BoundError(f"the loops take more than {_STEPS_MAX:,} steps")


class _Concats(NodeTransformer):
    """Replaces `a ~ b`, which would print a null as the word None."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's naming
        self.generic_visit(node)
        first, *others = node.nodes
        joined = nodes.Filter(first, _CONCAT, others, [], None, None)
        return joined.set_lineno(node.lineno, override=True)


def _joined(*values: Any) -> str:
    texts = [cell_text(value) for value in values]
    check_size(sum(map(len, texts)))
    return "".join(texts)


def _bounded(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that refuses nulls where it reads text, and arguments that are too large."""
    passes = hasattr(apply, "jinja_pass_arg")  # the environment or a context comes before the value

    @functools.wraps(apply)
    def checked(*args: Any, **kwargs: Any) -> Any:
        value, others = args[passes], args[passes + 1 :]
        if name in _OF_TEXT and not isinstance(value, StrictUndefined):
            cell_text(value)
        if name == "join":
            args = (*args[:passes], [_not_null(one) for one in value], *others)
            check_joined(text_of(others[0]) if others else "", args[passes])
        elif name == "format":
            check_format(str(value), others)
        elif name == "indent":
            check_size(str(value).count("\n") * max([0, *map(length_or_number, others)]))
        elif name == "wordwrap":
            check_size(len(str(value)) * max([1, *map(length, (*others, *kwargs.values()))]))
        elif name == "tojson":
            check_extent(value)
        elif name == "replace":
            check_replace(str(value), *others[:2])
        check_arguments((*others, *kwargs.values()))
        return apply(*args, **kwargs)

    return checked


def _not_null(value: Any) -> Any:
    if value is None:
        raise NullError("a value of the list is null")
    return value
