"""Recognises lines that are no jobs: results of a batch, and the job lines of other services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.other_files.foreign_form import recognised
from runner.rules.other_files.other_file import OtherFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONVERT: Final = "runner convert FILE -o NEW"
_SENT: Final = "give the file with the jobs themselves; results have no prompt in them"
_OF_AN_ERROR: Final = frozenset({"error", "code", "type", "status", "message", "request_id"})
_RESULT_TYPES: Final = frozenset({"succeeded", "errored", "canceled", "expired"})


def other_line(line: Mapping[str, Any]) -> OtherFile | None:
    """Return what a file is that begins with this line; None if the line is no result and of no service."""
    for is_such, kind in _RESULTS:
        if is_such(line):
            return kind
    form = recognised(line)
    if form is None:
        return None
    return OtherFile(code="foreign-form", what=f"written for {form.service}", fix=f"convert it: {CONVERT}")


def _is_summary(line: Mapping[str, Any]) -> bool:
    return {"schema", "run", "counts", "cost", "attempts"} <= line.keys()


def _is_output(line: Mapping[str, Any]) -> bool:
    """Return whether a line has the form of OpenAI's batch output, which is that of this program too."""
    return {"response", "error"} <= line.keys() and bool({"custom_id", "id"} & line.keys())


def _is_own_error(line: Mapping[str, Any]) -> bool:
    return _is_output(line) and isinstance(line["error"], dict) and "attempts" in line["error"]


def _is_error(line: Mapping[str, Any]) -> bool:
    return "error" in line and line.keys() <= _OF_AN_ERROR


def _is_batch(line: Mapping[str, Any]) -> bool:
    return line.get("object") == "batch"


def _is_answer(line: Mapping[str, Any]) -> bool:
    """Return whether a line is an answer: bare, or of xAI's, Anthropic's, Bedrock's or Gemini's batches."""
    result, response = line.get("result"), line.get("response")
    return (
        line.get("object") == "chat.completion"
        or "batch_result" in line
        or "modelOutput" in line
        or (isinstance(result, dict) and str(result.get("type")) in _RESULT_TYPES)
        or (isinstance(response, dict) and "candidates" in response)
    )


def _result(what: str, fix: str) -> OtherFile:
    return OtherFile(code="results-file", what=what, fix=fix)


_RESULTS: Final[tuple[tuple[Callable[[Mapping[str, Any]], bool], OtherFile], ...]] = (
    (
        _is_summary,
        _result("the summary of a run, not its jobs", "give the job file; runner list names the runs"),
    ),
    (
        _is_own_error,
        _result("the errors file of a run", "runner retry RUN --failed sends the failed jobs of a run again"),
    ),
    (_is_output, _result("the results of a batch, not its jobs", _SENT)),
    (
        _is_error,
        _result("an error of an API, not jobs", "make or download the file again: a service gave an error"),
    ),
    (_is_batch, _result("the description of a batch", "give the file that the batch was made from")),
    (_is_answer, _result("answers, not jobs", _SENT)),
)
