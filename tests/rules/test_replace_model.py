"""Another model in a body: only the model's own bytes change."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.requests.replace_model import replace_model
from runner.rules.requests.request import Defaults, Request, read_request, validate_with_model
from runner.rules.sending.rate_limits import NOT_GIVEN

SPACE = st.sampled_from(["", " ", "\t", "\r ", "  "])
NAMES = st.sampled_from(["a", "x:y", "{", "\\u006dodels", 'm\\"odel\\":', "é", "\\\\", "messages", "]"])
VALUES = st.sampled_from(
    [
        "1",
        "-0.50e1",
        "null",
        '""',
        '"\\"model\\": \\"no\\","',
        '{"model": "inner"}',
        '[{"model":1}, "]"]',
        "{ }",
    ]
)
KEYS = st.sampled_from(['"model"', '"mod\\u0065l"', '"\\u006d\\u006f\\u0064\\u0065\\u006c"'])


@given(
    before=st.lists(st.tuples(NAMES, VALUES), max_size=3, unique_by=lambda pair: pair[0]),
    key=KEYS,
    named=VALUES,
    space=SPACE,
    model=st.sampled_from(["grok-4.3", 'odd"name', "größe"]),
)
def test_every_other_byte_stays(
    before: list[tuple[str, str]], key: str, named: str, space: str, model: str
) -> None:
    """Wherever the model stands, however its name is spelled, and whatever its value is."""
    fields = [f'"{name}"{space}:{space}{value}{space}' for name, value in before]
    for place in range(len(fields) + 1):
        parts = [*fields[:place], f"{key}{space}:{space}\0{space}", *fields[place:]]
        head, tail = f"{{{space}{f',{space}'.join(parts)}}}".split("\0")
        replaced = replace_model(f"{head}{named}{tail}".encode(), model)

        assert replaced == f"{head}{json.dumps(model, ensure_ascii=False)}{tail}".encode()
        assert json.loads(replaced)["model"] == model


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", b'{"model":"new"}'),
        (b'{"a": [1,  2]}', b'{"model":"new","a": [1,  2]}'),
        (b'{"a":{"model":"x"}}', b'{"model":"new","a":{"model":"x"}}'),
    ],
)
def test_a_body_without_a_model_gets_one(body: bytes, expected: bytes) -> None:
    """As its first field."""
    assert replace_model(body, "new") == expected


def read(line: str, model_for_all: str | None) -> tuple[Request | None, list[str]]:
    request, diagnostics = read_request(
        line.encode(), 1, Defaults(model="grok-4", model_for_all=model_for_all)
    )
    return request, [diagnostic.code for diagnostic in diagnostics]


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (
            '{"id": "a", "body": {"messages": [{"role":"user", "content":"hi"}],  "model" : "gpt-4o"} }',
            '{"messages": [{"role":"user", "content":"hi"}],  "model" : "grok-4.5"}',
        ),
        (
            '{"body": { "messages": [{"role":"user","content":"hi"}]}}',
            '{"model":"grok-4.5", "messages": [{"role":"user","content":"hi"}]}',
        ),
        (
            '{"prompt": "hi", "model": "gpt-4o", "seed": 1}',
            '{"model":"grok-4.5","messages":[{"role":"user","content":"hi"}],"seed":1}',
        ),
        ('{"prompt": "hi"}', '{"model":"grok-4.5","messages":[{"role":"user","content":"hi"}]}'),
        (
            '{"prompt": "hi", "model": null}',
            '{"model":"grok-4.5","messages":[{"role":"user","content":"hi"}]}',
        ),
    ],
)
def test_a_model_for_all_is_that_of_every_line(line: str, body: str) -> None:
    """In both forms, whatever the line names; nothing warns of the model that was named."""
    request, codes = read(line, "grok-4.5")

    assert (request.body if request else None) == body.encode()
    assert request is not None
    assert (request.model, codes) == ("grok-4.5", [])


def test_a_line_is_checked_with_the_model_for_all() -> None:
    """What that model rejects is refused, what only the line's own model rejects is not."""
    line = '{"prompt": "hi", "model": "%s", "reasoning_effort": "low"}'

    assert read(line % "grok-4.3", "grok-4")[1] == ["retired-model", "effort-rejected"]
    assert read(line % "grok-4", "grok-4.3")[1] == []


def test_a_stored_body_is_validated_with_another_model() -> None:
    """The facts that limits, prices and the cache go by are those of the new model."""
    head = (
        '{"model":"%s","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]}'
    )
    old, new = (
        validate_with_model((head % "grok-4.3").encode(), name, NOT_GIVEN) for name in ("grok-4.3", "grok-4")
    )
    written = validate_with_model((head % "grok-4").encode(), "grok-4", NOT_GIVEN)

    assert not new.refused
    assert new[1:] == written[1:]
    assert old.conv_id != new.conv_id
    assert old.prompt_tokens != new.prompt_tokens
    assert validate_with_model(
        b'{"model":"grok-4.3","messages":[],"stop":["a"]}', "grok-4", NOT_GIVEN
    ).refused
