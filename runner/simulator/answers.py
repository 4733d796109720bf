"""What the model says: choices and their sizes, the same for the same seed and request body."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import orjson

from runner.simulator.images import image_tokens
from runner.simulator.instances import instance
from runner.simulator.usage import (
    MESSAGE_TOKENS,
    OVERHEAD_CACHED,
    OVERHEAD_TOKENS,
    TOKEN_BYTES,
    Usage,
    count_tokens,
    measure,
)

if TYPE_CHECKING:
    from runner.simulator.checks import Body
    from runner.simulator.models import Model

REASONING_MEDIAN_TOKENS = 220
REASONING_SIGMA = 0.6
EFFORTS = {"none": 0.0, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
ECHO_WORDS = 8
REFUSED_MARK = "[simulate:refusal]"  # in the last user text
EMPTY_MARK = "[simulate:empty]"
REFUSAL = "I'm sorry, but I can't help with that."
COLD_ONE_IN = 16  # so often the hidden overhead is not found in the cache

_OPENINGS = ("In short", "Put simply", "Briefly", "To answer that", "On balance", "As far as one can tell")
_NORMAL = NormalDist()


@dataclass(slots=True, kw_only=True)
class Prompt:
    """What a request asks: its last user text, and its tokens."""

    text: str
    text_tokens: int
    image_tokens: int


@dataclass(slots=True, kw_only=True)
class Answer:
    """`choices` as JSON, the usage, and the chance that the latency is drawn from."""

    choices: bytes
    usage: Usage
    chance: bytes

    def deviate(self) -> float:
        """The latency as a standard normal deviate."""
        return _deviate(self.chance[8:14])


def read(body: Body) -> Prompt:
    """Counts the prompt: texts, images, tools, schema and the hidden overhead."""
    text, image, last = OVERHEAD_TOKENS, 0, ""
    for message in body["messages"]:
        content = message.get("content") or ""
        text += MESSAGE_TOKENS
        if isinstance(content, list):
            image += sum(image_tokens(part["image_url"]) for part in content if part["type"] == "image_url")
            content = "\n".join(part["text"] for part in content if part["type"] == "text")
        text += count_tokens(content)
        if message["role"] == "user":
            last = content
    for field in ("tools", "response_format"):
        if field in body:
            text += len(orjson.dumps(body[field])) // TOKEN_BYTES
    return Prompt(text=last, text_tokens=text, image_tokens=image)


def compose(body: Body, prompt: Prompt, model: Model, chance: bytes) -> Answer:
    """The answer to a checked request. `chance` is 32 bytes drawn from the seed and the body."""
    count = body.get("n", 1)
    chosen = [_choice(body, prompt, index, chance) for index in range(count)]
    reasoning = _reasoning_tokens(body, model, chance) * count
    usage = measure(
        model,
        text=prompt.text_tokens,
        image=prompt.image_tokens,
        cached=OVERHEAD_CACHED if chance[0] % COLD_ONE_IN else 0,
        completion=sum(tokens for _, tokens in chosen),
        reasoning=reasoning,
    )
    choices = bytes(memoryview(orjson.dumps([choice for choice, _ in chosen])))  # orjson's own keeps 4 kB
    return Answer(choices=choices, usage=usage, chance=chance)


def _choice(body: Body, prompt: Prompt, index: int, chance: bytes) -> tuple[dict[str, Any], int]:
    tool = _tool(body)
    if tool is not None:
        arguments = _instance(tool.get("parameters") or {"type": "object"}, prompt, index, chance)
        call = {
            "id": f"call_{int.from_bytes(chance[20:24]) + index:08x}",
            "type": "function",
            "function": {"name": tool["name"], "arguments": arguments},
        }
        message = {"role": "assistant", "content": "", "refusal": None, "tool_calls": [call]}
        return _finished(index, message, "tool_calls"), count_tokens(arguments) + count_tokens(tool["name"])
    if REFUSED_MARK in prompt.text:
        message = {"role": "assistant", "content": "", "refusal": REFUSAL}
        return _finished(index, message, "stop"), count_tokens(REFUSAL)
    text = "" if EMPTY_MARK in prompt.text else _content(body, prompt, index, chance)
    tokens, finish = count_tokens(text), "stop"
    cap = body.get("max_completion_tokens", body.get("max_tokens"))
    if cap is not None and tokens > cap:
        text, tokens, finish = text.encode()[: cap * TOKEN_BYTES].decode(errors="ignore"), cap, "length"
    return _finished(index, {"role": "assistant", "content": text, "refusal": None}, finish), tokens


def _finished(index: int, message: dict[str, Any], reason: str) -> dict[str, Any]:
    return {"index": index, "message": message, "finish_reason": reason}


def _tool(body: Body) -> dict[str, Any] | None:
    """The function to call: none after a tool's result, so that a loop of calls comes to its end."""
    tools, choice = body.get("tools"), body.get("tool_choice", "auto")
    if not tools or choice == "none" or body["messages"][-1]["role"] == "tool":
        return None
    functions = [tool["function"] for tool in tools]
    if isinstance(choice, dict):
        functions = [one for one in functions if one["name"] == choice["function"]["name"]]
    function: dict[str, Any] = functions[0]
    return function


def _content(body: Body, prompt: Prompt, index: int, chance: bytes) -> str:
    wish = body.get("response_format", {}).get("type", "text")
    if wish == "json_schema":
        return _instance(body["response_format"]["json_schema"]["schema"], prompt, index, chance)
    opening = _OPENINGS[chance[(14 + index) % 32] % len(_OPENINGS)]
    echo = " ".join(prompt.text.split(None, ECHO_WORDS)[:ECHO_WORDS])
    sentence = f'{opening}, this is an answer to "{echo}".'
    return orjson.dumps({"answer": sentence}).decode() if wish == "json_object" else sentence


def _instance(schema: Any, prompt: Prompt, index: int, chance: bytes) -> str:
    random = Random(int.from_bytes(chance[24:]) + index)
    return orjson.dumps(instance(schema, random, prompt.text)).decode()


def _reasoning_tokens(body: Body, model: Model, chance: bytes) -> int:
    if not model.reasons:
        return 0
    scale = EFFORTS[body.get("reasoning_effort", model.effort)]
    return round(scale * REASONING_MEDIAN_TOKENS * math.exp(REASONING_SIGMA * _deviate(chance[1:7])))


def _deviate(chance: bytes) -> float:
    """A standard normal deviate from six bytes of chance."""
    return _NORMAL.inv_cdf((int.from_bytes(chance) + 0.5) / 2**48)
