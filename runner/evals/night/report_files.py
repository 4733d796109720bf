"""The files of a night: its report as JSON, Markdown and JUnit XML, and its items as CSV.

The .eval.json is put in place first, and its mark says whose all of them are: so a night whose writing was
cut short still knows its own files.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from runner.rules.errors import UsageError
from runner.rules.evaluation.forms.items_csv import items_csv
from runner.rules.evaluation.forms.night_junit import night_junit
from runner.rules.evaluation.forms.night_markdown import night_markdown
from runner.rules.json_object import encoded
from runner.rules.occasion import file_stem
from runner.rules.redact import one_line
from runner.tables.draft_file import DraftFile, publish
from runner.tables.file_place import check_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.rules.evaluation.forms.items_csv import ItemLine
    from runner.rules.evaluation.report.night_report import NightReport

_REPORT_BYTES_MAX: Final = 64 * 1024 * 1024
_NAME_LENGTH: Final = 60
_JSON: Final = ".eval.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPaths:
    """The files of a night, in the order in which they are put in place."""

    report: Path
    markdown: Path
    junit: Path
    items: Path

    def __iter__(self) -> Iterator[Path]:
        """Yield them in that order."""
        return iter(astuple(self))


def report_paths(suite: str, night: str, output: Path | None = None) -> ReportPaths:
    """Return where the files of a night go: SUITE.DATE.eval.json and others beside it.

    `night` is its name, SUITE@DATE. `output` is a folder that exists, the .eval.json, or the files' name
    without endings; None is the current folder.
    """
    name = file_stem(Path(suite).name, night)
    stem = Path(name) if output is None else output
    if output is not None and output.is_dir():
        stem = output / name
    begin = stem.name.removesuffix(_JSON)
    return ReportPaths(
        report=stem.with_name(begin + _JSON),
        markdown=stem.with_name(f"{begin}.md"),
        junit=stem.with_name(f"{begin}.junit.xml"),
        items=stem.with_name(f"{begin}.items.csv"),
    )


def check_report_places(targets: ReportPaths, night_tag: str, *, force: bool = False) -> None:
    """Raise what `write_report_files` would before it writes, so that no answer is paid in vain."""
    for target in targets:
        check_place(target, is_named=False)
    if force:
        return
    there = [target for target in targets if _has_content(target)]
    found = _report_on_disk(targets.report)
    if there and found.get("mark") != night_tag:
        raise UsageError(
            f"{targets.report.name} would replace what this night did not write",
            where=tuple(f"{target} ({_whose(found)})" for target in there),
            fix="name another output with -o, or replace what is there with --force",
        )


def write_report_files(
    output: Path | None,
    report: NightReport,
    item_lines: Iterable[ItemLine],
    *,
    night_tag: str,
    force: bool = False,
) -> ReportPaths:
    """Write the four files to `report_paths` of the night, each whole or not at all; return the paths.

    `night_tag` is the night's own, the same each time: its files are replaced. Raises UsageError where there
    are files of another night or of unknown origin (unless `force`), UserError where one cannot be written;
    all files then stay as they were.
    """
    targets = report_paths(report.suite, report.night, output)
    check_report_places(targets, night_tag, force=force)
    marked = msgspec.structs.replace(report, mark=night_tag)
    contents: Mapping[Path, Iterable[bytes]] = {
        targets.report: [encoded(marked, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)],
        targets.markdown: [night_markdown(report).encode()],
        targets.junit: [night_junit(report).encode()],
        targets.items: (line.encode() for line in items_csv(item_lines)),
    }
    with ExitStack() as stack:
        drafts = [stack.enter_context(DraftFile(target)) for target in targets]
        for draft in drafts:
            for chunk in contents[draft.target]:
                draft.add(chunk)
            draft.finish()
        publish(drafts)
    return targets


def _has_content(target: Path) -> bool:
    try:
        return target.stat().st_size > 0
    except FileNotFoundError:
        return False


def _report_on_disk(path: Path) -> dict[str, Any]:
    """Return the object in a .eval.json; empty where there is none."""
    try:
        with path.open("rb") as file:
            found = orjson.loads(file.read(_REPORT_BYTES_MAX))
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _whose(found: Mapping[str, Any]) -> str:
    night = found.get("night")
    return f"of {one_line(night, _NAME_LENGTH)}" if isinstance(night, str) else "of unknown origin"
