"""Tables of scores: what is read, and what is refused where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.evals.grading.score_file import read_scores
from runner.tables.table import TableError

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, text: str, name: str = "scores.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_answers_are_gathered_by_item(tmp_path: Path) -> None:
    """Other columns do not matter; a score that is empty was not measured."""
    path = written(tmp_path, "epoch,id,note,score\n1,a,x,1\n1,b,,0.25\n2,a,,\n2,b,,true\n3,a,, 0 \n")

    assert read_scores(path) == {"a": [1, None, 0], "b": [0.25, 1]}


def test_without_epochs_each_line_is_an_answer(tmp_path: Path) -> None:
    path = written(tmp_path, '{"id": 7, "score": true}\n{"id": 7, "score": null}\n', "scores.jsonl")

    assert read_scores(path) == {"7": [1, None]}


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("id,points\na,1\n", 'no column "score"', ""),
        ("key,points\na,1\n", 'no column "id" and no column "score"', ""),
        ("id,score\na,1\nb,C\n", '"C" as a score', "row 2"),
        ("id,score\na,1.5\n", '"1.5" as a score', "row 1"),
        ("id,score\na,nan\n", '"nan" as a score', "row 1"),
        ("id,score,epoch\na,1,1\na,0,1\n", '"a" twice in epoch 1', "row 2"),
        ("id,score\n", "no scores", ""),
        ("id,score\na,1,2\n", "cannot be read", "row 1"),
    ],
)
def test_what_is_no_score_is_refused(tmp_path: Path, text: str, what: str, where: str) -> None:
    with pytest.raises(TableError, match=what) as error:
        read_scores(written(tmp_path, text))

    assert error.value.where == ((where,) if where else ())
    assert error.value.fix
