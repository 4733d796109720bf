"""The schema and the words of the prompt that fields lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from label_strategies import label_fields

from runner.rules.labels.answer_schema import answer_schema, instructions, schema_bytes
from runner.rules.labels.label_columns import closed_schema, fields_of_schema
from runner.rules.labels.label_language import parse_labels
from runner.rules.requests.schemas import schema_problems

if TYPE_CHECKING:
    from runner.rules.labels.label_field import LabelField

TEXT = """
sentiment: positive|negative
topics: [price|quality]
stars: 1..5
score?: 0.0..1.0
urgent: yes/no
note?: text
topic: @topics.csv
kinds: [@topics.csv]
words: [text]
n: integer
"""


PROMPT = """
Answer with one JSON object and nothing else. Its fields:
- sentiment: one of "positive", "negative"
- topics: a list of any of "price", "quality"
- stars: a whole number from 1 to 5
- score: a number from 0.0 to 1.0, or null if there is none
- urgent: true or false
- note: text, or null if there is none
- topic: one of these
  - "billing": invoices and payments
  - "other"
- kinds: a list of any of these
  - "billing": invoices and payments
  - "other"
- words: a list of texts
- n: a whole number
"""


def read_values(_name: str) -> list[tuple[str, str | None]]:
    return [("billing", "invoices and payments"), ("other", None)]


def test_the_schema_has_every_field_in_order_and_no_other() -> None:
    """All are required, and what the API assumes is written out: the same bytes each time."""
    fields = parse_labels('s: b|a"\nstars?: 1..5\nt: [é]\nx: 0.5..1.0\nu: yes/no', read_values).fields

    assert schema_bytes(answer_schema(fields)).decode() == (
        '{"type":"object","properties":{'
        '"s":{"type":"string","enum":["b","a\\""]},'
        '"stars":{"anyOf":[{"type":"integer","minimum":1,"maximum":5},{"type":"null"}]},'
        '"t":{"type":"array","items":{"type":"string","enum":["é"]}},'
        '"x":{"type":"number","minimum":0.5,"maximum":1.0},'
        '"u":{"type":"boolean"}},'
        '"required":["s","stars","t","x","u"],"additionalProperties":false}'
    )


def test_the_prompt_ends_with_what_each_field_may_hold() -> None:
    """Values with descriptions have a line each."""
    assert instructions(parse_labels(TEXT, read_values).fields) == PROMPT.strip()


@given(fields=label_fields())
def test_the_schema_leads_back_to_the_fields(fields: list[LabelField]) -> None:
    """The API has nothing to refuse or to read otherwise, and it is closed already."""
    schema = answer_schema(fields)

    assert fields_of_schema(schema) == fields
    assert list(schema_problems("it is", schema, ())) == []
    assert schema_bytes(closed_schema(schema)) == schema_bytes(schema)
