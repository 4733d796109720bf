"""A recipe is opened with all that it names: texts, labels, examples, table."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import orjson
import pytest
from memory_table import SCHEMA, MemoryTable

from runner.intake.open_recipe import LabelTexts, OpenedRecipe, open_recipe
from runner.intake.recipe_file import RecipeFiles, read_recipe_file
from runner.rules import models
from runner.rules.recipe import Recipe, RecipeError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.tables.table import ReadOptions

RECIPE = """
recipe = 1
[table]
file = "reviews.csv"
[prompt]
system = "file:system.txt"
user = "file:user.j2"
examples = "examples.csv"
[labels]
sentiment = "good|bad"
"""


def open_csv(path: Path, options: ReadOptions) -> MemoryTable:
    """Open a CSV file, by the standard library."""
    assert options.format is None
    header, *rows = csv.reader(path.read_text("utf-8").splitlines())
    return MemoryTable(header, [tuple(row) for row in rows])


def read_labels(recipe: Recipe, files: RecipeFiles) -> LabelTexts:
    """Return fixed labels; the files are not read."""
    assert recipe.labels_text == "sentiment: good|bad"
    assert files.folder.is_dir()
    return LabelTexts(SCHEMA, "Answer with sentiment.")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a recipe and all that it names."""
    (tmp_path / "r.toml").write_text(RECIPE)
    (tmp_path / "reviews.csv").write_text("review,shop\nfine,north\npoor,south\n")
    (tmp_path / "examples.csv").write_text("review,sentiment\nnice,good\n")
    (tmp_path / "system.txt").write_text("You label.\n")
    (tmp_path / "user.j2").write_text("Review: {{ review }}\n")
    return tmp_path


def opened(folder: Path, files: RecipeFiles | None = None) -> OpenedRecipe:
    """Return the opened recipe of a folder."""
    return open_recipe(
        read_recipe_file(folder / "r.toml"),
        files or RecipeFiles(folder, is_restricted=True),
        open_table=open_csv,
        read_labels=read_labels,
        title="r.toml",
    )


def test_a_recipe_is_opened_and_compiled(folder: Path) -> None:
    """Every file that was read is on the list, but for the table, whose digest comes by reading it."""
    files = RecipeFiles(folder, is_restricted=True)
    lines = dict(opened(folder, files).compiled().lines())

    bodies = [orjson.loads(line)["body"] for line in lines.values()]
    assert [message["content"] for message in bodies[1]["messages"]] == [
        "You label.\n\nAnswer with sentiment.",
        "Review: nice",
        '{"sentiment":"good"}',
        "Review: poor",
    ]
    assert bodies[0]["model"] == models.DEFAULT
    assert {file.path.name for file in files.read_files} == {"examples.csv", "system.txt", "user.j2"}


def test_the_identity_follows_the_files(folder: Path) -> None:
    """Each that shapes requests; the same contents under other names are the same."""
    found = {opened(folder).sha256}
    for name, text in (
        ("system.txt", "Label."),
        ("user.j2", "{{ review }}"),
        ("examples.csv", "review,sentiment\nbad,bad\n"),
    ):
        (folder / name).write_text(text)
        found.add(opened(folder).sha256)
    before = opened(folder).sha256
    (folder / "user.j2").rename(folder / "prompt.j2")
    (folder / "r.toml").write_text(RECIPE.replace("user.j2", "prompt.j2"))

    assert len(found) == 4
    assert opened(folder).sha256 == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('file = "reviews.csv"', "", "table.file: there is no table"),
        ('user = "file:user.j2"', "", "prompt: there is no prompt"),
        ("[labels]", "[labels2]", "labels2: this key does not exist"),
        ("file:user.j2", "file:../user.j2", "is outside of"),
        ("file:user.j2", "file:users.j2", "users.j2 cannot be read"),
        ("file:user.j2", "{{ revie }}", 'did you mean "review"?'),
    ],
)
def test_a_fault_is_named_before_a_row_is_read(folder: Path, old: str, new: str, words: str) -> None:
    """With exit code 3."""
    (folder / "r.toml").write_text(RECIPE.replace(old, new))
    with pytest.raises(RecipeError) as raised:
        opened(folder)
    assert words in " ".join((raised.value.what, *raised.value.where))
