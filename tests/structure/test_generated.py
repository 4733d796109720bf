"""The generated pages are current."""

from pathlib import Path

import pytest

from tools.docs.write import PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_generated_page_is_what_its_source_makes(page: Path) -> None:
    """`make docs` writes it."""
    assert PAGES[page]() == page.read_text(encoding="utf-8")
