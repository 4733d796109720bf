"""Recipe files, and the files that a recipe may name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from runner.intake.recipe_file import RecipeFiles, read_recipe_file
from runner.rules.errors import UsageError, UserError
from runner.rules.recipes.recipe import RecipeError

if TYPE_CHECKING:
    from pathlib import Path


def restricted(folder: Path, *allowed: str) -> RecipeFiles:
    """Return the files of a recipe in a folder."""
    return RecipeFiles(folder, is_restricted=True, allowed=allowed)


def test_a_file_of_the_folder_is_read_and_listed(tmp_path: Path) -> None:
    """Without its byte order mark."""
    folder = tmp_path / "jobs"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "user.j2").write_bytes("\ufeffé".encode())
    files = restricted(folder)

    assert files.text_of("file:deep/user.j2", "prompt.user") == "é"
    assert files.text_of("file it", "prompt.user") == "file it"
    (read,) = files.read_files
    assert read.path == folder / "deep" / "user.j2"
    assert read.sha256 == hashlib.sha256("\ufeffé".encode()).hexdigest()


@pytest.mark.parametrize("written", ["../key", "{}/key", "link", "deep/../../key"])
def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path, written: str) -> None:
    """Also by a link; a flag may name it, and a recipe of flags alone may read anything."""
    folder = tmp_path / "jobs"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "key").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "key")
    written = written.format(tmp_path)

    with pytest.raises(RecipeError) as raised:
        restricted(folder).text(written, "prompt.user")
    assert raised.value.what == f"prompt.user: {written} is outside of the recipe's folder, {folder}"
    assert restricted(folder, written).text(written, "prompt.user") == "secret"
    assert RecipeFiles(folder, is_restricted=False).text(written, "prompt.user") == "secret"


@pytest.mark.parametrize("written", ["none.j2", "", "a\0b", "latin.j2"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, written: str) -> None:
    """A folder, a missing file, a path that is none, other encodings."""
    (tmp_path / "latin.j2").write_bytes(b"one\ncaf\xe9")
    with pytest.raises(RecipeError) as raised:
        restricted(tmp_path).text(written, "prompt.user")
    assert raised.value.what.startswith(f"prompt.user: {written} ")
    assert ("line 2" in raised.value.what) is (written == "latin.j2")


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    """A device without end is one."""
    with pytest.raises(RecipeError, match="larger than 16 MiB"):
        RecipeFiles(tmp_path, is_restricted=False).read("/dev/zero", "schema")


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"recipe = 1\n[table\n", RecipeError, "line 2, column"),
        (b"recipe = 1\nx = 1\n[table]\ny = 1", RecipeError, "table.y"),
        (b"items = 'a.jsonl'\n[[grader]]\n", RecipeError, "is a suite of an evaluation, no recipe"),
        (b"caf\xe9", RecipeError, "is not UTF-8"),
        ("recipe = 1".encode("utf-16"), RecipeError, "is UTF-16 text"),
        (b"recipe = 1\na = " + b"[" * 5_000, RecipeError, "this is not TOML"),
        (None, UsageError, "No such file"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes | None, kind: type[UserError], words: str
) -> None:
    """With the place that tomllib names, or all faults of its keys."""
    path = tmp_path / "r.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kind) as raised:
        read_recipe_file(path)
    assert words in " ".join((raised.value.what, *raised.value.where))
    assert raised.value.exit_code == (2 if content is None else 3)


def test_a_good_recipe_file_is_read(tmp_path: Path) -> None:
    """Its table may be given elsewhere."""
    path = tmp_path / "r.toml"
    path.write_text('\ufeffrecipe = 1\n[prompt]\ntext = "review"\n', "utf-8")
    assert read_recipe_file(path).prompt.text == "review"
