"""The summary of a step of GitHub Actions: appended, cut where it is too long, and never a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.evals.github import SUMMARY_BYTES_MAX, is_github_actions, write_step_summary

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("True", False), ("1", False), (None, False)]
)
def test_a_job_is_known_by_its_variable(value: str | None, expected: bool) -> None:
    """GitHub always sets it to `true`."""
    environ = {} if value is None else {"GITHUB_ACTIONS": value}
    assert is_github_actions(environ) is expected


def test_a_summary_is_appended(tmp_path: Path) -> None:
    """Behind what other commands of the step wrote, as UTF-8; half an emoji is replaced."""
    path = tmp_path / "summary"
    path.write_text("before", encoding="utf-8")
    environ = {"GITHUB_STEP_SUMMARY": str(path)}
    assert write_step_summary("# Nacht: 5 € \ud83d", environ) is None
    assert write_step_summary("| a |", environ) is None
    assert path.read_text(encoding="utf-8") == "before\n# Nacht: 5 € \ufffd\n\n| a |\n"


@pytest.mark.parametrize("before", [0, 1000, SUMMARY_BYTES_MAX - 20, SUMMARY_BYTES_MAX])
def test_a_long_summary_is_cut_after_a_line(tmp_path: Path, before: int) -> None:
    """With what was there it has at most 1 MiB; a full one stays as it is."""
    path = tmp_path / "summary"
    path.write_bytes(b"x" * before)
    line = "| Straße |"
    assert write_step_summary(f"{line}\n" * 120_000, {"GITHUB_STEP_SUMMARY": str(path)}) is None
    content = path.read_bytes()
    assert len(content) <= SUMMARY_BYTES_MAX
    added = content[before:].decode()
    if before > SUMMARY_BYTES_MAX - 100:
        assert added == ""
    else:
        assert len(content) > SUMMARY_BYTES_MAX - 100
        assert set(added.splitlines()[:-1]) == {"", line}
        assert "left out" in added.splitlines()[-1]


def test_a_page_of_exactly_the_limit_is_whole(tmp_path: Path) -> None:
    """Its two line ends count."""
    path = tmp_path / "summary"
    page = "a" * (SUMMARY_BYTES_MAX - 2)
    assert write_step_summary(page, {"GITHUB_STEP_SUMMARY": str(path)}) is None
    assert path.read_bytes() == f"\n{page}\n".encode()


def test_without_the_variable_nothing_is_written() -> None:
    """As on a computer of one's own."""
    assert write_step_summary("x", {}) is None
    assert write_step_summary("x", {"GITHUB_STEP_SUMMARY": ""}) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [(".", "is a directory"), ("none/summary", "no such file or directory"), ("a\0b", "none of a file")],
)
def test_a_summary_that_cannot_be_written_is_a_warning(tmp_path: Path, name: str, reason: str) -> None:
    """It says why, and nothing is raised."""
    warning = write_step_summary("x", {"GITHUB_STEP_SUMMARY": f"{tmp_path}/{name}"})
    assert warning is not None
    assert warning == f"the summary of GitHub Actions cannot be written: {warning.split(': ')[1]}"
    assert reason in warning
