"""From the bytes of one job line to the request to send, or to its diagnostics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from runner.rules.diagnostics import Diagnostic, Problem, has_refusal
from runner.rules.json_text.json_faults import column_of
from runner.rules.json_text.strict_json import parse_object
from runner.rules.other_files.foreign_form import recognised
from runner.rules.other_files.other_line import CONVERT
from runner.rules.requests.output_estimate import assumed_output
from runner.rules.requests.parse_line import body_and_metadata, parse_line, with_line_path
from runner.rules.requests.validate import Validation, validate
from runner.rules.sending.rate_limits import NOT_GIVEN, GivenLimits

if TYPE_CHECKING:
    from runner.rules.requests.output_estimate import OutputRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Settings of a run that apply to all its lines.

    `model` is used for lines that name none, `model_for_all` for all lines. `limits`
    are those that were given, beside the model's own: a prompt has to fit them.
    """

    model: str
    limits: GivenLimits = NOT_GIVEN
    model_for_all: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One job, ready to be stored and sent.

    A Struct, because it is created five times faster than a dataclass, once for each line.
    """

    custom_id: str
    model: str  # as sent, maybe an alias
    body: bytes  # the API's request body without `deferred`, each field as written in the line
    metadata: bytes | None  # JSON, as written
    conv_id: str | None  # equal for prompts with the same model, tools, schema and system messages
    prompt_tokens_estimate: int  # with images and the model's overhead
    max_output_tokens: int | None  # what the job sets, without reasoning
    outputs: OutputRange  # assumed output, with reasoning
    is_priority: bool  # asks for the priority service tier
    names_model: bool = True  # the line names a model itself


def read_request(raw: bytes, line: int, defaults: Defaults) -> tuple[Request | None, list[Diagnostic]]:
    """Parse and validate one line; `line` is its number in the file.

    Return the request and its warnings, or None and at least one refusal. Never raises.
    """
    value = parse_object(raw)
    if isinstance(value, Problem):
        return None, [value.at_line(line)]
    parsed = parse_line(value, line, defaults.model, defaults.model_for_all)
    if has_refusal(parsed.problems):
        return None, _of_other_service(value, line) or _diagnostics(raw, line, parsed.problems)
    validation = validate(parsed.body, defaults.limits)
    diagnostics: list[Diagnostic] = []
    if parsed.problems or validation.problems:
        problems = [*parsed.problems, *(with_line_path(problem, parsed) for problem in validation.problems)]
        diagnostics = _diagnostics(raw, line, problems)
    if validation.refused:
        return None, _of_other_service(value, line) or diagnostics
    body, metadata = body_and_metadata(raw, parsed)
    return (
        Request(
            custom_id=parsed.custom_id,
            model=parsed.body["model"],
            body=body,
            metadata=metadata,
            conv_id=validation.conv_id,
            prompt_tokens_estimate=validation.prompt_tokens,
            max_output_tokens=validation.max_output_tokens,
            outputs=validation.outputs,
            is_priority=validation.is_priority,
            names_model=parsed.names_model,
        ),
        diagnostics,
    )


def validate_with_model(body: bytes, model: str, limits: GivenLimits) -> Validation:
    """Return what `validate` finds in a stored body with another model."""
    value = parse_object(body)
    if isinstance(value, Problem):  # not by what is stored today; an older version may have stored it
        return Validation([value], True, None, 0, None, assumed_output({}, None), False)
    return validate({**value, "model": model}, limits)


def splice_deferred(body: bytes) -> bytes:
    """Return the body as it is sent: `deferred` first, then the rest of `body` unchanged."""
    return b"".join((b'{"deferred":true,', memoryview(body)[1:]))  # one copy: a body may have an image


def _of_other_service(value: dict[str, Any], line: int) -> list[Diagnostic]:
    """Return the one diagnostic of a line for another service, which explains all others; else none."""
    form = recognised(value)
    if form is None:
        return []
    reason, fix = f"the line is written for {form.service}", f"convert the file: {CONVERT}"
    return [Problem(code="foreign-form", column=1, reason=reason, fix=fix).at_line(line)]


def _diagnostics(raw: bytes, line: int, problems: list[Problem]) -> list[Diagnostic]:
    """Place the problems on their line. Only refusals get a column: warnings may be on every line."""
    return [
        problem.at_line(line, column_of(raw, problem.path) if problem.severity == "refused" else None)
        for problem in problems
    ]
