"""No job sets a key, headers or an address: beside its body, in it, or in a gateway's object within it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from runner.rules.requests.request import Defaults, read_request

SECRET: Final = "xai-secretsecret"
MESSAGES: Final = [
    {"role": "user", "content": "What is an api_key? And extra_headers, Authorization: Bearer x?"}
]
NAMES: Final = (
    *("api_key", "apiKey", "API-KEY", "x-api-key", "X_API_Key", "authorization", "Authorization"),
    *("xai_api_key", "OPENAI_API_KEY", "password", "secret", "cookie", "credentials", "Cookie"),
    *("key", "token", "auth"),
    *("extra_headers", "headers", "default_headers", "base_url", "api_base", "host", "aws_secret_access_key"),
)
NESTED: Final = (
    {"litellm_params": {"api_key": SECRET}},
    {"extra_body": {"x": [{"authorization": SECRET}]}},
    {"fallbacks": [{"model": "b", "extra_headers": {"X-Key": SECRET}}]},
    {"model_list": [{"litellm_params": {"api_key": SECRET}}]},
)
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "login",
        "parameters": {"type": "object", "properties": {"api_key": {"type": "string"}, "headers": {}}},
    },
}


def refusals(fields: dict[str, Any], form: str) -> list[Any]:
    """Return the refusals of a line with these fields in its body."""
    body = {"model": "grok-4.3", "messages": MESSAGES, **fields}
    line = (
        {"custom_id": "a", "url": "/v1/chat/completions", "body": body}
        if form == "batch"
        else {"id": "a", **body}
    )
    _, found = read_request(json.dumps(line).encode(), 1, Defaults(model="grok-4.3"))
    return [one for one in found if one.severity == "refused"]


@pytest.mark.parametrize("form", ["batch", "short"])
@pytest.mark.parametrize("name", NAMES)
def test_a_key_in_the_body_is_refused_and_not_shown(name: str, form: str) -> None:
    """In both forms, in any spelling; once."""
    (found,) = refusals({name: SECRET}, form)
    assert found.code == "headers-in-line"
    assert SECRET not in repr(found)


@pytest.mark.parametrize("form", ["batch", "short"])
@pytest.mark.parametrize("fields", NESTED, ids=lambda fields: next(iter(fields)))
def test_a_key_in_an_object_of_a_gateway_is_refused(fields: dict[str, Any], form: str) -> None:
    """At any depth of a field that the API does not document."""
    (found,) = refusals(fields, form)
    assert found.code == "headers-in-line"
    assert SECRET not in repr(found)


@pytest.mark.parametrize("form", ["batch", "short"])
def test_texts_schemas_and_metadata_may_name_them(form: str) -> None:
    """Only fields of the request count."""
    metadata = {"metadata": {"host": "web-1", "api_key": "name of a column"}} if form == "batch" else {}
    assert refusals({"tools": [TOOL], **metadata}, form) == []


@pytest.mark.parametrize("form", ["batch", "short"])
@pytest.mark.parametrize("fields", [{"key": "row 17"}, {"token": "the"}, {"x": {"password": "of a row"}}])
def test_a_name_that_is_no_secret_by_itself_is_only_warned_of(fields: dict[str, Any], form: str) -> None:
    """It may be a row's key, or a word; deeper it may be data."""
    assert refusals(fields, form) == []


@pytest.mark.parametrize("name", ["authorization", "headers", "extra_headers"])
def test_a_secret_of_an_mcp_tool_is_sent_with_a_warning(name: str) -> None:
    """It is a field of such tools, and it is stored; a key is none."""
    tool = {"type": "mcp", "server_url": "https://tools.example/mcp", name: SECRET}
    line = {"id": "a", "model": "grok-4.3", "messages": MESSAGES, "tools": [tool]}
    _, found = read_request(json.dumps(line).encode(), 1, Defaults(model="grok-4.3"))
    (warned,) = [one for one in found if one.code == "secret-in-tool"]
    assert warned.severity == "warning"
    assert SECRET not in repr(found)
    found = refusals({"tools": [{**tool, "api_key": SECRET}]}, "short")
    (refused,) = [one for one in found if one.code != "unknown-tool"]
    assert refused.code == "headers-in-line"
    (refused,) = refusals({"tools": [{**TOOL, name: SECRET}]}, "short")
    assert refused.code == "headers-in-line"
