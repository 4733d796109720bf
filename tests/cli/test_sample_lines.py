"""How a sample is laid out: by width, by several columns, in wide characters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runner.cli.render.checks.sample_lines import WIDTH_MIN, sample_lines
from runner.cli.render.checks.sample_object import SampledTableRow, TableSample
from runner.cli.render.folded_text import folded
from runner.rules.labels.row_status import RowStatus

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def sample(*rows: SampledTableRow, matching: int | None = None) -> TableSample:
    return TableSample(
        schema=1, run=3, name="reviews", seed=4, matching=matching or len(rows), rows=list(rows)
    )


def row(number: int, status: RowStatus = RowStatus.OK, **more: Any) -> SampledTableRow:
    given: dict[str, Any] = {"custom_id": f"row-{number}", "error": None, "labels": None, "cells": {}}
    return SampledTableRow(row=number, status=status, **given | {"prompt": None} | more)


@given(TEXTS, st.integers(2, 60), st.integers(1, 4))
def test_a_folded_text_fits_and_begins_as_the_text_does(words: str, width: int, lines_max: int) -> None:
    """No line is longer than the column, whatever the characters; what is cut says so."""
    lines = folded(words, width, lines_max)

    assert 1 <= len(lines) <= lines_max
    assert all(cell_len(line) <= width for line in lines)
    plain = all(char.isprintable() for char in words)
    if plain and not lines[-1].endswith("…"):
        assert "".join(lines).replace(" ", "") == "".join(words.split()).replace(" ", "")


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("", [""]),
        ("one two", ["one two"]),
        ("one  two\nthree", ["one two", "three"]),
        ("one two three four five", ["one two", "three…"]),
        ("abcdefghijkl", ["abcdefgh", "ijkl"]),
        ("abcdefghijklmnopqrst", ["abcdefgh", "ijklmno…"]),
        ("字字字字字", ["字字字字", "字"]),
        ("字字字字字字字字字", ["字字字字", "字字字…"]),
    ],
)
def test_a_text_is_folded_at_words(words: str, lines: list[str]) -> None:
    """Wide characters take two columns of a terminal."""
    assert folded(words, 8, 2) == lines


@given(TEXTS, TEXTS, TEXTS, st.integers(1, 200))
def test_no_line_is_wider_than_the_terminal(cell: str, name: str, label: str, width: int) -> None:
    """Whatever is in cells, names and labels."""
    lines = sample_lines(
        sample(
            row(1, cells={"a": cell, "b": cell}, labels={name: label, "n": 1.5}),
            row(2_000_000, RowStatus.UNFINISHED, error=label, cells={"a": cell, "b": cell}),
        ),
        "rows",
        width,
    )

    assert max(cell_len(line) for line in lines[2:-1]) <= max(width, WIDTH_MIN)


def test_several_columns_have_their_names() -> None:
    """One column is named in the heading."""
    several = sample_lines(sample(row(1, cells={"product": "tv", "review": "so good"})), "rows", 80)
    one = sample_lines(sample(row(1, cells={"review": "so good"})), "rows", 80)

    assert several[2].split() == ["row", "status", "columns", "labels"]
    assert several[3].split() == ["1", "ok", "product:", "tv"]
    assert several[4].split() == ["review:", "so", "good"]
    assert one[2].split() == ["row", "status", "review", "labels"]


def test_labels_are_shown_in_words() -> None:
    """As the label language writes them."""
    labels = {"a": True, "b": None, "c": ["x", "y"], "d": [], "e": {"f": 1}, "g": 2.0}
    lines = sample_lines(sample(row(1, cells={"t": ""}, labels=labels)), "rows", 80)

    assert [line.split()[-1] for line in lines[3:9]] == ["yes", "null", "y", "(none)", '{"f":1}', "2.0"]


@pytest.mark.parametrize(
    ("matching", "chosen", "heading"),
    [
        (1, "rows", "run 3, reviews: 1 row"),
        (2_000, "rows", "run 3, reviews: 1 of 2,000 rows, chosen by seed 4"),
        (9, "rows that are ok", "run 3, reviews: 1 of 9 rows that are ok, chosen by seed 4"),
    ],
)
def test_the_heading_says_of_how_many(matching: int, chosen: str, heading: str) -> None:
    """And by which seed, where it is not all of them."""
    assert sample_lines(sample(row(1), matching=matching), chosen, 80)[0] == heading
