"""Which items of two nights are the same: by what is asked, with the metadata that a template prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from night_driver import NightDriver, item

from runner.db.evaluation.items import changes_since, hashes_of, items_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.session import Database


def changed(database: Database, *nights: tuple[str, Sequence[str]]) -> list[bool]:
    """Return whether the item of each further night is another than in the first.

    A night is given by the item's topic, and the names of the metadata that its template prints.
    """
    driver = NightDriver(database)
    begun = [
        driver.begin(f"n{number}", [item("a", metadata={"topic": topic, "note": number})], printed=printed)
        for number, (topic, printed) in enumerate(nights)
    ]
    found = [driver.read(changes_since, night.id, begun[0].id).changed == ["a"] for night in begun[1:]]
    hashes = [driver.read(hashes_of, night.id)["a"] for night in begun]
    assert found == [one != hashes[0] for one in hashes[1:]]
    return found


def test_metadata_that_a_template_prints_makes_another_item(database: Database) -> None:
    """And the former value the former item; its other metadata does not matter."""
    assert changed(
        database, ("rome", ["topic"]), ("paris", ["topic"]), ("rome", ["topic"]), ("paris", ["topic"])
    ) == [True, False, True]


def test_metadata_that_no_template_prints_does_not_matter(database: Database) -> None:
    """It is no part of the request."""
    assert changed(database, ("rome", []), ("paris", [])) == [False]


def test_a_template_that_begins_to_print_changes_no_item(database: Database) -> None:
    """The prompt has changed, not the items; nor in nights that a version stored which did not look at it."""
    assert changed(database, ("rome", []), ("rome", ["topic"]), ("paris", ["topic"])) == [False, True]


def test_each_night_keeps_what_it_asked(database: Database) -> None:
    """Its second measurement asks the same as its first, whatever later nights print."""
    driver = NightDriver(database)
    for topic in ("rome", "paris"):
        driver.begin(topic, [item("a", metadata={"topic": topic})], printed=["topic"])
    for topic in ("rome", "paris"):
        night = driver.begin(topic)
        ((_, stored),) = driver.read(items_of, night.id)
        assert stored.metadata == {"topic": topic}
