"""Sentences are broken into lines so that what is to be typed can be copied."""

from __future__ import annotations

import pytest

from runner.cli.render.layout import wrapped

WHY = "line 1, column 31: not UTF-8: byte 0xe9 does not fit there [not-utf8]; save the file as UTF-8: "


@pytest.mark.parametrize(
    "command",
    [
        "iconv -f WINDOWS-1252 -t UTF-8 < 'a long name of a file.jsonl' > 'a long name of a file.new.jsonl'",
        "jq -cR '{prompt: .}' a.jsonl > a.new.jsonl",
        "gzip -dc < a.jsonl.gz | jq -c '.[]' /dev/stdin > a.new.jsonl",
        "runner convert a.jsonl -o a.new.jsonl",
    ],
)
def test_a_command_at_the_end_stands_on_one_line(command: str) -> None:
    """Whatever is before it, and however long it is; the rest keeps to the width."""
    *before, last = wrapped(WHY + command, 80, "  ", "    ")
    assert last == f"    {command}"
    assert all(len(line) <= 80 for line in before)
    assert " ".join(line.strip() for line in before) == WHY.strip()


def test_a_sentence_that_fits_is_one_line() -> None:
    """With its command."""
    assert wrapped("unpack it: xz -dc < a.xz > a", 80, "  ") == ["  unpack it: xz -dc < a.xz > a"]
    assert wrapped("word " * 12, 40, "", "  ") == [
        "word word word word word word word word",
        "  word word word word",
    ]
