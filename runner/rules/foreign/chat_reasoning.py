"""How much a model reasons and in which form it answers, as bodies of OpenAI's form ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import refusal
from runner.rules.foreign.content_parts import schema_format
from runner.rules.foreign.effects import DEFAULT_REASONING
from runner.rules.foreign.efforts import effort_of_budget, nearest_effort
from runner.rules.foreign.typed import object_of, text_of

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.models import ModelFacts

_FORMATS: Final = ("text", "json_object", "json_schema")


def fit_reasoning(body: dict[str, Any], facts: ModelFacts | None, changes: Changes) -> None:
    """Write the effort in a body as one that the model takes; leave it out where the model takes none.

    Beside OpenAI's `reasoning_effort` there are `reasoning` of OpenRouter, `thinking` of DeepSeek and Zhipu.
    """
    for name in ("reasoning", "thinking"):
        if name in body:
            effort = _effort(object_of(body.pop(name), name))
            if effort is None or "reasoning_effort" in body:
                changes.dropped(name, DEFAULT_REASONING)
            else:
                body["reasoning_effort"] = effort
                changes.translated(name, "written as reasoning_effort")
    if "reasoning_effort" in body:
        _fit_effort(body, facts, changes)


def fit_format(body: dict[str, Any], changes: Changes) -> None:
    """Write a schema beside json_object, as Together and Fireworks take it, as json_schema.

    Raises CannotConvert for a form of answers that xAI does not have.
    """
    form = body.get("response_format")
    if not isinstance(form, dict):
        return
    kind = form.get("type")
    if isinstance(kind, str) and kind not in _FORMATS:
        fix = "describe the form in the prompt, or give a JSON schema"
        raise refusal("no-counterpart", f"xAI has no response_format of the type {kind}", fix)
    if kind == "json_object" and isinstance(form.get("schema"), dict):
        body["response_format"] = schema_format(form["schema"])
        changes.translated("response_format", "the schema of json_object is written as json_schema")


def _effort(given: dict[str, Any]) -> str | None:
    """Return the effort that an object asks for; None for the default."""
    budget = given.get("max_tokens", given.get("budget_tokens"))
    if given.get("enabled") is False or given.get("type") == "disabled":
        return "none"
    if isinstance(given.get("effort"), str):
        return str(given["effort"])
    return effort_of_budget(max(budget, 1)) if type(budget) is int else None


def _fit_effort(body: dict[str, Any], facts: ModelFacts | None, changes: Changes) -> None:
    given = text_of(body["reasoning_effort"], "reasoning_effort")
    effort = nearest_effort(given, facts.efforts if facts else None)
    if effort is None:
        del body["reasoning_effort"]
        changes.dropped("reasoning_effort", DEFAULT_REASONING)
    elif effort != given:
        body["reasoning_effort"] = effort
        changes.translated("reasoning_effort", f"{given} is written as {effort}")
