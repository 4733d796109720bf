"""Recognises lines that are no jobs: results of a batch, and the job lines of other services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign_form import ForeignForm, recognised
from runner.rules.other_file import OtherFile

if TYPE_CHECKING:
    from collections.abc import Mapping

CONVERT: Final = "runner convert FILE -o NEW"
_SENT: Final = "give the file with the jobs themselves; results have no prompt in them"
_OWN_ERRORS: Final = "runner retry RUN --failed sends the failed jobs of a run again"
_OWN_SUMMARY: Final = "give the job file; runner list names the runs and their files"
_RESULT_TYPES: Final = frozenset({"succeeded", "errored", "canceled", "expired"})


def other_line(line: Mapping[str, Any]) -> OtherFile | None:
    """Return what a file is that begins with this line; None if the line is no result and of no service."""
    if found := _results(line):
        return found
    form = recognised(line)
    return None if form is None else foreign_lines(form)


def foreign_lines(form: ForeignForm) -> OtherFile:
    """Return what a file of such lines is."""
    return OtherFile(code="foreign-form", what=f"written for {form.service}", fix=f"convert it: {CONVERT}")


def _results(line: Mapping[str, Any]) -> OtherFile | None:
    if _is_own_summary(line):
        return OtherFile(code="results-file", what="the summary of a run, not its jobs", fix=_OWN_SUMMARY)
    if _is_output(line):
        if isinstance(line.get("error"), dict) and "attempts" in line["error"]:
            return OtherFile(code="results-file", what="the errors file of a run", fix=_OWN_ERRORS)
        return OtherFile(code="results-file", what="the results of a batch, not its jobs", fix=_SENT)
    if line.get("object") == "chat.completion" or _is_result_of_another(line):
        return OtherFile(code="results-file", what="answers, not jobs", fix=_SENT)
    return None


def _is_own_summary(line: Mapping[str, Any]) -> bool:
    return {"schema", "run", "counts", "cost", "attempts"} <= line.keys()


def _is_output(line: Mapping[str, Any]) -> bool:
    """Return whether a line has the form of OpenAI's batch output, which is that of this program too."""
    return {"response", "error"} <= line.keys() and bool({"custom_id", "id"} & line.keys())


def _is_result_of_another(line: Mapping[str, Any]) -> bool:
    """Return whether a line is a result of xAI's, Anthropic's, Bedrock's or Gemini's batches."""
    result, response = line.get("result"), line.get("response")
    return (
        "batch_result" in line
        or "modelOutput" in line
        or (isinstance(result, dict) and result.get("type") in _RESULT_TYPES)
        or (isinstance(response, dict) and "candidates" in response)
    )
