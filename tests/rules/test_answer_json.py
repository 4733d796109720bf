"""One reader of answers: what Python's json takes, as one line for strict readers."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.json_text.answer_json import is_whole_object, json_line, read_json, without_surrogates


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b' {"a":\n[1,\r\n2]}\n', b'{"a": [1,  2]}'),
        (b'\xef\xbb\xbf{"a":"\\u00e9"}', b'{"a":"\\u00e9"}'),
        (b'{"a":"\\ud83d"}', b'{"a":"\\ud83d"}'),
        (b'{"a":"\xed\xa0\xbd"}', b'{"a":"\\ud83d"}'),
        (b'{"a":[NaN,-Infinity,Infinity,1e999]}', b'{"a":[null,null,null,1e999]}'),
        (b'{"NaN":"Infinity \\" NaN","b":NaN}', b'{"NaN":"Infinity \\" NaN","b":null}'),
        ('{"a":"é"}'.encode("utf-16"), '{"a":"é"}'.encode()),
        (b"", None),
        (b"<html>", None),
        (b'{"a":1', None),
        (b'{"a":1} x', None),
        (b'{"a":nan}', None),
        (b'{"a":"\xff"}', None),
        (b"[" * 100_000, None),
    ],
)
def test_a_line_is_strict_json_with_the_bytes_as_they_are(body: bytes, line: bytes | None) -> None:
    """Only what no strict reader takes is changed: the mark at the start, and numbers that are none."""
    assert json_line(body) == line
    if line is None:
        with pytest.raises(ValueError):  # noqa: PT011 - any of them
            read_json(body)


def test_an_integer_beyond_64_bits_is_read_as_a_float() -> None:
    """No count and no price is so large; the line keeps its digits."""
    assert read_json(b"[-9223372036854775809]") == [-(2.0**63)]
    assert json_line(b"[-9223372036854775809]") == b"[-9223372036854775809]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=8,
)


@given(value=JSON, is_ascii=st.booleans(), bom=st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_whatever_python_writes_is_read_and_is_a_strict_line(
    value: object, is_ascii: bool, bom: bytes
) -> None:
    """Lone surrogates as escapes or raw, NaN, a byte order mark: read alike, and one line of UTF-8."""
    body = bom + json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")

    assert _same(read_json(body), json.loads(body))
    line = json_line(body)
    assert line is not None
    assert b"\n" not in line

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert _same(json.loads(line.decode(), parse_constant=refuse), _without_nan(json.loads(body)))


def _same(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _without_nan(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    return value


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    """A whole one stays."""
    assert without_surrogates("a \ud83d b \U0001f600") == "a \ufffd b \U0001f600"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":{"b":1}}', True),
        (b' \n{"a":1} ', True),
        (b'\xef\xbb\xbf{"a":1}', True),
        (b'{"a":{"b":1}', False),
        (b'{"a":1}{', False),
        (b'["a"]', False),
        (b"{", False),
        (b"", False),
        (b"<html>{}", False),
    ],
)
def test_a_whole_object_misses_nothing(body: bytes, expected: bool) -> None:
    """It is kept where the connection ends without saying that the body is complete."""
    assert is_whole_object(body) is expected
