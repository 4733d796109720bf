"""A file of the package has at most 300 lines; those that have more are listed, each with its reason."""

from pathlib import Path

ROOT = Path(__file__).parents[2] / "runner"
LINES_MAX = 300
LONGER = {
    "db/tables.py": "the tables, one after another",
    "engine/storing/spool.py": "one file format: what writes it and what reads it",
}


def test_a_file_is_short_or_on_the_list() -> None:
    """A longer file has more than one idea, or a reason; one that became short leaves the list."""
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in ROOT.rglob("*.py")
    }

    assert {file for file, count in lines.items() if count > LINES_MAX} == set(LONGER)
