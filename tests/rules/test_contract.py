"""What an answer must be: valid and repaired ones with their labels, all others with why they are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_strategies import fitting_answers, label_fields

from runner.rules.errors import UsageError
from runner.rules.labels.answer_schema import answer_schema, schema_bytes
from runner.rules.labels.contract import CheckedAnswer, Contract
from runner.rules.labels.contract_errors import ERROR_CHARACTERS_MAX
from runner.rules.labels.label_field import LabelKind
from runner.rules.labels.label_language import parse_labels

if TYPE_CHECKING:
    from pathlib import Path

    from runner.rules.labels.label_field import LabelField


def contract(text: str, *, repairs: bool = True) -> Contract:
    """Return the contract of labels in the short language."""
    return Contract(schema_bytes(answer_schema(parse_labels(text, lambda _name: []).fields)), repairs=repairs)


N = contract("n: number")
TEXT = contract("a: text")
GOOD = '{"n": 12}'


@pytest.mark.parametrize(
    ("content", "repair"),
    [
        (GOOD, None),
        (f"  {GOOD}\r\n", None),
        (f"\ufeff{GOOD}", None),
        (f"```json\n{GOOD}\n```", "fence"),
        (f"```\r\n{GOOD}\r\n```\n", "fence"),
        (f"  ```JSON\n\n  {GOOD}\n  ```  ", "fence"),
        ('```json\n{\n  "n": 12\n}\n```', "fence"),
        (f"The answer is {GOOD}.", "prose"),
        (f'He said "yes": {GOOD}', "prose"),
        (f"It's {GOOD}", "prose"),
        (f"Note [1] {GOOD} [2].", "prose"),
        (f"Here:\n```json\n{GOOD}\n```\nI hope it helps.", "prose"),
        (f"```json\nThe answer: {GOOD}\n```", "prose"),
        (f"```json {GOOD} ```", "prose"),
    ],
)
def test_a_good_answer_may_have_text_around_its_only_object(content: str, repair: str | None) -> None:
    """Each repair has its name; a byte order mark and white space are none."""
    assert N.check(content) == CheckedAnswer({"n": 12.0}, repair=repair)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ("yes (not no)", "the answer has no JSON object"),
        ('{"n": 12', "the JSON object is not closed"),
        ('{"n": 12, "m": "}', "the JSON object is not closed"),
        ('```json\n{"n": 12', "the JSON object is not closed"),
        ('The answer is {"n": 12', "the JSON object is not closed"),
        (GOOD + GOOD, "the answer has more than one JSON object, or other text with braces"),
        (f'Answer: {GOOD} (not {{"n": 13}})', "the answer has more than one JSON object"),
        (f'{GOOD} and {{"n": 1', "the answer has more than one JSON object"),
        (f"{{x}} {GOOD}", "the answer has more than one JSON object"),
        (f"{GOOD} }}", "the answer has more than one JSON object"),
        (f"}} {GOOD}", "the answer has more than one JSON object"),
        (f"[{GOOD}]", "the answer is JSON, but not an object"),
        (f"Result: [{GOOD}]", "the JSON object is in a list"),
        (f"Result: [ {GOOD}, 1", "the JSON object is in a list"),
        ("[1]", "the answer is JSON, but not an object"),
        ("12", "the answer is JSON, but not an object"),
        ("null", "the answer is JSON, but not an object"),
        (json.dumps(GOOD), "the answer is JSON, but not an object"),
        ('{"n": 12,}', "the JSON object is not valid: "),
        ("{'n': 12}", "the JSON object is not valid: "),
        ("so: {n: 12}", "the JSON object is not valid: "),
        ('{"n": 0x1}', "the JSON object is not valid: "),
        ('{"n": NaN}', "NaN is not a number that JSON can hold"),
        ('{"n": -Infinity}', "-Infinity is not a number"),
        ('{"n": 1e400}', "1e400 is not a number"),
        ('so: {"n": NaN}', "NaN is not a number"),
        ('{"n": 1, "n": 2}', 'the key "n" is written twice'),
        ('{"n": 1, "\\u006e": 2}', 'the key "n" is written twice'),
        ('{"n": 1, "n": 1}', 'the key "n" is written twice'),
        ('so: {"n": {"m": 1, "m": 2}}', 'the key "m" is written twice'),
        ('{"n": "12"}', 'n: expected a number, got "12"'),
        ('{"n": true}', "n: expected a number, got true"),
        ('{"n": null}', "n: expected a number, got null"),
        ('{"n": [1]}', "n: expected a number, got a list"),
        ('{"n": {"n": 1}}', "n: expected a number, got an object"),
        ("{}", "n is missing"),
        ('{"n": 1, "m": 2}', "m is not in the schema"),
        ('{"n": 1, "\\ud83d": 2}', "\ufffd is not in the schema"),
        ('{"n":' + "[" * 101 + "]" * 101 + "}", "nested more than 100 levels deep"),
        ('so {"n":' + '{"m":' * 101 + "1" + "}" * 102, "nested more than 100 levels deep"),
        ('{"n": "\0"}', "the JSON object is not valid: "),
        (GOOD.encode("utf-16-le").decode("utf-8"), "the JSON object is not valid: "),
    ],
)
def test_any_other_answer_is_invalid(content: str, error: str) -> None:
    """Nothing is completed, chosen or converted: each is asked again, with the reason."""
    checked = N.check(content)

    assert (checked.labels, checked.repair) == (None, None)
    assert checked.error.startswith(error) or error in checked.error.split(": ", 1)[0]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('{"a": "}{"}', "}{"),
        ('{"a": "```json\\n{}\\n```"}', "```json\n{}\n```"),
        ('so: {"a": "\\"}{"} ok', '"}{'),
        ('{"a": "null: \\u003a"}', "null: :"),
        ('{"a": "\\ud83d"}', "\ufffd"),
        ('{"a": "\ud83d"}', "\ufffd"),
        ('{"a": "\\ud83d\\ude00"}', "😀"),
        ('so \ud83d: {"a": "\\ud83d"}', "\ufffd"),
    ],
)
def test_braces_and_fences_in_strings_are_text(content: str, value: str) -> None:
    """Half an emoji is read, and becomes a character that a table can hold."""
    assert TEXT.check(content).labels == {"a": value}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('{"n": 3}', 3),
        ('{"n": 3.0}', 3),
        ('{"n": 3e2}', 300),
        ('{"n": -0.0}', 0),
        ('{"n": 9223372036854775807}', 2**63 - 1),
        ('{"n": -9223372036854775808}', -(2**63)),
        ('{"n": 9007199254740992.0}', 2**53),
    ],
)
def test_a_whole_number_is_an_integer(content: str, value: int) -> None:
    """However it is written."""
    labels = contract("n: integer").check(content).labels

    assert labels == {"n": value}
    assert type(labels["n"]) is int


@pytest.mark.parametrize(
    "number",
    ["9223372036854775808", "-9223372036854775809", "1" + "0" * 30, "1e17", "1" + "0" * 5_000, "-1e300"],
)
def test_an_integer_that_a_column_cannot_hold_is_invalid(number: str) -> None:
    """Also one that is not exact as a double."""
    checked = contract("n: integer").check(f'{{"n": {number}}}')

    assert checked.labels is None
    assert checked.labels is None


def test_a_number_is_always_a_float() -> None:
    """So that a column has one type."""
    for content, value in (('{"n": 3}', 3.0), ('{"n": 18446744073709551615}', 2.0**64), ('{"n": 1e3}', 1e3)):
        labels = N.check(content).labels
        assert labels == {"n": value}
        assert type(labels["n"]) is float


def test_labels_come_in_the_order_of_the_schema() -> None:
    """Whatever the order of the answer."""
    checked = contract("b: yes/no; a: [x|y]; c?: text").check('{"c": null, "a": ["y", "x"], "b": false}')

    assert list((checked.labels or {}).items()) == [("b", False), ("a", ["y", "x"]), ("c", None)]


def test_nested_objects_become_columns_and_other_values_json() -> None:
    """None where an object above is null or a name is missing."""
    schema = {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"properties": {"b": {"type": "integer"}}}, {"type": "null"}]},
            "c": {"type": "array", "items": {"type": "integer"}},
        },
    }
    checker = Contract(json.dumps(schema).encode())

    assert checker.check('{"a": {"b": 2.0}, "c": [1, 2]}').labels == {"a.b": 2, "c": "[1,2]"}
    assert checker.check('{"a": {}, "c": []}').labels == {"a.b": None, "c": "[]"}
    assert checker.check('{"a": null}').labels == {"a.b": None, "c": None}
    assert checker.check('{"a": {"b": "x"}}').labels is None


@pytest.mark.parametrize(
    ("labels", "content", "error"),
    [
        ("s: a|b", '{"s": "c"}', 's: expected one of "a", "b", got "c"'),
        (
            "s: 1|2|3|4|5|6|7|8|9|a|b|c|d|e",
            '{"s": 0}',
            's: expected one of "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c" and 2 more, got 0',
        ),
        ("1: [text]", '{"1": [0]}', "1[0]: expected text in quotes, got 0"),
        ("s?: a|b", '{"s": "c"}', 's: expected one of "a", "b" or null, got "c"'),
        ("n: 1..5", '{"n": 7}', "n: expected at most 5, got 7"),
        ("n: 1..5", '{"n": 0}', "n: expected at least 1, got 0"),
        ("n: 1..5", '{"n": "5"}', 'n: expected a whole number, got "5"'),
        ("n: 1..5", '{"n": 2.5}', "n: expected a whole number, got 2.5"),
        ("t: [a|b]", '{"t": ["a", "c"]}', 't[1]: expected one of "a", "b", got "c"'),
        ("t: [a|b]", '{"t": "a"}', 't: expected a list, got "a"'),
        ("u: yes/no", '{"u": "yes"}', 'u: expected true or false, got "yes"'),
        ("s: a|b; n: 1..5", "{}", "s is missing; n is missing"),
        ("s: text", '{"s": 1, "q": 1}', "s: expected text in quotes, got 1; q is not in the schema"),
    ],
)
def test_an_error_names_path_expectation_and_value(labels: str, content: str, error: str) -> None:
    """Fit to be shown to the model and to people."""
    said = contract(labels).check(content).error

    assert sorted(said.split("; ")) == sorted(error.split("; "))


def test_errors_of_a_users_schema_have_words_too() -> None:
    """The rarer keywords."""
    properties = {
        "l": {"type": "string", "minLength": 3},
        "p": {"type": "string", "pattern": "^x$"},
        "c": {"const": "x"},
        "i": {"type": "array", "maxItems": 1},
        "m": {"type": "integer", "multipleOf": 2},
        "u": {"type": "array", "uniqueItems": True},
        "e": {"type": "integer", "exclusiveMinimum": 1},
    }
    answers: dict[str, tuple[Any, str]] = {
        "l": ("ab", 'l: expected at least 3 characters, got "ab"'),
        "p": ("y", 'p: expected text like ^x$, got "y"'),
        "c": ("y", 'c: expected "x", got "y"'),
        "i": ([1, 2], "i: expected at most 1 items, got a list"),
        "m": (3, "m: expected what the schema says with multipleOf, got 3"),
        "u": ([1, 1], "u: expected what the schema says with uniqueItems, got a list"),
        "e": (1, "e: expected more than 1, got 1"),
    }
    checker = Contract(json.dumps({"properties": properties}).encode())

    assert {name: checker.check(json.dumps({name: value})).error for name, (value, _) in answers.items()} == {
        name: error for name, (_, error) in answers.items()
    }


def test_an_error_is_short_and_never_the_whole_answer() -> None:
    """At most 200 characters, three errors, twelve values."""
    many = contract("; ".join(f"f{place}: " + "|".join(f"v{n}" for n in range(30)) for place in range(5)))
    answer = json.dumps({f"f{place}": "secret " * 1_000 for place in range(5)})
    error = many.check(answer).error

    assert len(error) == ERROR_CHARACTERS_MAX
    assert error.count("secret") <= 6
    assert len(many.check('{"' + "k" * 9_999 + '": 1, "' + "k" * 9_999 + '": 1}').error) <= 200


@pytest.mark.parametrize("content", [f"```json\n{GOOD}\n```", f"so: {GOOD}"])
def test_without_repairs_an_answer_is_an_object_and_nothing_else(content: str) -> None:
    """What would have been repaired is invalid, and why is said."""
    strict = contract("n: number", repairs=False)

    assert strict.check(content) == CheckedAnswer(None, "there is other text around the JSON object")
    assert strict.check(GOOD).labels == {"n": 12.0}
    assert strict.check("{'n': 12}").error.startswith("the JSON object is not valid: ")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"properties": {"a": {"$ref": "#/$defs/x"}}},
        {"properties": {"a": {"$ref": "https://example.com/x.json"}}},
        {"properties": {"a": {"pattern": "(a"}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error_of_the_user(schema: dict[str, Any]) -> None:
    """Without labels, with a reference out of it (nothing is fetched), or with a broken pattern."""
    with pytest.raises(UsageError) as caught:
        Contract(json.dumps(schema).encode())

    assert caught.value.fix


def test_a_reference_to_a_file_is_not_followed(tmp_path: Path) -> None:
    """A schema reads nothing from disk or network."""
    outside = tmp_path / "outside.json"
    outside.write_text('{"type": "string"}')
    schema = {"properties": {"a": {"$ref": outside.as_uri()}}}

    with pytest.raises(UsageError, match="cannot be used"):
        Contract(json.dumps(schema).encode())


@pytest.mark.parametrize(
    "unit", ["{", '{"a":', '"\\"', "{}", "[", '{"a"', "```", "{'", '"', "\\", '{"a":1},', "{ ", "}"]
)
@pytest.mark.parametrize("begin", ["", "x{", '{"a":"'])
def test_a_megabyte_is_checked_in_one_pass(begin: str, unit: str) -> None:
    """The test's own time limit would end one that took time by the square of the length."""
    checked = N.check(begin + unit * (1_000_000 // len(unit)))

    assert checked.labels is None
    assert checked.labels is None


JSON_LIKE = st.text(alphabet=st.sampled_from('{}[]":,\\n1.eE-`\n ud83\ud83d\0\ufeff'), max_size=40)


@given(content=st.text() | JSON_LIKE | JSON_LIKE.map(lambda text: f'{{"n": 1, {text}}}'))
def test_check_never_raises(content: str) -> None:
    """It has labels or an error, never both; and what it says can be written as UTF-8."""
    checked = N.check(content)

    assert (checked.labels is None) != (checked.error == "")
    assert len(checked.error.encode()) < 4 * ERROR_CHARACTERS_MAX


def test_a_list_of_known_texts_has_each_once() -> None:
    """One of free texts stays as it was answered."""
    fields = parse_labels("known: [a|b]\nfree: [text]", lambda _name: []).fields
    checked = Contract(schema_bytes(answer_schema(fields))).check(
        '{"known": ["b", "a", "b"], "free": ["", ""]}'
    )

    assert checked.labels == {"known": ["b", "a"], "free": ["", ""]}


@st.composite
def fields_and_answer(draw: st.DrawFn) -> tuple[list[LabelField], dict[str, Any]]:
    fields = draw(label_fields())
    return fields, draw(fitting_answers(fields))


@given(
    drawn=fields_and_answer(),
    is_ascii=st.booleans(),
    around=st.sampled_from(["{}", "```json\n{}\n```", "So: {}."]),
)
def test_an_answer_made_from_the_fields_fits(
    drawn: tuple[list[LabelField], dict[str, Any]], is_ascii: bool, around: str
) -> None:
    """Its labels are what was answered, in the order of the fields; a list of known texts has each once."""
    fields, answer = drawn
    text = around.replace("{}", json.dumps(answer, ensure_ascii=is_ascii))
    checked = Contract(schema_bytes(answer_schema(fields))).check(text)

    assert checked.labels is not None
    expected = [
        (field.name, [*dict.fromkeys(value)] if field.values and isinstance(value, list) else value)
        for field in fields
        for value in (answer[field.name],)
    ]
    assert list(checked.labels.items()) == expected
    assert (checked.repair is None) == (around == "{}")


WRONG: dict[LabelKind, Any] = {
    LabelKind.TEXT: 5,
    LabelKind.INTEGER: 0.5,
    LabelKind.NUMBER: "1",
    LabelKind.BOOLEAN: "true",
    LabelKind.LIST: "text",
}


@given(drawn=fields_and_answer(), data=st.data())
def test_one_wrong_value_is_named(
    drawn: tuple[list[LabelField], dict[str, Any]], data: st.DataObject
) -> None:
    """Of a wrong type, not among the values, out of the bounds, or missing."""
    fields, answer = drawn
    field = data.draw(st.sampled_from(fields))
    wrong = [WRONG[field.kind], {"a": 1}]
    if field.values is not None:
        wrong.append("none of them" if field.kind is LabelKind.TEXT else ["none of them"])
    if field.low is not None and field.high is not None:
        wrong += [field.low - 1, field.high + 1]
    checker = Contract(schema_bytes(answer_schema(fields)))

    for value in wrong:
        error = checker.check(json.dumps({**answer, field.name: value})).error
        assert error.startswith((f"{field.name}: expected", f"{field.name}[0]: expected"))
    del answer[field.name]
    assert checker.check(json.dumps(answer)).error == f"{field.name} is missing"
