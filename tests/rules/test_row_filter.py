"""Which rows the words of `sample` mean."""

from __future__ import annotations

from typing import Any

import pytest

from runner.rules.errors import UsageError
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.row_filter import row_filter, row_status
from runner.rules.labels.row_status import RowStatus


def field(name: str, kind: LabelKind, **more: Any) -> LabelField:
    return LabelField(name=name, kind=kind, path=(name,), **more)


FIELDS = (
    field("mood", LabelKind.TEXT, values=("good", "bad"), is_nullable=True),
    field("stars", LabelKind.INTEGER, low=1, high=5),
    field("urgent", LabelKind.BOOLEAN),
    field("topics", LabelKind.LIST, values=("price", "quality")),
    field("score", LabelKind.NUMBER),
    field("note", LabelKind.TEXT),
)
LABELS = ("good", 4, True, ["price", "quality"], 0.5, "a=b")


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ((), True),
        (("mood=good",), True),
        (("mood=bad",), False),
        (("mood=null",), False),
        (("stars=4",), True),
        (("stars=04",), True),
        (("stars=5",), False),
        (("urgent=true",), True),
        (("urgent=Yes",), True),
        (("urgent=no",), False),
        (("topics=price",), True),
        (("topics=quality", "mood=good"), True),
        (("topics=quality", "mood=bad"), False),
        (("score=.5",), True),
        (("note=a=b",), True),
        (("note=A=B",), False),
    ],
)
def test_a_row_fits_that_has_all_labels(words: tuple[str, ...], *, fits: bool) -> None:
    """A list fits by any of its items; numbers and yes or no however they are written."""
    assert row_filter(FIELDS, words, None).fits("ok", LABELS) is fits
    assert row_filter(FIELDS, words, "ok").fits("ok", LABELS) is fits


def test_a_row_without_labels_has_none_of_them() -> None:
    """Its values are null, and it is not asked for by that."""
    nothing = (None,) * len(FIELDS)

    assert not row_filter(FIELDS, ("mood=null",), None).fits("invalid", nothing)
    assert row_filter(FIELDS, ("mood=null",), None).fits("ok", nothing)


@pytest.mark.parametrize("status", list(RowStatus))
def test_a_status_is_asked_for_by_its_name(status: RowStatus) -> None:
    """Without one, all rows fit but those that were left out on purpose."""
    found = row_filter(FIELDS, (), status.value.upper())

    assert [each for each in RowStatus if found.fits(each.value, LABELS)] == [status]
    assert row_filter(FIELDS, (), None).fits(status.value, LABELS) is (status is not RowStatus.EXCLUDED)


def test_a_column_with_the_prefix_of_the_run_is_its_field() -> None:
    """As the written table names it."""
    found = row_filter(FIELDS, ("llm_mood=good",), None, prefix="llm_")

    assert found == row_filter(FIELDS, ("mood=good",), None)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("modd=good", 'the run has no label "modd"; did you mean "mood"?'),
        ("mood=godo", 'mood is never "godo"; did you mean "good"?'),
        ("mood", '--label takes FIELD=VALUE, not "mood"'),
        ("stars=six", 'stars is never "six"'),
        ("stars=6", "stars is never 6"),
        ("urgent=maybe", 'urgent is never "maybe"'),
        ("topics=prices", 'topics is never "prices"; did you mean "price"?'),
        ("score=x", 'score is never "x"'),
    ],
)
def test_what_no_row_can_be_is_refused(word: str, message: str) -> None:
    """With the nearest that can, or with what is known."""
    with pytest.raises(UsageError) as caught:
        row_filter(FIELDS, (word,), None)
    assert caught.value.what == message
    assert caught.value.fix


def test_an_unknown_status_is_refused() -> None:
    """With the nearest one."""
    with pytest.raises(UsageError, match='did you mean "invalid"') as caught:
        row_status("invalidd")
    assert "unfinished" in str(caught.value.fix)


def test_labels_of_rows_that_have_none_are_refused() -> None:
    """It would never show a row."""
    with pytest.raises(UsageError, match="no row with the status invalid has labels"):
        row_filter(FIELDS, ("mood=good",), "invalid")


def test_of_many_values_only_some_are_named() -> None:
    """A taxonomy of a thousand is no error message."""
    many = field("topic", LabelKind.TEXT, values=tuple(f"t{n}" for n in range(1_000)))
    with pytest.raises(UsageError) as caught:
        row_filter((many,), ("topic=zzz",), None)
    assert caught.value.fix is not None
    assert caught.value.fix.endswith("t9 and 990 more")
