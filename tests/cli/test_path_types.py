"""Paths are refused as they were typed, where a Path would name something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli.path_types import InputPath, OutputPath
from runner.rules.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "typed", "what", "fix"),
    [
        (InputPath(), "", "the name of the input is empty", "a variable"),
        (OutputPath(), "", "the name of the output is empty", "a variable"),
        (InputPath(), "https://a.test/b?key=k", "https://… is an address", "download it"),
        (InputPath(), "s3://bucket/jobs.jsonl", "s3://… is an address", "download it"),
        (OutputPath(), "not there/", "not there/ names a folder", "-o 'not there/results.jsonl'"),
    ],
)
def test_what_names_no_file_is_refused(kind: InputPath | OutputPath, typed: str, what: str, fix: str) -> None:
    """An empty name was the current folder, an address a folder that is not there."""
    with pytest.raises(UsageError) as found:
        kind.convert(typed, None, None)
    assert str(found.value).startswith(what)
    assert fix in found.value.fix


def test_other_names_are_paths() -> None:
    """Also those that only look like addresses or flags."""
    for typed in ("a.jsonl", "a:b.jsonl", "x/https:/b", "-", "a/"):
        assert InputPath().convert(typed, None, None) == Path(typed)
    assert OutputPath().convert("out/r.jsonl", None, None) == Path("out/r.jsonl")
