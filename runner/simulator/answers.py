"""Model answers: choices and usage, the same for the same seed and request body."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from runner.simulator.answer_faults import spoil
from runner.simulator.images import image_tokens
from runner.simulator.label_marks import read_marks
from runner.simulator.labelled_instances import make_labelled
from runner.simulator.schema_instances import make_instance
from runner.simulator.usage import (
    MESSAGE_TOKENS,
    OVERHEAD_CACHED,
    OVERHEAD_TOKENS,
    TOKEN_BYTES,
    Usage,
    count_tokens,
    price_usage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.simulator.checks import Body
    from runner.simulator.models import Model

REASONING_MEDIAN_TOKENS = 220
REASONING_SIGMA = 0.6
EFFORTS = {"none": 0.0, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
ECHO_WORDS = 8
REFUSAL_MARKER = "[simulate:refusal]"  # these two: in the last user text
EMPTY_MARKER = "[simulate:empty]"
REFUSAL = "I'm sorry, but I can't help with that."
CACHE_MISS_ONE_IN = 16  # one request in 16 does not find the hidden overhead in the cache

_PHRASES = ("In short", "Put simply", "Briefly", "To answer that", "On balance", "As far as one can tell")
_NORMAL = NormalDist()


@dataclass(slots=True, kw_only=True)
class Prompt:
    """The last user text of a request, its labels, and its prompt tokens.

    `labels` are those of the last user text with marks, and `row` is that text without them. Where no text
    has marks, `row` is the last user text.
    """

    text: str
    row: str
    labels: dict[str, str]
    text_tokens: int
    image_tokens: int


@dataclass(slots=True, kw_only=True)
class Answer:
    """The answer to one request. Its latency is drawn from `random_bytes`. `fault`: of answer_faults.py."""

    choices: bytes  # JSON
    usage: Usage
    fault: str | None
    random_bytes: bytes

    def latency_deviate(self) -> float:
        """Return the standard normal deviate of the latency."""
        return _deviate(self.random_bytes[8:14])


def read_prompt(body: Body) -> Prompt:
    """Return the prompt with its tokens: texts, images, tools, schema and the hidden overhead."""
    text, image, last, marked = OVERHEAD_TOKENS, 0, "", None
    for message in body["messages"]:
        content, images = _read_content(message.get("content") or "")
        text += MESSAGE_TOKENS + count_tokens(content)
        image += images
        if message["role"] == "user":
            last = content
            found = read_marks(content)
            marked = found if found.labels else marked
    for field in ("tools", "response_format"):
        if field in body:
            text += len(orjson.dumps(body[field])) // TOKEN_BYTES
    row, labels = (last, {}) if marked is None else (marked.text, marked.labels)
    return Prompt(text=last, row=row, labels=labels, text_tokens=text, image_tokens=image)


def _read_content(content: str | list[dict[str, Any]]) -> tuple[str, int]:
    """Return the text of a message, and the tokens of its images."""
    if isinstance(content, str):
        return content, 0
    texts = [part["text"] for part in content if part["type"] == "text"]
    images = [image_tokens(part["image_url"]) for part in content if part["type"] == "image_url"]
    return "\n".join(texts), sum(images)


class _Choice(NamedTuple):
    """One choice as the reply has it, its tokens, and the fault of its text."""

    fields: dict[str, Any]
    tokens: int
    fault: str | None = None


class AnswerPlan(NamedTuple):
    """What is set about an answer before it is made.

    `texts` of its choices; none where it is made from the request. `fault`, of answer_faults.py, is for an
    answer that is made to follow a json_schema; any other stays as it is.
    """

    texts: Sequence[str] = ()
    fault: str | None = None


def compose_answer(body: Body, prompt: Prompt, model: Model, random_bytes: bytes, plan: AnswerPlan) -> Answer:
    """Return the answer to a checked request. `random_bytes`: 32 bytes, a hash of seed and body.

    A tool call, a refusal and an empty answer come before the texts of the plan.
    """
    count = body.get("n", 1)
    made = [_choice(body, prompt, index, random_bytes, plan) for index in range(count)]
    reasoning = _reasoning_tokens(body, model, random_bytes) * count
    usage = price_usage(
        model,
        text=prompt.text_tokens,
        image=prompt.image_tokens,
        cached=OVERHEAD_CACHED if random_bytes[0] % CACHE_MISS_ONE_IN else 0,
        completion=sum(choice.tokens for choice in made),
        reasoning=reasoning,
    )
    choices = bytes(
        memoryview(orjson.dumps([choice.fields for choice in made]))
    )  # a copy: orjson's bytes object keeps 4 kB
    made_faults = [choice.fault for choice in made if choice.fault]
    return Answer(
        choices=choices,
        usage=usage,
        fault=made_faults[0] if made_faults else None,
        random_bytes=random_bytes,
    )


def _choice(body: Body, prompt: Prompt, index: int, random_bytes: bytes, plan: AnswerPlan) -> _Choice:
    tool = _tool(body)
    if tool is not None:
        return _tool_call(tool, prompt, index, random_bytes)
    if REFUSAL_MARKER in prompt.text:
        message = {"role": "assistant", "content": "", "refusal": REFUSAL}
        return _Choice(_make_choice(index, message, "stop"), count_tokens(REFUSAL))
    text, fault = _content(body, prompt, index, random_bytes, plan)
    tokens, finish = count_tokens(text), "stop"
    cap = body.get("max_completion_tokens", body.get("max_tokens"))
    if cap is not None and tokens > cap:
        text, tokens, finish = text.encode()[: cap * TOKEN_BYTES].decode(errors="ignore"), cap, "length"
        fault = None  # the cap cut the text: what was wrong with it does not show
    answer = {"role": "assistant", "content": text, "refusal": None}
    return _Choice(_make_choice(index, answer, finish), tokens, fault)


def _tool_call(tool: dict[str, Any], prompt: Prompt, index: int, random_bytes: bytes) -> _Choice:
    random = _random(random_bytes, index)
    instance = make_instance(tool.get("parameters") or {"type": "object"}, random, prompt.text)
    arguments = orjson.dumps(instance).decode()
    call = {
        "id": f"call_{int.from_bytes(random_bytes[20:24]) + index:08x}",
        "type": "function",
        "function": {"name": tool["name"], "arguments": arguments},
    }
    message = {"role": "assistant", "content": "", "refusal": None, "tool_calls": [call]}
    tokens = count_tokens(arguments) + count_tokens(tool["name"])
    return _Choice(_make_choice(index, message, "tool_calls"), tokens)


def _make_choice(index: int, message: dict[str, Any], reason: str) -> dict[str, Any]:
    return {"index": index, "message": message, "finish_reason": reason}


def _tool(body: Body) -> dict[str, Any] | None:
    """Return the function to call; None after a tool's result, so that a loop of calls ends."""
    tools, choice = body.get("tools"), body.get("tool_choice", "auto")
    if not tools or choice == "none" or body["messages"][-1]["role"] == "tool":
        return None
    functions = [tool["function"] for tool in tools]
    if isinstance(choice, dict):
        functions = [one for one in functions if one["name"] == choice["function"]["name"]]
    function: dict[str, Any] = functions[0]
    return function


def _content(
    body: Body, prompt: Prompt, index: int, random_bytes: bytes, plan: AnswerPlan
) -> tuple[str, str | None]:
    """Return the text of an answer, and its fault if it has one."""
    if EMPTY_MARKER in prompt.text:
        return "", None
    if plan.texts:
        return plan.texts[index], None
    output = body.get("response_format", {}).get("type", "text")
    if output == "json_schema":
        return _structured(
            body["response_format"]["json_schema"]["schema"], prompt, index, random_bytes, plan.fault
        )
    phrase = _PHRASES[random_bytes[(14 + index) % 32] % len(_PHRASES)]
    echo = " ".join(prompt.text.split(None, ECHO_WORDS)[:ECHO_WORDS])
    sentence = f'{phrase}, this is an answer to "{echo}".'
    return orjson.dumps({"answer": sentence}).decode() if output == "json_object" else sentence, None


def _structured(
    schema: Any, prompt: Prompt, index: int, random_bytes: bytes, fault: str | None
) -> tuple[str, str | None]:
    random = _random(random_bytes, index)
    if prompt.labels:
        instance = make_labelled(schema, random, prompt.row, prompt.labels)
    else:
        instance = make_instance(schema, random, prompt.row)
    spoiled = None if fault is None else spoil(fault, schema, instance, random)
    return (orjson.dumps(instance).decode(), None) if spoiled is None else (spoiled, fault)


def _random(random_bytes: bytes, index: int) -> Random:
    return Random(int.from_bytes(random_bytes[24:]) + index)


def _reasoning_tokens(body: Body, model: Model, random_bytes: bytes) -> int:
    if not model.reasons:
        return 0
    scale = EFFORTS[body.get("reasoning_effort", model.effort)]
    return round(scale * REASONING_MEDIAN_TOKENS * math.exp(REASONING_SIGMA * _deviate(random_bytes[1:7])))


def _deviate(random_bytes: bytes) -> float:
    """Return a standard normal deviate from six random bytes."""
    return _NORMAL.inv_cdf((int.from_bytes(random_bytes) + 0.5) / 2**48)
