"""Loading a file for an occasion: the same time is the same run, another time another; on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner.db.runs import runs
from runner.db.runs.run_row import RunOptions, RunRow
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.intake.load import LoadResult, WantedRun, load
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database


def file_of(folder: Path, *ids: str, name: str = "q.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("".join(f'{{"id": "{one}", "model": "grok-4.3", "prompt": "x"}}\n' for one in ids))
    return path


def loaded(database: Database, source: Path, occasion: str | None, **more: Any) -> LoadResult:
    flags = more.pop("flags", LoadFlags())
    wanted = WantedRun(**{"options": RunOptions(), "occasion": occasion, **more})
    return load(database, JobFile(source, flags), wanted)


def row(database: Database, run_id: int) -> RunRow:
    with database.read() as connection:
        found = runs.find(connection, run_id)
    assert found is not None
    return found


def test_one_run_for_each_occasion(database: Database, tmp_path: Path) -> None:
    """Each has the name STEM@OCCASION, and remembers its occasion; a run without one is another."""
    source = file_of(tmp_path, "a")
    first, again, other, plain = (loaded(database, source, word) for word in ("mon", "mon", "tue", None))

    assert [first.is_new, again.is_new, other.is_new, plain.is_new] == [True, False, True, True]
    assert first.run_id == again.run_id
    assert [one.name for one in (first, again, other, plain)] == ["q@mon", "q@mon", "q@tue", "q"]
    kept = row(database, first.run_id)
    assert (kept.name, kept.stem, kept.occasion) == ("q@mon", "q", "mon")
    assert row(database, plain.run_id).occasion is None


def test_another_occasion_is_wanted_and_not_warned_about(database: Database, tmp_path: Path) -> None:
    """The same content again is the point; without an occasion it costs again by mistake, maybe."""
    source = file_of(tmp_path, "a")
    assert loaded(database, source, "mon").same_content_run is None
    assert loaded(database, source, "tue").same_content_run is None
    assert loaded(database, source, None).same_content_run is not None


@pytest.mark.parametrize("name", [None, "nightly"])
def test_a_file_may_change_between_occasions_and_not_within_one(
    database: Database, tmp_path: Path, name: str | None
) -> None:
    """Within one it is refused with the choice; nothing is loaded."""
    first = loaded(database, file_of(tmp_path, "a"), "mon", name=name)
    source = file_of(tmp_path, "a", "b")

    with pytest.raises(UsageError, match=f"run {first.run_id}, was loaded with other content") as refused:
        loaded(database, source, "mon", name=name)
    for words in (f"runner start {first.run_id}", f"runner cancel {first.run_id}", "--new", "--occasion"):
        assert words in refused.value.fix
    assert loaded(database, source, "tue", name=name).is_new
    assert loaded(database, file_of(tmp_path, "a"), "mon", name=name).run_id == first.run_id
    with database.read() as connection:
        assert len(runs.all_runs(connection)) == 2


def test_a_name_has_one_run_in_an_occasion_wherever_its_file_is(database: Database, tmp_path: Path) -> None:
    """Another file of that name is other content; without --name, files of two folders are two things."""
    here, there = file_of(tmp_path / "here", "a"), file_of(tmp_path / "there", "b")
    loaded(database, here, "mon", name="nightly")
    with pytest.raises(UsageError, match="other content"):
        loaded(database, there, "mon", name="nightly")
    assert loaded(database, here, "mon").is_new
    assert loaded(database, there, "mon").is_new


def test_other_flags_within_an_occasion_are_refused(database: Database, tmp_path: Path) -> None:
    """The two runs would have one name and one output; with --name or --new each has its own."""
    source, other = file_of(tmp_path, "a"), LoadFlags(model="grok-4.6")
    loaded(database, source, "mon")
    with pytest.raises(UsageError, match="other flags"):
        loaded(database, source, "mon", flags=other)
    assert loaded(database, source, "mon", flags=other, name="q-4.6").name == "q-4.6@mon"
    assert loaded(database, source, "mon", flags=other, new=True).name == "q@mon.2"


def test_new_numbers_the_runs_of_an_occasion(database: Database, tmp_path: Path) -> None:
    """The first has no number; also where the content differs. Afterwards the newest is meant."""
    source = file_of(tmp_path, "a")
    names = [loaded(database, source, "mon", new=True).name for _ in range(2)]
    changed = file_of(tmp_path, "a", "b")
    third = loaded(database, changed, "mon", new=True)

    assert [*names, third.name] == ["q@mon", "q@mon.2", "q@mon.3"]
    assert loaded(database, changed, "mon").run_id == third.run_id
    assert loaded(database, file_of(tmp_path, "a"), "mon").name == "q@mon.2"
    assert row(database, third.run_id).stem == "q"


def test_a_name_is_not_shared_by_different_occasions(database: Database, tmp_path: Path) -> None:
    """`q@a.2` could be the second run of `a`, the first of `a.2`, or a name without any occasion."""
    source = file_of(tmp_path, "a")
    loaded(database, source, "a")
    loaded(database, source, "a", new=True)
    with pytest.raises(UsageError, match=r'"q@a\.2" belongs to run 2, of the occasion a'):
        loaded(database, source, "a.2")
    with pytest.raises(UsageError, match=r'"q@a\.2" belongs to run 2, of the occasion a'):
        loaded(database, source, None, name="q@a.2")
    assert loaded(database, source, None, name="q@b").is_new
    with pytest.raises(UsageError, match="which has no occasion"):
        loaded(database, source, "b")
    assert loaded(database, source, "b", new=True).name == "q@b.2"


def test_runs_of_occasions_do_not_stand_in_the_way_of_one_without(database: Database, tmp_path: Path) -> None:
    """Last night's other content at this path is no reason to refuse."""
    loaded(database, file_of(tmp_path, "a"), "mon")
    assert loaded(database, file_of(tmp_path, "b"), None).is_new
    assert loaded(database, file_of(tmp_path, "c"), "tue").is_new
