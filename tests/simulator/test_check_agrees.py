"""What `check` refuses, the simulated API refuses, and what it lets pass is accepted there.

One table of request bodies: each is a line of a job file that is read as by `check`, and is sent over HTTP.
"""

from __future__ import annotations

import base64
import io
import json
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from simulator_thread import CHAT, SimulatorThread

from runner.intake.job_file import JobFileReader, LoadFlags
from runner.rules.costs.estimate import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.rules.diagnostics import Diagnostic

PNG: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
JPEG: Final = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(20)).decode()
WEBP: Final = base64.b64encode(b"RIFF\0\0\0\0WEBPVP8 " + bytes(8)).decode()
GIF: Final = base64.b64encode(b"GIF89a" + bytes(6)).decode()
USER: Final = {"role": "user", "content": "hi"}
FUNCTION: Final = {"name": "f", "parameters": {"type": "object", "properties": {}}}
TOOL: Final = {"type": "function", "function": FUNCTION}


class Case(NamedTuple):
    """A body: what `check` says first ("" for nothing), and the status of the API."""

    body: dict[str, Any]
    code: str
    status: int
    is_warning: bool = False


def messages(*some: object) -> dict[str, Any]:
    return {"messages": list(some)}


def called(**call: object) -> dict[str, Any]:
    """Return messages in which a tool was called."""
    return messages(
        USER, {"role": "assistant", **call}, {"role": "tool", "tool_call_id": "c", "content": "1"}
    )


def call_of(arguments: object) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}


def parts(*some: object) -> dict[str, Any]:
    return messages({"role": "user", "content": list(some)})


def image(url: object) -> dict[str, Any]:
    return parts({"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"})


def schema(pattern: str) -> dict[str, Any]:
    described = {"name": "n", "schema": {"type": "object", "properties": {"a": _text(pattern)}}}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def _text(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": pattern}


def choice(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


CASES: Final = {
    # content of messages
    "text": Case(messages(USER), "", 200),
    "null beside tool calls": Case(called(content=None, tool_calls=[call_of("{}")]), "missing-content", 400),
    "no content beside tool calls": Case(called(tool_calls=[call_of("{}")]), "missing-content", 400),
    "an empty text beside tool calls": Case(called(content="", tool_calls=[call_of("{}")]), "", 200),
    "null without tool calls": Case(called(content=None), "missing-content", 422),
    "an empty list": Case(messages({"role": "user", "content": []}), "missing-content", 400),
    "spaces": Case(messages({"role": "user", "content": " \t\n"}), "blank-content", 200, is_warning=True),
    "an empty system message": Case(
        messages({"role": "system", "content": ""}, USER), "blank-content", 200, is_warning=True
    ),
    "a part of spaces": Case(parts({"type": "text", "text": " "}), "blank-content", 200, is_warning=True),
    "an empty result of a tool": Case(
        messages(USER, {"role": "tool", "tool_call_id": "c", "content": ""}), "", 200
    ),
    # tool calls
    "arguments not in JSON": Case(called(content="", tool_calls=[call_of("{a: 1}")]), "bad-tool-call", 400),
    "arguments of nothing": Case(called(content="", tool_calls=[call_of("")]), "bad-tool-call", 400),
    "arguments as an object": Case(called(content="", tool_calls=[call_of({})]), "bad-tool-call", 422),
    "a call without a function": Case(called(content="", tool_calls=[{"id": "c"}]), "bad-tool-call", 422),
    "calls that are no list": Case(called(content="", tool_calls={}), "bad-type", 422),
    # images
    "PNG": Case(image(f"data:image/png;base64,{PNG}"), "", 200),
    "JPEG": Case(image(f"data:image/jpeg;base64,{JPEG}"), "", 200),
    "the scheme in upper case": Case(image("HTTPS://e.com/a.png"), "", 200),
    "http": Case(image("http://e.com/a.png"), "", 200),
    "a file's name": Case(image("cat.png"), "bad-image-url", 400),
    "a file's address": Case(image("file:///tmp/cat.png"), "bad-image-url", 400),
    "the text of Python bytes": Case(image(f"data:image/png;base64,b'{PNG}'"), "bad-image-url", 400),
    "base64 cut short": Case(image(f"data:image/png;base64,{PNG[:-3]}"), "bad-image-url", 400),
    "base64 over two lines": Case(
        image(f"data:image/png;base64,{PNG[:20]}\n{PNG[20:]}"), "bad-image-url", 400
    ),
    "base64 for URLs": Case(image(f"data:image/png;base64,{PNG[:-4]}A_-A"), "bad-image-url", 400),
    "no data": Case(image("data:image/png;base64,"), "bad-image-url", 400),
    "data that is not base64": Case(image("data:image/png,abcd"), "bad-image-url", 400),
    "the type WebP": Case(image(f"data:image/webp;base64,{WEBP}"), "bad-image-url", 400),
    "WebP named PNG": Case(image(f"data:image/png;base64,{WEBP}"), "bad-image-url", 400),
    "the type GIF": Case(image(f"data:image/gif;base64,{GIF}"), "bad-image-url", 400),
    "GIF named PNG": Case(image(f"data:image/png;base64,{GIF}"), "bad-image-url", 400),
    "the type SVG": Case(image("data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="), "bad-image-url", 400),
    "a PDF": Case(image("data:application/pdf;base64,JVBERi0x"), "bad-image-url", 400),
    "no url": Case(parts({"type": "image_url", "image_url": {}}), "bad-type", 422),
    # parts of other APIs
    "input_text": Case(parts({"type": "input_text", "text": "hi"}), "unknown-part", 422),
    "input_image": Case(parts({"type": "input_image", "image_url": "https://e.com/a"}), "unknown-part", 422),
    "input_audio": Case(
        parts({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}), "unknown-part", 422
    ),
    "an image of Anthropic's": Case(parts({"type": "image", "source": {}}), "unknown-part", 422),
    "a file": Case(parts({"type": "file", "file": {"file_id": "f"}}, {"type": "text", "text": "a"}), "", 200),
    "a file without its object": Case(parts({"type": "file", "file_id": "f"}), "bad-type", 422),
    # tools
    "a tool": Case({"tools": [TOOL], "tool_choice": choice("f")}, "", 200),
    "a choice of another tool": Case({"tools": [TOOL], "tool_choice": choice("g")}, "tool-choice", 400),
    "a choice without tools": Case({"tool_choice": choice("g")}, "tool-choice", 400),
    "required without tools": Case({"tool_choice": "required"}, "tool-choice", 400),
    "required of no tools": Case({"tools": [], "tool_choice": "required"}, "tool-choice", 400),
    "auto without tools": Case({"tool_choice": "auto"}, "", 200),
    "web search": Case({"tools": [{"type": "web_search"}]}, "unknown-tool", 422),
    "a tool server": Case({"tools": [{"type": "mcp", "server_url": "https://e.com"}]}, "unknown-tool", 422),
    "a function in the flat form": Case({"tools": [{"type": "function", **FUNCTION}]}, "bad-tool", 422),
    "a function without parameters": Case(
        {"tools": [{"type": "function", "function": {"name": "f"}}]}, "bad-schema", 422
    ),
    # fields of their types
    "stop as a text": Case({"model": "grok-4.20-non-reasoning", "stop": "x"}, "bad-type", 422),
    "stop as a list": Case({"model": "grok-4.20-non-reasoning", "stop": ["x"]}, "", 200),
    "a number as the tier": Case({"service_tier": 1}, "bad-type", 422),
    "a number as the user": Case({"user": 1}, "bad-type", 422),
    # patterns of schemas
    "a pattern": Case(schema(r"^\p{L}+(?<n>\d)$"), "", 200),
    "a bracket left open": Case(schema("^(a$"), "schema-rejected", 400),
    "a set left open": Case(schema("^[a-z$"), "schema-rejected", 400),
    "nothing to repeat": Case(schema("^*a$"), "schema-rejected", 400),
    "a range in reverse": Case(schema("^[z-a]$"), "schema-rejected", 400),
}  # fmt: skip

# Refused before anything is sent although the API would take it: the answer would be paid for nothing.
OWN: Final = {
    "an empty message": Case(messages({"role": "user", "content": ""}), "empty-prompt", 200),
    "an empty part": Case(parts({"type": "text", "text": ""}), "empty-prompt", 200),
}
ALL: Final = CASES | OWN


def body_of(case: Case) -> dict[str, Any]:
    return {"model": "grok-4.3", "messages": [USER], **case.body}


@pytest.fixture(scope="module")
def found() -> dict[str, list[Diagnostic]]:
    """Return the diagnostics of one file of all the lines, by the name of the case."""
    lines = (json.dumps({"custom_id": name, "body": body_of(case)}) for name, case in ALL.items())
    reader = JobFileReader(io.BytesIO("\n".join(lines).encode()), LoadFlags(), Tally(date(2026, 10, 1)))
    for _ in reader.requests():
        pass
    by_line: dict[int, list[Diagnostic]] = {}
    for one in (*reader.bad_diagnostics, *reader.warnings):
        by_line.setdefault(one.line, []).append(one)
    return {name: by_line.get(line, []) for line, name in enumerate(ALL, 1)}


@pytest.fixture(scope="module")
def api() -> Iterator[SimulatorThread]:
    with SimulatorThread() as simulator:
        yield simulator


@pytest.mark.parametrize("name", ALL)
def test_the_check_and_the_api_agree(
    name: str, found: dict[str, list[Diagnostic]], api: SimulatorThread
) -> None:
    """A refusal on one side is one on the other; each has its code and its cure."""
    case = ALL[name]
    reply = api.call("POST", CHAT, json.dumps({**body_of(case), "deferred": True}).encode())

    assert [one.code for one in found[name]] == ([case.code] if case.code else [])
    assert all(one.severity == ("warning" if case.is_warning else "refused") for one in found[name])
    assert all(one.reason and one.fix for one in found[name])
    assert reply.status == case.status, reply.raw
    if name in CASES:
        assert (reply.status == 200) == (case.is_warning or not case.code)
