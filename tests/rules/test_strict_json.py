"""Lines are parsed strictly: what two JSON parsers could read differently is refused, with its column."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strict_reference import reference

from runner.rules.diagnostics import Problem
from runner.rules.json_text.json_grammar import syntax_problem
from runner.rules.json_text.strict_json import parse_object


def agrees_with_reference(raw: bytes) -> bool:
    read = parse_object(raw)
    try:
        expected = reference(raw)
    except ValueError:
        return isinstance(read, Problem)
    return not isinstance(read, Problem) and equal(read, expected)


def equal(left: object, right: object) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, float) and isinstance(right, int):  # integers beyond 64 bits come as floats
        return abs(right) >= 2**63 and (math.isinf(left) or math.isclose(left, right))
    return type(left) is type(right) and left == right


SPACE = st.sampled_from(["", "", "", " ", "  ", "\t", "\r", " \n"])
NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "1",
        "-17",
        "0.5",
        "1e5",
        "1E-3",
        "1e999",
        "-1e400",
        "01",
        "1.",
        ".5",
        "+1",
        "12345678901234567890",
        "9" * 30,
        "-" + "8" * 19,
        "1" * 400,
        "1" * 4000,
        "1" * 4001,
        "0." + "1" * 3999,
        "0." + "1" * 4000,
        "NaN",
        "Infinity",
        "-Infinity",
        "true",
        "false",
        "null",
        "True",
        "nul",
    ]
)


@st.composite
def strings(draw: st.DrawFn) -> str:
    """Draw a JSON string in one of its many spellings, some of them invalid."""
    pieces = [
        "a",
        "b",
        ":",
        " ",
        "{",
        "[",
        "}",
        "é",
        "🙂",
        "\\n",
        "\\\\",
        '\\"',
        '\\":',
        "\\/",
        "\\u0022",
        "\\u003a",
    ]
    pieces += [
        "\\u003A",
        "\\u0061",
        "\\u0000",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\udc00",
        "\\\\ud800",
        "\t",
        "\\x",
        "\\u12",
    ]
    weights = st.one_of(st.sampled_from(pieces[:19]), st.sampled_from(pieces))
    return '"' + "".join(draw(st.lists(weights, max_size=4))) + '"'


@st.composite
def documents(draw: st.DrawFn, levels: int = 3) -> str:
    """Draw a JSON text, mostly valid: with odd spacing, duplicate keys, sometimes a trailing comma."""
    kind = (
        draw(st.sampled_from(["object", "object", "array", "string", "number"])) if levels < 3 else "object"
    )
    if levels == 0 or kind in ("string", "number"):
        return draw(strings() if kind == "string" else NUMBERS)
    space = draw(SPACE)
    nested = st.lists(documents(levels - 1), max_size=3)
    if kind == "array":
        return "[" + f"{space},".join(draw(nested)) + "]"
    members = [f"{draw(strings())}{draw(SPACE)}:{draw(SPACE)}{value}" for value in draw(nested)]
    return "{" + f"{space},".join(members) + draw(st.sampled_from(["", "", "", "", ","])) + "}"


@given(documents())
@example('{"a":1,"a":2}')
@example('{"a" :1,"a" :2}')
@example('{"a":1,"\\u0061":2}')
@example('{"x":"\\u003a","a":1,"a":2}')
@example('{"x":"\\u003A\\u003A","a":{"a":1,"a":2}}')
@example('{"a":"\\":","a":":"}')
@example('{"a":{"b":"::"},"a":{"b":"::"}}')
@example('{":":1,":":2}')
def test_exactly_what_the_reference_accepts_is_accepted(text: str) -> None:
    """The fast path, which counts colons, accepts exactly what an exact parser accepts."""
    assert agrees_with_reference(text.encode("utf-8", "surrogatepass"))


LINE = (
    b'{"custom_id":"r-1","body":{"model":"grok-4","messages":[{"role":"user",'
    b'"content":"caf\xc3\xa9: \\"hi\\" \\ud83d\\ude00"}],'
    b'"temperature":0.5,"seed":-7,"tools":[{"a":null},{"a":true,"b":[[]]}]},"metadata":{}}'
)


@given(st.data())
def test_a_line_with_changed_bytes_is_parsed_as_by_the_reference(data: st.DataObject) -> None:
    """Cut, doubled, swapped and foreign bytes in a real line: no exception, and the same result."""
    line = bytearray(LINE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(line)))
        end = min(len(line), at + data.draw(st.integers(0, 12)))
        line[at:end] = data.draw(
            st.sampled_from([b"", b"", b'"', b"\\", b",", b":", b"\xff", b"\x00", b"{", b"]", b"1"])
        )

    assert agrees_with_reference(bytes(line))


@given(st.binary(max_size=40) | st.text('{}[]":,\\0eE+-.tfnu aN ', max_size=40).map(str.encode))
def test_any_bytes_are_parsed_without_raising(raw: bytes) -> None:
    """The result is always the reference's."""
    assert agrees_with_reference(raw)


REFUSED = [
    # line, code, where the column points, words of the reason, words of the fix
    (b'{"id":"a" "model":"b"}', "invalid-json", b'"model"', 'a comma is missing before "model"', "comma"),
    (b'{"a":[1 2]}', "invalid-json", b"2]", "a comma is missing before 2", "comma"),
    (b'{"a":1,}', "invalid-json", b"}", "a comma too many", "remove the comma"),
    (b'{"a":[1,]}', "invalid-json", b"]}", "a comma too many", "remove the comma"),
    (b"{'a':1}", "invalid-json", b"'a'", "single quotation marks", 'use double ones: "key"'),
    (b"{\"a\":'x'}", "invalid-json", b"'x'", "single quotation marks", 'use double ones: "text"'),
    (b"{a:1}", "invalid-json", b"a:", "a key must stand in double quotation marks, not a", '"key"'),
    (b'{"a" 1}', "invalid-json", b"1}", 'a colon is missing after the key "a"', "colon"),
    (b'{"a":}', "invalid-json", b"}", "a value is missing before }", "null"),
    (b'{"a":True}', "invalid-json", b"True", "True is no JSON", "write true"),
    (b'{"a":None}', "invalid-json", b"None", "None is no JSON", "write null"),
    (b'{"a":nan}', "invalid-json", b"nan", "nan is no JSON", "write null"),
    (b'{"a":.5}', "invalid-json", b".5", "a value cannot begin with .5", "quotation marks"),
    (b'{"a":007}', "invalid-json", b"07", "a number begins with 0", "without the zeros"),
    (b'{"a":"she said "hi" to me"}', "invalid-json", b"hi", "a string ended before hi", '\\"'),
    (b'{"a":"x\ty"}', "invalid-json", b"\ty", "a bare tab stands inside a string", "\\t"),
    (b'{"a":"x\x01y"}', "invalid-json", b"\x01y", "a bare control character", "\\u0001"),
    (b'{"a":"c:\\dir"}', "invalid-json", b"\\dir", "the escape \\d does not exist", "backslash as \\\\"),
    (b'{"a":"\\u12"}', "invalid-json", b"u12", "\\u is not followed by four", "\\uXXXX"),
    (b'{"a":[1}', "invalid-json", b"}", "} closes what was opened by [", "in order"),
    (b'{"a":1}{"a":2}', "invalid-json", b'{"a":2}', "a second object follows", "own line"),
    (b'{"a":1},', "invalid-json", b",", "a comma follows the object", "without a comma"),
    (b'{"a":1} tail', "invalid-json", b"tail", "something follows after its end: tail", "end the line"),
    (b"\x1e{}", "invalid-json", b"\x1e", r"begins with \x1e, not with {", "one JSON object a line"),
    (b"hello world", "invalid-json", b"hello", "begins with hello, not with {", "one JSON object a line"),
    ("\ufeff{}".encode(), "invalid-json", "\ufeff".encode(), "a byte order mark", "perl -pe"),
    (b'{"a":"b', "cut-line", b'"b', "ends inside the string", "\\n"),
    (b'{"a":[1,2', "cut-line", b"", "ends before its object does", "on one line"),
    (b"[", "cut-line", b"", "ends before its object does", "jq -c"),
    (b"[1]", "not-an-object", b"[1]", "the line is an array", "without an array"),
    (b'"a"', "not-an-object", b'"a"', "the line is a string", "one object a line"),
    (b"12", "not-an-object", b"12", "the line is a number", "one object a line"),
    (b"null", "not-an-object", b"null", "the line is null", "one object a line"),
    (b'{"a":NaN}', "not-finite", b"NaN", "NaN is no number in JSON", "null"),
    (b'{"a":[-Infinity]}', "not-finite", b"-Inf", "-Infinity is no number", "null"),
    (b'{"a":1e999}', "not-finite", b"1e999", "1e999 is no number", "1.8e308"),
    (b'{"a":' + b"1" * 4001 + b"}", "long-number", b"1111", "more than 4,000 digits", "as a string"),
    (b'{"a":0.' + b"1" * 4001 + b"}", "long-number", b"0.11", "more than 4,000 digits", "as a string"),
    (b'{"a":"x","b":"\\ud83d!"}', "lone-surrogate", b'"\\ud83d', "half of a surrogate pair", "both halves"),
    (
        b'{"a":{"b":1,"c":[{"d":1,"d":2}]}}',
        "duplicate-key",
        b'"d":2',
        'the key "d" is written twice',
        "remove one",
    ),
    (b'{"a":1,"\\u0061":2}', "duplicate-key", b'"\\u0061"', 'the key "a" is written twice', "remove one"),
    (b'{"a":' + b"[" * 101 + b"]" * 101 + b"}", "depth", b"[[]]", "more than 100 levels", "flatten"),
    (b"[" * 200_000, "depth", None, "more than 100 levels", "flatten"),
    ('{"à":"é","b":"'.encode() + b'\xe9"}', "not-utf8", b"\xe9", "byte 0xe9", "UTF-8"),
    ('{"a":1}'.encode("utf-16"), "utf16", None, "UTF-16", "iconv"),
    ('\n{"a":1}'.encode("utf-16-le")[1:], "utf16", None, "the line is UTF-16", "iconv"),
    (b"\0" * 512, "nul-bytes", b"\0", "512 NUL bytes are in the place of text", "tr -d '\\000' < FILE"),
    (b'{"a": "b\0\0', "nul-bytes", b"\0", "2 NUL bytes are in the line, from byte 9", "complete the line"),
    (b'\0{"a":1}', "nul-bytes", b"\0", "1 NUL byte is in the line, from byte 1", "tr -d"),
    (b'{"a":1}\r{"a":2}', "invalid-json", b'{"a":2', "a carriage return ends", "tr '\\r' '\\n' < FILE"),
    (b'3{"a":1}', "invalid-json", b"{", "a second object follows", "its own line"),
    (b"9" * 400, "not-an-object", b"9", "the line is a number", "one object a line"),
]


@pytest.mark.parametrize(("raw", "code", "pointed_at", "reason", "fix"), REFUSED)
def test_a_refused_line_names_what_is_wrong_and_where(
    raw: bytes, code: str, pointed_at: bytes | None, reason: str, fix: str
) -> None:
    """Each fault has its code, a column in characters from 1, a plain reason and a fix."""
    problem = parse_object(raw)

    assert isinstance(problem, Problem)
    assert problem.code == code
    assert problem.severity == "refused"
    assert reason in problem.reason
    assert fix in problem.fix
    assert problem.column is not None
    if pointed_at is not None:
        text, wanted = raw.decode("utf-8", "surrogateescape"), pointed_at.decode("utf-8", "surrogateescape")
        assert text[problem.column - 1 :].startswith(wanted)


def test_many_shallow_values_are_not_deep() -> None:
    """Only brackets that are open at the same time count, also in a line with another fault."""
    shallow = b'"a":[' + b",".join([b"[]"] * 200) + b"]"
    faulty = parse_object(b'{"\\ud83d":1,' + shallow + b"}")

    assert isinstance(parse_object(b"{" + shallow + b"}"), dict)
    assert isinstance(faulty, Problem)
    assert faulty.code == "lone-surrogate"


def test_a_trailing_comma_is_found_by_every_python() -> None:
    """Since 3.13 the decoder points at the comma, before it pointed behind it."""
    text = '{"a":1, }'
    here = syntax_problem(text, json.JSONDecodeError("Illegal trailing comma before end of object", text, 6))
    before = syntax_problem(text, json.JSONDecodeError("Expecting property name", text, 8))

    assert here == before


ACCEPTED = [
    b"{}",
    b' {"a" : 1}\t',
    b'{"a":"\\":","b":{"a":":"}}',
    b'{"a":"\\u0022:\\u003a"}',
    b'{"a":' + b"[" * 99 + b"]" * 99 + b"}",
    b'{"a":[' + b",".join(b"{}" for _ in range(500)) + b"]}",
    b'{"a":"' + b"{[" * 500 + b'"}',
    b'{"a":' + b"1" * 4000 + b"}",
    b'{"a":"' + b"1" * 5000 + b'"}',
    b'{"a":"\\ud83d\\ude00"}',
]


@pytest.mark.parametrize("raw", ACCEPTED)
def test_odd_but_unambiguous_lines_are_accepted(raw: bytes) -> None:
    """Colons and brackets in strings and long strings of digits are no faults."""
    assert isinstance(parse_object(raw), dict)
    assert agrees_with_reference(raw)
