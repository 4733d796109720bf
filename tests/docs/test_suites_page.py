"""The suites on docs/suites.md can be used as they stand there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final, get_args

import pytest

from runner.rules.evaluation.suite.gate_table import read_gates
from runner.rules.evaluation.suite.suite import GateRule
from runner.rules.evaluation.suite.suite_items import ItemForm
from runner.rules.evaluation.suite.suite_table import read_suite_table

PAGE: Final = (Path(__file__).parents[2] / "docs" / "suites.md").read_text(encoding="utf-8")
SUITES: Final = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", SUITES, ids=range(len(SUITES)))
def test_a_suite_of_the_page_has_no_fault(text: str) -> None:
    """Each block is a whole suite file."""
    found, faults = read_suite_table(tomllib.loads(text), "night")

    assert faults == []
    assert found.suite.primary.type


def test_the_gate_of_the_first_suite_is_the_default() -> None:
    """As the page says of it."""
    found, _ = read_suite_table(tomllib.loads(SUITES[0]), "night")
    assert found.suite.gates == read_gates([], found.suite.graders)


def test_all_forms_and_rules_are_described() -> None:
    """In the tables of the page."""
    words = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert words == {*ItemForm, *get_args(GateRule)}
