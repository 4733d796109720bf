"""From the bytes of one job line to the request that will be sent, or to what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from runner.rules.findings import Finding, Remark, is_refused
from runner.rules.forms import bytes_of, draft_of, placed
from runner.rules.json_faults import column_of
from runner.rules.lint import judge
from runner.rules.strict_json import parse_line

if TYPE_CHECKING:
    from runner.rules.outputs import Outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a run settles for all its lines.

    `model` fills in where a line names none. `tpm` is the user's limit of tokens a minute: None
    where there is none given (then the model's own counts), `math.inf` for no limit at all.
    """

    model: str
    tpm: float | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One job, ready to be stored and sent.

    `body` is the API's request body without `deferred`, each field as the line wrote it; `metadata`
    is the JSON text of that field. `model` is the name as sent, maybe an alias. `conv_id` is equal
    for jobs whose prompts begin alike (system messages, tools, schema, model), None where nothing
    is shared. `prompt_tokens_estimate` counts images and the model's overhead; `max_output_tokens`
    is what the job asks for, reasoning not included; `outputs` is what its answer is assumed to have,
    reasoning included; `is_priority` asks for the dearer service tier. (A Struct is made five times
    faster than a dataclass, and there is one a line.)
    """

    custom_id: str
    model: str
    body: bytes
    metadata: bytes | None
    conv_id: str | None
    prompt_tokens_estimate: int
    max_output_tokens: int | None
    outputs: Outputs
    is_priority: bool


def read_request(raw: bytes, line: int, defaults: Defaults) -> tuple[Request | None, list[Finding]]:
    """Read and judge one line; `line` is its physical number.

    Gives the request and its warnings, or None and at least one refusal. Raises nothing.
    """
    value = parse_line(raw)
    if isinstance(value, Remark):
        return None, [value.on(line)]
    draft = draft_of(value, line, defaults.model)
    if is_refused(draft.remarks):
        return None, _findings(raw, line, draft.remarks)
    judgement = judge(draft.body, defaults.tpm)
    findings: list[Finding] = []
    if draft.remarks or judgement.remarks:
        remarks = [*draft.remarks, *(placed(remark, draft) for remark in judgement.remarks)]
        findings = _findings(raw, line, remarks)
    if judgement.refused:
        return None, findings
    body, metadata = bytes_of(raw, draft)
    return (
        Request(
            custom_id=draft.custom_id,
            model=draft.body["model"],
            body=body,
            metadata=metadata,
            conv_id=judgement.conv_id,
            prompt_tokens_estimate=judgement.prompt_tokens,
            max_output_tokens=judgement.max_output_tokens,
            outputs=judgement.outputs,
            is_priority=judgement.is_priority,
        ),
        findings,
    )


def splice_deferred(body: bytes) -> bytes:
    """Give the body as it is posted: `deferred` first, everything else as it stands in `body`."""
    return b"".join((b'{"deferred":true,', memoryview(body)[1:]))  # one copy: a body may have an image


def _findings(raw: bytes, line: int, remarks: list[Remark]) -> list[Finding]:
    """Put remarks on their line. Only refusals are given a column: warnings can be on every line."""
    return [
        remark.on(line, column_of(raw, remark.path) if remark.severity == "refused" else None)
        for remark in remarks
    ]
