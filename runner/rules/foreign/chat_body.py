"""Bodies of chat completions as other services take them, made into what xAI and the model take.

All forms of other services end here: each is first written as a body of OpenAI's chat completions.
Source: the types of OpenAI's Python client 2.x and of LiteLLM's bodies; for xAI the checks of `fields`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules import models
from runner.rules.foreign.changes import stored_elsewhere
from runner.rules.foreign.chat_messages import with_chat_messages
from runner.rules.foreign.chat_reasoning import fit_format, fit_reasoning
from runner.rules.foreign.effects import (
    CACHED,
    DEFAULT_REASONING,
    NO_LOGPROBS,
    OF_ANY_LENGTH,
    OWN_ADDRESS,
    UNKNOWN_FIELD,
)
from runner.rules.foreign.tool_choices import built_in_tool, with_chat_tools
from runner.rules.foreign.typed import without_nulls
from runner.rules.requests.connection_fields import is_connection_field, is_secret_field
from runner.rules.requests.fields import STOPS_MAX, is_body_field

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.models import ModelFacts

Body = dict[str, Any]

_UNGUIDED: Final = "answers need not have this form; response_format holds them to a schema"
_DROPPED: Final = {  # fields of other services, and what their loss may change
    "audio": "answers are text",
    "background": "every job is sent deferred",
    "cache_control": CACHED,
    "context_management": "a prompt above the model's window fails, none of it is left out",
    "enable_thinking": DEFAULT_REASONING,
    "guided_choice": _UNGUIDED,
    "guided_grammar": _UNGUIDED,
    "guided_json": _UNGUIDED,
    "guided_regex": _UNGUIDED,
    "include": "answers come without what it asks for",
    "inference_geo": "where an answer is made is a setting of the account",
    "logit_bias": "no word is made likelier or less likely",
    "logprobs": NO_LOGPROBS,
    "max_tool_calls": "the number of calls is not limited",
    "min_p": "answers may vary more",
    "moderation": "xAI moderates by its own rules",
    "modalities": "answers are text",
    "n": "one answer a line; write the line several times, with other ids, for more",
    "prediction": "answers are the same, only slower",
    "prompt_cache_options": CACHED,
    "prompt_cache_retention": CACHED,
    "repetition_penalty": "answers may repeat themselves more",
    "safetySettings": "xAI moderates by its own rules",
    "service_tier": "every job has the default tier; priority costs twice at xAI",
    "store": "xAI keeps a deferred answer for 24 hours; runner keeps it in its database",
    "stream": "every answer comes whole",
    "stream_options": "every answer comes whole",
    "top_k": "answers may vary more",
    "top_logprobs": NO_LOGPROBS,
    "truncation": "a prompt above the model's window fails, none of it is left out",
    "verbosity": OF_ANY_LENGTH,
}
_STORED: Final = ("previous_response_id", "conversation", "cachedContent", "container", "prompt")
_PENALTIES: Final = "answers may repeat themselves more"
_OF_MODEL: Final = {
    "frequency_penalty": _PENALTIES,
    "presence_penalty": _PENALTIES,
    "stop": "answers do not end at these texts, and may be longer",
    "logprobs": NO_LOGPROBS,
    "top_logprobs": NO_LOGPROBS,
}
_DEFAULTS: Final[tuple[tuple[str, object], ...]] = (
    ("stream", False),
    ("n", 1),
    ("logprobs", False),
    ("stop", []),
)  # so it is anyway
_TRANSLATED: Final = ("functions", "function_call", "reasoning", "thinking")
OTHER_FIELDS: Final = frozenset((*_DROPPED, *_STORED, *_TRANSLATED, "web_search_options", "plugins"))


def body_for_xai(body: Body, model: str | None, changes: Changes, *, of_other_model: bool) -> Body:
    """Return a body of chat completions without what xAI or the model does not take.

    `model` is the one that answers, None for the default of a run; `of_other_model`: the body was written for
    a model that is none of xAI's. Raises CannotConvert where a loss would make another request of it.
    """
    facts = models.facts(models.DEFAULT if model is None else model)
    body = without_nulls(body)
    _refuse_what_is_elsewhere(body)
    _rename_limit(body, changes, is_new=of_other_model)
    body = with_chat_tools(body, changes)
    body = with_chat_messages(body, changes, of_other_model=of_other_model)
    fit_reasoning(body, facts, changes)
    fit_format(body, changes)
    kept = {name: field for name, field in body.items() if not _drop(name, field, facts, changes)}
    _fit_stop(kept, changes)
    return kept if model is None else {"model": model, **kept}


def _refuse_what_is_elsewhere(body: Body) -> None:
    for name in _STORED:
        if name in body:
            raise stored_elsewhere(name, "the other service")
    if "web_search_options" in body:
        raise built_in_tool("web_search")
    if body.get("plugins"):  # OpenRouter's
        raise built_in_tool("plugins")


def _rename_limit(body: Body, changes: Changes, *, is_new: bool) -> None:
    """Write `max_tokens` as xAI names it now. It limits less there: not the reasoning."""
    if "max_tokens" in body:
        limit = body.pop("max_tokens")
        body.setdefault("max_completion_tokens", limit)
        changes.translated("max_tokens", "written as max_completion_tokens")
    if is_new and "max_completion_tokens" in body:
        changes.translated("max_completion_tokens", "limits the text of an answer at xAI, not its reasoning")


def _fit_stop(body: Body, changes: Changes) -> None:
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]
        changes.translated("stop", "written as a list")
    if isinstance(body.get("stop"), list) and len(body["stop"]) > STOPS_MAX:
        body["stop"] = body["stop"][:STOPS_MAX]
        changes.dropped("stop", f"only the first {STOPS_MAX} texts are sent, as many as xAI takes")


def _drop(name: str, field: object, facts: ModelFacts | None, changes: Changes) -> bool:
    """Return whether a field is left out; add it to the changes where that may matter."""
    if name == "model" or (name, field) in _DEFAULTS:
        return True
    effect = _effect_of_loss(name, field, facts)
    if effect is not None:
        changes.dropped(name, effect)
    return effect is not None


def _effect_of_loss(name: str, field: object, facts: ModelFacts | None) -> str | None:
    """Return what the loss of a field may change; None for one that is sent."""
    if facts is not None and name in (facts.rejects | facts.ignores):
        return f"the model does not take it: {_OF_MODEL.get(name, 'it has no effect')}"
    if facts is not None and name in _OF_MODEL:
        return None
    if is_connection_field(name) or is_secret_field(name, field):
        return OWN_ADDRESS
    if name in _DROPPED:
        return _DROPPED[name]
    return None if is_body_field(name) else UNKNOWN_FIELD
