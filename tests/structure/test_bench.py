"""Every measure has its place on the page of benchmarks, and can be called."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import page
import run


@pytest.mark.parametrize("name", run.MEASURES)
def test_a_measure_has_its_place_on_the_page(name: str) -> None:
    """Its block is there once, and its module says what it measures."""
    text = page.PAGE.read_text("utf-8")
    module = importlib.import_module(name)

    assert text.count(f"<!-- {name} -->") == text.count(f"<!-- /{name} -->") == 1
    assert module.TITLE
    assert callable(module.measure)
