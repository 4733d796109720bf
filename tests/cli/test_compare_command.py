"""`runner compare`: two files of scores, and a night against the nights before it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import run_command

if TYPE_CHECKING:
    from pathlib import Path

ITEMS = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with nine nights, an unchanged one, and one that is 20 points worse, twice."""
    found = tmp_path_factory.mktemp("scores")
    chance = random.Random(7)
    rates = [chance.choice([0.98, 0.9, 0.5]) for _ in range(ITEMS)]
    for number in range(9):
        write(found / f"night-{number}.csv", rates, chance)
    write(found / "same.csv", rates, chance)
    for name in ("worse.csv", "again.csv"):
        write(found / name, [rate - 0.2 for rate in rates], chance)
    return found


def write(path: Path, rates: list[float], chance: random.Random) -> None:
    lines = ["id,score,epoch"]
    for number, rate in enumerate(rates):
        lines += [f"item-{number},{int(chance.random() < rate)},{epoch}" for epoch in range(3)]
    path.write_text("\n".join(lines) + "\n")


def compared(folder: Path, *words: str, code: int = 0) -> str:
    env = {"RUNNER_HOME": str(folder / "home"), "PATH": "/usr/bin:/bin"}
    return run_command(["compare", *words], folder, env, code).stdout


def refused(folder: Path, *words: str) -> str:
    """Return what a comparison prints that cannot be made."""
    env = {"RUNNER_HOME": str(folder / "home"), "PATH": "/usr/bin:/bin"}
    return run_command(["compare", *words], folder, env, 3).stderr


def nights(folder: Path, count: int = 9) -> list[str]:
    return [path.name for path in sorted(folder.glob("night-*.csv"))][:count]


def as_object(folder: Path, *words: str, code: int = 0) -> Any:
    return json.loads(compared(folder, *words, "--json", code=code))


def test_two_files(folder: Path) -> None:
    """No database is made for it."""
    shown = compared(folder, "worse.csv", "night-0.csv")

    assert shown.startswith("worse.csv against night-0.csv\n  score  ")
    assert "a drop like this by chance: p < 0.001" in shown
    assert max(map(len, shown.splitlines())) <= 80
    found = as_object(folder, "worse.csv", "night-0.csv")
    assert found["verdict"] is None
    assert found["change"]["items"] == ITEMS
    assert found["change"]["low"] < found["change"]["change"] < found["change"]["high"] < 0
    assert not (folder / "home").exists()


def test_a_night_like_the_others_passes(folder: Path) -> None:
    assert compared(folder, "same.csv", *nights(folder)).startswith("same.csv against 9 nights: PASSED\n")


def test_a_worse_night_is_measured_again_before_it_is_an_alarm(folder: Path) -> None:
    """The exit code is that of the printed verdict."""
    first = compared(folder, "worse.csv", *nights(folder), code=11)
    both = compared(folder, "worse.csv", *nights(folder), "--again", "again.csv", code=10)

    assert first.startswith("worse.csv against 9 nights: NO VERDICT YET\n")
    assert both.startswith("worse.csv against 9 nights: REGRESSED (measured twice)\n")
    found = as_object(folder, "worse.csv", *nights(folder), "--again", "again.csv", code=10)
    assert (found["verdict"], found["exit_code"], found["nights"]) == ("regressed", 10, 9)
    assert found["changed"][0]["mean"] < found["changed"][0]["base_mean"]


def test_too_few_nights_are_no_baseline(folder: Path) -> None:
    assert "NO BASELINE YET" in compared(folder, "worse.csv", *nights(folder, 2))
    assert as_object(folder, "worse.csv", *nights(folder, 2))["change"] is None
    assert "(provisional: few nights)" in compared(folder, "same.csv", *nights(folder, 4))


def test_a_file_and_itself(folder: Path) -> None:
    """Nothing has changed, and both sides are there."""
    assert "change    +0.0 points" in compared(folder, "same.csv", "same.csv")
    assert len(as_object(folder, "same.csv", "same.csv")["sides"]) == 2


def test_files_without_an_item_in_common_are_an_error(folder: Path) -> None:
    """Nothing was compared, so it is no success; the error shows an id of each side."""
    (folder / "other.csv").write_text("id,score\nx,1\n")

    said = refused(folder, "other.csv", "same.csv")
    assert "other.csv has no item with scores in common with same.csv" in said
    assert 'other.csv has ids as "x"' in said
    assert 'same.csv has ids as "item-0"' in said
    assert "any of 3 nights" in refused(folder, "other.csv", *nights(folder, 3))
    said = refused(folder, "same.csv", *nights(folder), "--again", "other.csv")
    assert "same.csv has no item with scores in common with other.csv" in said


def test_an_item_without_a_score_is_not_in_common(folder: Path) -> None:
    (folder / "unscored.csv").write_text("id,score\nitem-0,\n")

    assert "no item with scores in common" in refused(folder, "unscored.csv", "same.csv")


def test_nights_without_an_item_in_common_are_named_and_not_counted(folder: Path) -> None:
    """They are no nights of a baseline, and take no place among the last 14."""
    for number in range(15):
        (folder / f"apart-{number}.csv").write_text("id,score\nx,1\n")
    apart = [f"apart-{number}.csv" for number in range(15)]

    shown = compared(folder, "same.csv", "night-0.csv", *apart[:2])
    assert shown.startswith("same.csv against 1 night: NO BASELINE YET\n")
    assert "  left out  apart-0.csv: no item with scores in common\n" in shown
    assert "  left out  apart-1.csv: no item with scores in common\n" in shown
    shown = compared(folder, "same.csv", *nights(folder, 8), *apart)
    assert shown.startswith("same.csv against 8 nights: PASSED\n")
    assert "  left out  apart-4.csv: no item with scores in common\n            and 10 more\n" in shown
    found = as_object(folder, "same.csv", *nights(folder, 8), *apart)
    assert (found["nights"], found["left_out"]) == (8, apart)
    assert as_object(folder, "same.csv", *nights(folder, 8))["left_out"] == []


def test_mistakes_are_named(folder: Path) -> None:
    compared(folder, "none.csv", "same.csv", code=3)
    compared(folder, "same.csv", code=2)
    compared(folder, "same.csv", "night-0.csv", "--again", "again.csv", code=2)
