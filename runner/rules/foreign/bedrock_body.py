"""Model inputs of Amazon Bedrock, written as bodies of chat completions: of the Converse form, and of models.

Source: Bedrock's user guide on batch inference (InvokeModel and Converse) and on the parameters of models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.anthropic_body import chat_of_anthropic, is_anthropic
from runner.rules.foreign.changes import refusal
from runner.rules.foreign.converse_body import chat_of_converse, is_converse
from runner.rules.foreign.effects import AS_FIRST_MESSAGE
from runner.rules.foreign.typed import drop_unknown, list_of, object_of, text_of, without_nulls

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.foreign.content_parts import Message

_TEMPLATES: Final = (  # marks of Llama, Mistral, Qwen, Gemma, DeepSeek and Claude 2
    *("<|begin_of_text|>", "<|start_header_id|>", "[INST]", "<|im_start|>", "<start_of_turn>"),
    *("<\uff5cUser\uff5c>", "\n\nHuman:"),
)
_PROMPTS: Final = ("prompt", "inputText", "message")  # of Llama and Mistral, of Titan, of Cohere
_NAMES: Final = {  # of settings, as chat completions call them
    "max_gen_len": "max_completion_tokens",
    "maxTokenCount": "max_completion_tokens",
    "maxTokens": "max_completion_tokens",
    "max_tokens_to_sample": "max_completion_tokens",
    "topP": "top_p",
    "p": "top_p",
    "k": "top_k",
    "stopSequences": "stop",
    "stop_sequences": "stop",
}
_COHERE_ROLES: Final = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}


def chat_of_bedrock(model_input: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the body of chat completions that asks for the same. Raises CannotConvert."""
    body = without_nulls(model_input)
    if isinstance(body.get("messages"), list):
        if is_converse(body):
            return chat_of_converse(body, changes)
        return chat_of_anthropic(body, changes) if is_anthropic(body) else body
    name = next((name for name in _PROMPTS if name in body), None)
    if name is None:
        fix = "leave the line out, or write its prompt as messages"
        raise refusal("unknown-form", "modelInput has neither messages nor a prompt", fix)
    prompt = text_of(body.pop(name), name)
    if any(template in prompt for template in _TEMPLATES):
        fix = "write the prompt as messages, without the marks of the template"
        raise refusal("prompt-template", f"{name} is written in the template of another model", fix)
    changes.translated(name, "sent as the message of the user")
    earlier = _chat_history(body, changes)
    settings = _renamed(body, changes)
    return {**settings, "messages": [*earlier, {"role": "user", "content": prompt}]}


def _chat_history(body: dict[str, Any], changes: Changes) -> list[Message]:
    """Return the messages before the prompt, which Cohere's models have."""
    made: list[Message] = []
    if "preamble" in body:
        made.append({"role": "system", "content": text_of(body.pop("preamble"), "preamble")})
        changes.translated("preamble", AS_FIRST_MESSAGE)
    for turn in list_of(body.pop("chat_history", []), "chat_history"):
        given = object_of(turn, "chat_history")
        drop_unknown(given, ("role", "message"), "chat_history", changes)
        role = given.get("role")
        if not isinstance(role, str) or role not in _COHERE_ROLES:
            raise refusal(
                "unknown-role", "chat_history has a role that does not exist", "use USER or CHATBOT"
            )
        made.append({"role": _COHERE_ROLES[role], "content": text_of(given.get("message"), "chat_history")})
        changes.translated("chat_history", "written as messages")
    return made


def _renamed(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    settings = {**body, **object_of(body.get("textGenerationConfig", {}), "textGenerationConfig")}
    settings.pop("textGenerationConfig", None)
    for name in [name for name in settings if name in _NAMES]:
        settings[_NAMES[name]] = settings.pop(name)
        changes.translated(name, f"written as {_NAMES[name]}")
    return settings
