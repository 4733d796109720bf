"""The job lines of a night: what they ask, their order and their ids."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.evals.night.compile_night import (
    AnswerId,
    custom_id,
    job_lines,
    parse_custom_id,
    printed_metadata,
)
from runner.intake.templates import RenderError
from runner.rules.errors import UserError
from runner.rules.evaluation.report.night_content import differences, hashes_of
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite import GateSpec, GraderSpec, Subject, Suite
from runner.rules.evaluation.suite.suite_json import decode_suite, encode_suite
from runner.rules.requests.request import Defaults, read_request

PLAIN = Subject(model="grok-4.3")
SUITE = Suite(
    name="s",
    subjects=(PLAIN,),
    graders=(GraderSpec(name="g", type="exact", is_primary=True),),
    gates=(GateSpec(rule="measured", at_least=0.98),),
)
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def item(name: str = "a", content: Any = "What is 1 + 1?", **fields: Any) -> Item:
    """Return an item that asks something."""
    return Item(id=name, messages=[{"role": "user", "content": content}], **fields)


def jobs(suite: Suite, *items: Item) -> list[dict[str, Any]]:
    """Return the job lines of a night, each read as our own check reads a line: none is refused."""
    found = []
    for number, line in enumerate(job_lines(suite, items), 1):
        request, diagnostics = read_request(line, number, Defaults(model="grok-4"))
        assert request is not None, diagnostics
        assert json.loads(request.body) == {key: one for key, one in json.loads(line).items() if key != "id"}
        found.append(json.loads(line))
    return found


def prompt_of(user: str, one: Item) -> Any:
    """Return the content of the last message that a template makes of an item."""
    (job,) = jobs(replace(SUITE, subjects=(replace(PLAIN, user=user),)), one)
    return job["messages"][-1]["content"]


def test_an_item_is_sent_as_it_is() -> None:
    """With the model of the subject; its own fields stay."""
    assert jobs(SUITE, item(body={"temperature": 0})) == [
        {
            "id": "a#1",
            "model": "grok-4.3",
            "messages": [{"role": "user", "content": "What is 1 + 1?"}],
            "temperature": 0,
        }
    ]


def test_a_subject_adds_its_texts_and_fields() -> None:
    """Its system message comes first; a field that both have is the item's."""
    subject = Subject(
        model="m", system="Brief.", user="Q: {{ input }}", body={"temperature": 1, "max_completion_tokens": 9}
    )
    (job,) = jobs(replace(SUITE, subjects=(subject,)), item(body={"temperature": 0}))

    assert job["messages"] == [
        {"role": "system", "content": "Brief."},
        {"role": "user", "content": "Q: What is 1 + 1?"},
    ]
    assert (job["temperature"], job["max_completion_tokens"]) == (0, 9)


def test_a_template_sees_choices_and_metadata() -> None:
    """Choices have letters; a name that is no word is read as a cell; the item is never a template."""
    one = item(content="{{ pick }}?", choices=("red", "green"), metadata={"topic": "colours", "my note": "n"})

    assert prompt_of("{{ input }}\n{{ choices }}", one) == "{{ pick }}?\nA) red\nB) green"
    assert prompt_of('{{ topic }}: {{ input }} ({{ cell["my note"] }})', one) == "colours: {{ pick }}? (n)"


def test_a_template_changes_the_last_message_of_the_user_alone() -> None:
    """Earlier messages and images stay; where the user says nothing a message is added."""
    before = {"role": "user", "content": "Hello"}
    answer = {"role": "assistant", "content": "Hi"}
    talk = item()._replace(messages=[before, answer, {"role": "user", "content": "1 + 1?"}])
    (job,) = jobs(replace(SUITE, subjects=(replace(PLAIN, user="<{{ input }}>"),)), talk)
    assert job["messages"] == [before, answer, {"role": "user", "content": "<1 + 1?>"}]

    with_image = item(content=[{"type": "text", "text": "What?"}, IMAGE])
    assert prompt_of("<{{ input }}>", with_image) == [{"type": "text", "text": "<What?>"}, IMAGE]

    system = item()._replace(messages=[{"role": "system", "content": "s"}])
    assert prompt_of("Go on.{{ input }}", system) == "Go on."


def test_a_template_with_an_unknown_name_is_refused() -> None:
    """Before anything is made; the cure names what there is."""
    suite = replace(SUITE, subjects=(replace(PLAIN, user="{{ topics }}"),))
    with pytest.raises(UserError) as raised:
        list(job_lines(suite, [item(metadata={"topic": "x"})]))
    assert raised.value.where == ('line 1: the items have no "topics"; did you mean "topic"?',)


def test_metadata_that_an_item_lacks_is_a_fault_of_that_item() -> None:
    """No request is made with a hole in it."""
    suite = replace(SUITE, subjects=(replace(PLAIN, user="{{ topic }} {{ input }}"),))
    with pytest.raises(RenderError) as raised:
        list(job_lines(suite, [item(metadata={"topic": "x"}), item("b")]))
    assert raised.value.column == "topic"


VARIANTS = (replace(PLAIN, name="old"), replace(PLAIN, name="new", system="Brief."))


def test_each_epoch_has_all_items_of_all_variants() -> None:
    """A stop leaves whole epochs, and within one the variants of an item side by side."""
    suite = replace(SUITE, epochs=2, subjects=VARIANTS)
    ids = [job["id"] for job in jobs(suite, item("a"), item("b"))]
    once = ["old/a", "new/a", "old/b", "new/b"]

    assert ids == [f"{name}#{epoch}" for epoch in (1, 2) for name in once]


def test_the_same_night_has_the_same_bytes_after_it_was_kept() -> None:
    """So that a night that goes on is the same run; equal bodies differ in their ids alone."""
    body = {"response_format": {"type": "json_object"}, "temperature": 0.5, "seed": 3}
    suite = replace(SUITE, epochs=2, subjects=(replace(PLAIN, user="{{ b }}{{ a }}{{ input }}", body=body),))
    items = [item(metadata={"b": 1, "a": 2}), item("c", metadata={"a": 3, "b": 4})]

    first = list(job_lines(suite, items))
    assert first == list(job_lines(decode_suite(encode_suite(suite)), items))
    assert len(set(first)) == 4


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
VARIANT_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/#@"), max_size=10)


@given(VARIANT_NAMES, NAMES | st.text("/#a", min_size=1, max_size=5), st.integers(1, 100))
@example("", "a/b", 1)
@example("a", "/b#2", 3)
def test_an_id_can_be_read_back(variant: str, name: str, epoch: int) -> None:
    """Whatever is in the id of an item, slashes and marks among it."""
    assert parse_custom_id(custom_id(variant, name, epoch)) == AnswerId(variant, name, epoch)


@pytest.mark.parametrize("text", ["", "a", "a#", "a#x", "#", "a#-1", "a#1.5"])
def test_any_other_id_is_refused(text: str) -> None:
    """It is not of a night."""
    with pytest.raises(ValueError, match="no id of a job of a night"):
        parse_custom_id(text)


def test_printed_metadata_is_part_of_what_a_night_asks() -> None:
    """Of all subjects together; `input` and `choices` are no metadata. A night is not mixed of two values."""
    asks = [
        replace(PLAIN, name=name, user=f"{{{{ input }}}} {{{{ {name} }}}}") for name in ("topic", "choices")
    ]
    suite = replace(SUITE, subjects=tuple(asks))
    items = {topic: [item(metadata={"topic": topic, "note": "x"})] for topic in ("rome", "paris")}
    names = printed_metadata(suite, items["rome"])
    assert names == ["topic"]
    assert printed_metadata(SUITE, items["rome"]) == []
    rome, paris = (hashes_of(suite, found, {}, names) for found in items.values())
    assert differences(rome, paris) == ["other items"]
    assert differences(rome, hashes_of(suite, items["rome"], {}, names)) == []
    earlier = replace(rome, printed=None)
    assert differences(earlier, paris) == []
