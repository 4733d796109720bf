"""The model of a converted line: that of the line where it is one of xAI's, else one that the user gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules import models
from runner.rules.foreign.changes import refusal
from runner.rules.foreign.typed import text_of
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes

_PREFIXES: Final = ("xai/", "x-ai/", "xai.")  # of LiteLLM, OpenRouter, Bedrock


class LineModel(NamedTuple):
    """The model that answers, None for the default of a run; whether another service was to answer."""

    name: str | None
    is_other: bool


def line_model(named: object, given: str | None, changes: Changes) -> LineModel:
    """Return the model for a line that names `named`, None for no model. Raises CannotConvert.

    `given`: the user's model for all lines. Without one the line's own must be one of xAI's, or be missing.
    """
    if given is not None and named != given:
        changes.translated("model", f"{shortened(given)} on every line")
    if named is None:
        return LineModel(given, is_other=False)
    name = _without_prefix(text_of(named, "model"), changes, is_replaced=given is not None)
    is_other = not _is_of_xai(name)
    if given is not None:
        return LineModel(given, is_other)
    if is_other:
        reason = f'the model "{shortened(name)}" is not one of xAI'
        raise refusal("foreign-model", reason, f"give one for all lines: --model {models.DEFAULT}")
    return LineModel(name, is_other)


def _is_of_xai(name: str) -> bool:
    """Return whether a name is in the catalogue, or may be newer than it."""
    return models.facts(name) is not None or name.lower().startswith("grok")


def _without_prefix(name: str, changes: Changes, *, is_replaced: bool) -> str:
    short = next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
    if short != name and not is_replaced:
        changes.translated("model", "the name of the service before it is left out")
    return short
