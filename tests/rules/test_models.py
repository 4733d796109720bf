"""The catalogue has each model once, with all its names."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest

from runner.rules import models


@pytest.mark.parametrize(
    ("name", "own_name"),
    [
        ("grok-4", "grok-4-0709"),
        ("grok-4-latest", "grok-4-0709"),
        ("grok-4-0709", "grok-4-0709"),
        ("grok-4.20", "grok-4.20-0309-reasoning"),
        ("grok-latest", "grok-4.7"),
        ("grok-build-latest", "grok-4.5"),
        ("grok-4.6-latest", "grok-4.6-latest"),
        ("a-model-of-tomorrow", "a-model-of-tomorrow"),
    ],
)
def test_an_alias_leads_to_its_model_and_an_unknown_name_to_itself(name: str, own_name: str) -> None:
    """Limits and prices go by the canonical name."""
    assert models.canonical(name) == own_name


def test_no_two_models_share_a_name() -> None:
    """An alias belongs to one model only."""
    listed = [name for model in models.CATALOGUE.values() for name in (model.name, *model.aliases)]

    assert len(listed) == len(set(listed)) == len(models.names())


def test_grok_4_is_known_with_the_limits_of_its_page() -> None:
    """120 requests and 200,000 tokens a minute, a window of 256,000; no effort and no penalties."""
    facts = models.facts("grok-4")

    assert facts is not None
    assert (facts.rpm, facts.tpm, facts.context_tokens) == (120, 200_000, 256_000)
    assert facts.efforts == ()
    assert facts.rejects == {"presence_penalty", "frequency_penalty", "stop"}
    assert facts.redirected_to == "grok-4.3"


def test_a_fact_has_a_known_name_and_batch_facts_are_those_that_others_saw() -> None:
    """A fact with a typing error would be read as missing; of grok-4.7 and retired names nothing is known."""
    rows = tomllib.loads(Path(models.__file__).with_name("models.toml").read_text("utf-8"))["models"]
    known = {field.name for field in fields(models.ModelFacts)} | {"batch"}
    assert {key for row in rows.values() for key in row} <= known

    accepted = {name for name, row in rows.items() if row.get("batch")}
    refused = {name for name, row in rows.items() if row.get("batch") is False}
    assert refused == {"grok-4.6", "grok-4.5", "grok-build-0.1"}
    assert accepted == {"grok-4.3"} | {name for name in rows if name.startswith("grok-4.20")}
    prices = tomllib.loads(Path(models.__file__).with_name("prices.toml").read_text("utf-8"))["models"]
    assert {name for name, (row,) in prices.items() if row.get("batch_discount") == 0.2} == accepted


def test_every_redirection_ends_at_a_model_that_is_not_retired() -> None:
    """A warning must not point to another retired name."""
    for model in models.CATALOGUE.values():
        assert (model.retired_on is None) == (model.redirected_to is None)
        if model.redirected_to is not None:
            target = models.facts(model.redirected_to)
            assert target is not None
            assert target.retired_on is None


def test_the_default_model_is_served_and_the_earlier_one_by_it() -> None:
    """A greeting without a warning, and the same answers as before."""
    facts = models.facts(models.DEFAULT)
    assert facts is not None
    assert facts.retired_on is None
    assert models.serving(models.EARLIER_DEFAULT, date(2026, 11, 28)) == models.DEFAULT


def test_nothing_is_known_of_an_unknown_model() -> None:
    """It is warned of, not refused, so the look-up must not raise."""
    assert models.facts("a-model-of-tomorrow") is None


@pytest.mark.parametrize(
    ("asked", "returned", "another"),
    [
        ("grok-4.3", "grok-4.3", False),
        ("grok-4.3", "grok-4.3-latest", False),
        ("grok-4.20", "grok-4.20-0309-reasoning", False),
        ("grok-4", "grok-4-0709", False),
        ("grok-4", "grok-4.3", False),  # retired, and so redirected
        ("grok-4-fast", "grok-4.3-latest", False),
        ("grok-4.3", "grok-4", True),  # but not back
        ("grok-4.3", "grok-4.5", True),
        ("grok-4", "grok-4.5", True),
        ("my-own", "my-own", False),
        ("my-own", "grok-4.3", True),
        ("grok-4.3", "grok-4.3-0415", True),  # a name that the catalogue does not know
    ],
)
def test_an_answer_of_another_model_is_noticed(asked: str, returned: str, another: bool) -> None:
    """Aliases are one model, and a retired one is answered by its successor: neither counts."""
    assert models.is_unexpected(asked, returned) is another
