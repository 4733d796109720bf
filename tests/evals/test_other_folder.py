"""Two suites of one name: the first night in another folder is noticed, and no further one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from night_driver import NightDriver

from runner.db.evaluation import nights
from runner.evals.night.night_options import NightOptions
from runner.evals.night.other_folder import other_folder

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database


def begin(driver: NightDriver, occasion: str, folder: Path) -> None:
    """Begin a night of the suite in a folder."""
    night = driver.begin(occasion)
    options = NightOptions(folder=str(folder), output=str(folder))
    driver.write(nights.set_options, night.id, options.encoded())


def test_only_the_first_night_in_a_folder_is_noticed(database: Database, tmp_path: Path) -> None:
    """The newest folder is named. Where a suite was moved, that is said once; two that take turns, too."""
    driver = NightDriver(database)
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    assert driver.read(other_folder, "answers", first) is None
    begin(driver, "n1", first)
    assert driver.read(other_folder, "answers", first) is None
    assert driver.read(other_folder, "answers", second) == str(first)
    begin(driver, "n2", second)
    assert driver.read(other_folder, "answers", second) is None
    assert driver.read(other_folder, "answers", first) is None
    assert driver.read(other_folder, "answers", third) == str(second)


def test_other_suites_and_links_do_not_matter(database: Database, tmp_path: Path) -> None:
    """A folder has many suites; one that is reached by a link is the same."""
    driver = NightDriver(database)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    begin(driver, "n1", tmp_path / "real")
    assert driver.read(other_folder, "answers", tmp_path / "link") is None
    assert driver.read(other_folder, "others", tmp_path / "elsewhere") is None
