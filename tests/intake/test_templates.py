"""Templates: what they may use, what is found before a row is read, and what is a fault of a row."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.intake.template_bounds import CHARACTERS_MAX
from runner.intake.template_source import Names, SourceFault
from runner.intake.templates import RenderError, RowCondition, RowTemplate, parse_condition, parse_template

COLUMNS = ("review", "stars", "odd name", "items", "meta", "tags", "cell")
NAMES = Names(COLUMNS, {"product": "lamp", "n": 3})
ROW: dict[str, Any] = {
    "review": "{{ 7*7 }} {% include 'x' %} </row>",
    "stars": None,
    "odd name": "odd",
    "items": 1.5,
    "meta": {"items": 3, "a": None},
    "tags": ["a", "ä"],
    "cell": "a column",
}


def template(source: str, names: Names = NAMES) -> RowTemplate:
    """Return a template without faults."""
    found = parse_template(source, "user", names)
    assert isinstance(found, RowTemplate), found
    return found


def source_faults(source: str) -> list[SourceFault]:
    """Return the faults of a source."""
    found = parse_template(source, "user", NAMES)
    assert isinstance(found, list)
    return found


def row_fault(source: str, row: dict[str, Any] = ROW) -> RenderError:
    """Return the error of rendering a row."""
    with pytest.raises(RenderError) as raised:
        template(source).render(row)
    return raised.value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ review }}", "{{ 7*7 }} {% include 'x' %} </row>"),
        ("{{ product }} {{ n }}", "lamp 3"),
        ('{{ cell["odd name"] }} {{ cell.items }} {{ cell["cell"] }}', "odd 1.5 a column"),
        ("{{ stars or '' }}|{{ meta['items'] }}", "|3"),
        ("{{ tags }} {{ tags|join('+') }}", '["a", "ä"] a+ä'),
        ("{% for tag in tags %}{{ loop.index }}{{ tag }} {% endfor %}", "1a 2ä "),
        ("{{ review|length }} {{ 'a' ~ n ~ items }} {{ '%.2f'|format(items) }}", "35 a31.5 1.50"),
        ("{% set x = items * 2 %}{{ x }} {{ 2 ** 10 }} {{ [1] + [2] }}", "3.0 1024 [1, 2]"),
        ("one\n", "one"),
    ],
)
def test_a_row_is_rendered_once_and_a_cell_is_data(source: str, text: str) -> None:
    """What is in a cell is never read as a template; lists are printed as JSON."""
    assert template(source).render(ROW) == text.replace("35", str(len(ROW["review"])))


def test_only_the_columns_that_are_named_are_read() -> None:
    """All of them where a name is computed."""
    assert template("{{ review }} {{ product }}").columns == ("review",)
    assert template('{{ cell["odd name"] }}{{ cell.items }}').columns == ("odd name", "items")
    assert template("{{ cell[product] or 1 }}").columns == COLUMNS
    assert template("no name").columns == ()


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("{{ review }}\n{{ review_x }}", 2, ('"review_x"', 'mean "review"')),
        ("{{ prduct }}", 1, ('mean "product"',)),
        ("\n\n{{ cell['od name'] }}", 3, ('"od name"', 'mean "odd name"')),
        ("{% if x %}{% endif %}", 1, ("there are: review, stars",)),
        ("a\n{% if %}", 2, ("Expected an expression",)),
        ("{{ review|tirm }}", 1, ("tirm",)),
        ("{{ review|random }}", 1, ("random",)),
        ("{{ lipsum() }}", 1, ('"lipsum"',)),
        ("{% include 'x' %}", 1, ('"include" is not available',)),
        ("{% extends 'x' %}", 1, ('"extends" is not available',)),
        ("{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}", 1, ("nested too deeply",)),
    ],
)
def test_a_fault_of_the_source_is_found_before_a_row_is_read(
    source: str, line: int, words: tuple[str, ...]
) -> None:
    """With its line, and a name that is near."""
    (fault,) = source_faults(source)
    assert fault.line == line
    assert all(word in str(fault) for word in words), str(fault)


def test_all_unknown_names_are_found_at_once() -> None:
    """In the order of their lines."""
    faults = source_faults("{{ a1 }}\n{{ cell.b2 }}\n{{ c3 }} {{ a1 }}")
    assert [(fault.line, fault.reason[-4:]) for fault in faults] == [(1, '"a1"'), (2, '"b2"'), (3, '"c3"')]


@pytest.mark.parametrize(
    ("source", "code", "column"),
    [
        ("{{ stars }}", "null-cell", "stars"),
        ("{{ review }}\n{{ stars }}", "null-cell", "stars"),
        ("{{ cell.stars }}", "null-cell", "stars"),
        ("{{ 'x' ~ stars }}", "null-cell", "stars"),
        ("{{ stars|trim }}", "null-cell", "stars"),
        ("{{ stars|default('x') }}", "null-cell", "stars"),
        ("{{ meta['a'] }}", "null-cell", None),
        ("{{ [none]|join }}", "null-cell", None),
        ("{{ meta.items }}", "not-text", None),
        ("{{ review.upper }}", "not-text", None),
        ("{{ cell }}", "not-text", None),
        ("{{ tags|map('upper') }}", "not-text", None),
        ("{{ meta.b }}", "template-error", None),
        ("{{ 1 / 0 }}", "template-error", None),
        ("{{ review.__class__ }}", "template-error", None),
        ("{{ review.format() }}", "template-error", None),
        ("{{ review|attr('format') }}", "template-error", None),
        ("{{ tags.append(1) }}", "template-error", None),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "template-error", None),
    ],
)
def test_what_cannot_be_printed_is_a_fault_of_the_row(source: str, code: str, column: str | None) -> None:
    """A null never becomes the word None."""
    fault = row_fault(source)
    assert (fault.code, fault.column) == (code, column)


@pytest.mark.parametrize("value", [float("nan"), [1, float("nan")], {"a": float("nan")}])
def test_a_nan_is_a_fault_as_a_null_is(value: Any) -> None:
    """Also within a list."""
    fault = row_fault("a\n{{ review }}", {**ROW, "review": value})
    assert (fault.code, fault.column) == ("null-cell", "review")
    assert "user, line 2" in fault.reason
    assert fault.fix == 'write {{ review or "" }} if an empty text is meant'


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10 ** 9 }}",
        "{{ 10 ** 9 * 'a' }}",
        "{{ 10 ** 10000 }}",
        "{{ 2 ** 4000 * 2 ** 4000 }}",
        "{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ 'b' * 1000 }}{% endfor %}",
        "{% set ns = namespace(x='aaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='aaaa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{{ ('a' * 9999).replace('a', 'b' * 9999) }}",
        "{{ '%99999d' % 1 }}",
        "{{ '%*d'|format(99999, 1) }}",
        "{{ review.ljust(99999) }}",
        "{{ review|center(99999) }}",
        "{{ [1]|batch(10 ** 9, 'x')|list }}",
        "{{ 'aaaa'|replace('a', 'b' * 10 ** 7) }}",
    ],
)
def test_an_endless_template_is_stopped(source: str) -> None:
    """Loops, operators and filters are bounded; the rest of the program goes on."""
    assert row_fault(source).code == "template-bound"


def test_the_steps_of_loops_are_counted_for_each_row() -> None:
    """A thousand rows with a loop each are no endless loop."""
    many = template("{% for a in range(9000) %}{% endfor %}{{ review }}")
    assert {many.render(ROW) for _ in range(120)} == {ROW["review"]}


def test_a_text_that_is_too_long_is_a_fault_of_the_row() -> None:
    """Also one that is only filled in."""
    assert row_fault("{{ review }}", {"review": "a" * (CHARACTERS_MAX + 1)}).code == "template-bound"


def test_a_column_may_have_the_name_of_a_function_of_templates() -> None:
    """The column is meant."""
    assert template("{{ range }}", Names(("range",), {})).render({"range": "0-9"}) == "0-9"


@given(
    st.lists(st.one_of(st.sampled_from(COLUMNS[:2]), st.text(string.printable.replace("{", "")))),
    st.fixed_dictionaries({name: st.one_of(st.text(), st.none(), st.integers()) for name in COLUMNS[:2]}),
)
def test_the_fast_way_gives_what_jinja_gives(parts: list[str], row: dict[str, Any]) -> None:
    """A template that only prints cells is filled without Jinja."""
    found = template("".join(f"{{{{ {part} }}}}" if part in COLUMNS else part for part in parts) + "#")
    assert found._plain is not None

    def outcome(render: Any) -> str:
        try:
            return str(render(row))
        except RenderError as error:
            return error.code

    assert outcome(found.render) == outcome(found._run)


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("review|trim", True),
        ("stars", False),
        ("stars is none and items > 1", True),
        ("cell['odd name'] == 'odd'", True),
        ("tags|length > 2 or not n", False),
        ("''", False),
        ("range(2)|list", True),
    ],
)
def test_a_condition_is_an_expression(source: str, holds: bool) -> None:
    """An empty text and 0 are false."""
    found = parse_condition(source, "where", NAMES)
    assert isinstance(found, RowCondition)
    assert found.holds(ROW) is holds


@pytest.mark.parametrize(
    "source", ["", "a b", "revie", "x %}{{ review }}{% if y", "review #", "'a' if", "1 }}"]
)
def test_what_is_no_expression_is_a_fault(source: str) -> None:
    """A condition cannot become statements."""
    assert isinstance(parse_condition(source, "where", NAMES), list)


def test_a_condition_on_a_null_is_a_fault_of_the_row() -> None:
    """`None|trim` would be the word None, which is true."""
    found = parse_condition("stars|trim", "where", NAMES)
    assert isinstance(found, RowCondition)
    with pytest.raises(RenderError) as raised:
        found.holds(ROW)
    assert raised.value.reason.startswith("where, line 1")


def test_a_name_that_only_differs_in_case_is_suggested() -> None:
    """`Review` for `review`."""
    assert 'mean "review"' in str(source_faults("{{ REVIEW }}")[0])
