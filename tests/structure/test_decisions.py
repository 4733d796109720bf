"""The decision records have one form, plain titles, and a complete index."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "decisions"
TEMPLATE = FOLDER / "0000-template.md"
RECORDS = [path for path in sorted(FOLDER.glob("[0-9]*.md")) if path != TEMPLATE]
FORM = re.compile(
    r"# (?P<number>\d+)\. (?P<title>[^\n]+)\n\n"
    r"Date: (?P<date>\d{4}-\d{2}-\d{2})\n\n"
    r"Status: (?P<status>[^\n]+)\n\n"
    r"## Context\n\n(?P<context>.+?)\n\n"
    r"## Decision\n\n(?P<decision>.+?)\n\n"
    r"## Consequences\n\n(?P<consequences>.+)\n",
    re.DOTALL,
)
SUPERSEDED = re.compile(r"Superseded by \[\d+\. [^]]+\]\((?P<file>[^)]+)\)")
ROW = re.compile(
    r"^\| (?P<number>\d+) \| \[(?P<title>[^]]+)\]\((?P<file>[^)]+)\)"
    r" \| (?P<date>[-\d]+) \| (?P<status>.+) \|$",
    re.MULTILINE,
)
LINES_MAX = 50
PRIVATE_WORDS = re.compile(  # docs/decisions/README.md: once, in "(earlier called …)"
    r"\b(doorbells?|pumps?|stillborn|turned away|streaks?|oversight|lessons?|scouts?|crew|anew"
    r"|signs? of life|in doubt|doubt|vital signs|lend|bites?|nobody|somebody|whoever|stands? still)\b",
    re.IGNORECASE,
)


def record(path: Path) -> dict[str, str]:
    """Return the parts of a record, by name; fail where the form is another."""
    found = FORM.fullmatch(path.read_text("utf-8"))
    assert found, f"{path.name} has not the form of {TEMPLATE.name}"
    return found.groupdict()


def plain_words(text: str) -> str:
    """Return a text without its code and without its "(earlier called …)"."""
    return re.sub(r"`[^`]+`|\(earlier\s+called\s[^)]+\)", "", text)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_form(path: Path) -> None:
    """Number and title are the file's name; date and status are there; half a page."""
    parts = record(path)

    slug = re.sub(r"[^a-z0-9]+", "-", parts["title"].lower()).strip("-")
    assert path.name == f"{int(parts['number']):04}-{slug}.md"
    assert date.fromisoformat(parts["date"]).isoformat() == parts["date"]
    assert parts["status"] == "Accepted" or SUPERSEDED.fullmatch(parts["status"])
    assert re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)[1:] == [
        "Context",
        "Decision",
        "Consequences",
    ]
    assert len(path.read_text("utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_speaks_plainly(path: Path) -> None:
    """A reader searches for the field's terms; older names stand in parentheses only, and not in a title."""
    text = path.read_text("utf-8")

    assert PRIVATE_WORDS.findall(plain_words(text)) == []
    assert PRIVATE_WORDS.findall(record(path)["title"]) == []


def test_the_numbers_have_no_gap() -> None:
    """So that a reference by number is never free for another record."""
    assert [int(record(path)["number"]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_the_index_lists_each_record() -> None:
    """With the title, date and status of its page."""
    rows = [row.groupdict() for row in ROW.finditer((FOLDER / "README.md").read_text("utf-8"))]

    assert rows == [
        {
            "number": parts["number"],
            "title": parts["title"],
            "file": path.name,
            "date": parts["date"],
            "status": parts["status"],
        }
        for path in RECORDS
        for parts in [record(path)]
    ]


def test_the_template_has_the_same_headings() -> None:
    """It is copied; only its date and number are to be filled in."""
    template = TEMPLATE.read_text("utf-8").replace("YYYY-MM-DD", "2026-01-01")

    assert FORM.fullmatch(template)


def test_each_reference_to_a_record_leads_to_one() -> None:
    """In code, tests and pages: by number, `docs/decisions/0006`, or by the whole name."""
    reference = re.compile(r"decisions/(\d{4}[-\w]*)")
    sources = [path for folder in ("runner", "tests", "docs") for path in (ROOT / folder).rglob("*.[pm][yd]")]
    named = {name for path in sources for name in reference.findall(path.read_text("utf-8"))}

    known = {path.stem for path in RECORDS} | {path.stem[:4] for path in RECORDS}
    assert named
    assert named <= known
