"""GitHub Actions: whether a command runs in a job there, and the summary that the job shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.rules.json_text.answer_json import without_surrogates
from runner.rules.os_text import reason_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SUMMARY_BYTES_MAX: Final = 1024 * 1024  # of a step; GitHub shows nothing of a longer one
_CUT_NOTE: Final = "\n\n… the rest is left out: GitHub shows 1 MiB\n"


def is_github_actions(environ: Mapping[str, str]) -> bool:
    """Return whether this process is part of a job of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def write_step_summary(markdown: str, environ: Mapping[str, str]) -> str | None:
    """Append a page to the summary of the step; cut it where the summary would be too long.

    Return why it could not be written, as a warning; None if it was, or if there is no summary to write.
    """
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return None
    try:
        with Path(name).open("ab") as file:
            file.write(_fitting(without_surrogates(markdown), SUMMARY_BYTES_MAX - file.tell()))
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "its name is none of a file"
        return f"the summary of GitHub Actions cannot be written: {reason}"
    return None


def _fitting(page: str, bytes_max: int) -> bytes:
    """Return a page as UTF-8, apart from what stands before it; cut after a line if it is too long."""
    content = f"\n{page}\n".encode()
    if len(content) <= bytes_max:
        return content
    note = _CUT_NOTE.encode()
    kept = content[: max(0, bytes_max - len(note))]
    kept = kept[: kept.rfind(b"\n") + 1]
    return kept + note if len(kept) + len(note) <= bytes_max else b""
