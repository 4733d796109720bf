"""Items of a suite: the forms they are read in, what is wrong with rows, and their ids."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.evals.items.item_rows import Place
from runner.evals.items.read_items import ReadItems, read_items
from runner.rules.errors import UserError
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite_items import FieldMap, ItemForm, SuiteItems
from runner.rules.row_faults import row_fault_sentence

if TYPE_CHECKING:
    import random

ONE = {"role": "user", "content": "1 + 1?"}


def lines(*rows: dict[str, Any]) -> bytes:
    """Return rows as JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def read(content: bytes, name: str = "items.jsonl", **source: Any) -> ReadItems:
    """Return the items of a file with this content; `source` are fields of SuiteItems."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        return read_items(SuiteItems(file=name, **source), Path(folder))


def error_of(content: bytes, name: str = "items.jsonl", **source: Any) -> str:
    """Return the error of a file that cannot be used, with its cure."""
    with pytest.raises(UserError) as raised:
        read(content, name, **source)
    assert raised.value.exit_code == 3
    return f"{raised.value.what}; {raised.value.fix}"


def test_job_lines_are_read_in_both_forms() -> None:
    """Target, choices and cluster stand beside the request; the model is left out, other fields are kept."""
    short = {"id": "a", "system": "Brief.", "prompt": "1 + 1?", "temperature": 0, "model": "grok-4.3"}
    batch = {
        "custom_id": "b",
        "body": {"model": "x", "messages": [ONE], "seed": 7},
        "url": "/v1/chat/completions",
    }
    found = read(
        lines(
            {**short, "target": "2", "cluster": "sums", "metadata": {"topic": "maths"}},
            {**batch, "target": ["2", "two"], "choices": ["1", "2"]},
        )
    )  # fmt: skip

    assert (found.form, found.fault_count, found.rows) == (ItemForm.JOBS, 0, 2)
    assert found.items == [
        Item(
            id="a", messages=[{"role": "system", "content": "Brief."}, ONE], target="2", cluster="sums",
            body={"temperature": 0}, metadata={"topic": "maths"},
        ),
        Item(id="b", messages=[ONE], target=["2", "two"], choices=("1", "2"), body={"seed": 7}),
    ]  # fmt: skip
    assert found.places == [Place(1, None), Place(2, None)]


def test_the_suite_says_where_the_target_is() -> None:
    """A name leads into an object; a field that is named is no field of the request."""
    row = {"prompt": "1 + 1?", "answer": 2, "doc": 7, "key": "k", "metadata": {"expected": "two"}}
    fields = FieldMap(target="answer", cluster="doc", id="key")
    (item,) = read(lines(row), fields=fields).items
    assert (item.target, item.cluster, item.id, item.body) == ("2", "7", "k", {})

    row = {"prompt": "1 + 1?", "metadata": {"expected": "two", "doc": "d"}}
    fields = FieldMap(target="metadata.expected", cluster="metadata.doc")
    (item,) = read(lines(row), fields=fields).items
    assert (item.target, item.cluster, item.metadata) == ("two", "d", {"expected": "two", "doc": "d"})


def test_samples_of_openai_evals_are_read() -> None:
    """A text or messages, with names; one right text or several; other fields are metadata."""
    named = {"role": "system", "name": "example_user", "content": "2 + 2?"}
    found = read(
        lines({"input": [named, ONE], "ideal": ["2", "two"], "kind": "sum"}, {"input": "?", "ideal": "!"})
    )

    assert found.form is ItemForm.OPENAI_EVALS
    first, second = found.items
    assert (first.messages, first.target, first.metadata) == ([named, ONE], ["2", "two"], {"kind": "sum"})
    assert (second.messages, second.target) == ([{"role": "user", "content": "?"}], "!")


SAMPLE = {
    "input": "1 + 1?", "target": "B", "choices": ["1", "2"], "id": 5, "metadata": {"topic": "maths"},
}  # fmt: skip
IMAGE = "https://example.com/a.png"


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_samples_of_inspect_are_read(kind: str) -> None:
    """In a JSON array, in lines, and in a CSV, whose cells hold JSON."""
    cells = {
        name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in SAMPLE.items()
    }
    table = io.StringIO()
    writer = csv.DictWriter(table, list(SAMPLE))
    writer.writeheader()
    writer.writerow(cells)
    content = {"json": json.dumps([SAMPLE]), "jsonl": json.dumps(SAMPLE), "csv": table.getvalue()}[kind]
    found = read(content.encode(), f"items.{kind}")

    assert found.form is ItemForm.INSPECT
    assert found.items == [
        Item(id="5", messages=[ONE], target="B", choices=("1", "2"), metadata={"topic": "maths"})
    ]


def test_what_inspect_writes_otherwise_is_read() -> None:
    """Parts of a message, own fields of a message, no target, choices with commas; a sandbox is refused."""
    parts = [{"type": "text", "text": "What?"}, {"type": "image", "image": IMAGE}]
    message = {"id": "m1", "source": "input", "role": "user", "content": parts}
    rows = [
        {"input": [message], "target": ""},
        {"input": "x", "choices": "red, green", "target": "A"},
        {"input": "x", "target": "y", "sandbox": "docker"},
    ]
    found = read(json.dumps(rows).encode(), "items.json")

    first, second = found.items
    assert first.messages == [
        {"role": "user", "content": [parts[0], {"type": "image_url", "image_url": {"url": IMAGE}}]}
    ]
    assert (first.target, second.choices) == (None, ("red", "green"))
    assert [(fault.row, fault.code) for fault in found.faults] == [(3, "needs-sandbox")]


ROW = {
    "question": "1 + 1?",
    "answer": "2",
    "options": ["1", "2"],
    "doc": "d",
    "note": "n",
    "context": "Brief.",
}
FIELDS = FieldMap(
    input="question", target="answer", choices="options", cluster="doc", system="context", metadata=("note",)
)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "jsonl.gz", "csv.gz"])
def test_a_table_of_any_columns_is_read(kind: str) -> None:
    """The suite names them; packed or not."""
    cells = {**ROW, "options": json.dumps(ROW["options"])}
    table = io.StringIO()
    writer = csv.DictWriter(table, list(ROW), delimiter="\t" if kind == "tsv" else ",")
    writer.writeheader()
    writer.writerow(cells)
    if kind.startswith("jsonl"):
        content = lines(ROW)
    elif kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([ROW]), sink)
        content = sink.getvalue()
    else:
        content = table.getvalue().encode()
    content = gzip.compress(content) if kind.endswith(".gz") else content
    found = read(content, f"items.{kind}", fields=FIELDS)

    (item,) = found.items
    assert found.form is ItemForm.TABLE
    assert item.messages == [{"role": "system", "content": "Brief."}, ONE]
    assert (item.target, item.choices, item.cluster) == ("2", ("1", "2"), "d")
    assert item.metadata == {"note": "n"}


def test_all_other_columns_are_metadata_where_the_suite_names_none() -> None:
    """Those that are used otherwise are not."""
    (item,) = read(
        b"input,target,topic\nq,t,x\n", "i.csv", form=ItemForm.TABLE, fields=FieldMap(target="target")
    ).items
    assert item.metadata == {"topic": "x"}


def test_an_empty_cell_names_nothing() -> None:
    """No id, no system message, no cluster; the item is read."""
    fields = FieldMap(input="q", target="a", id="key", system="s", cluster="c")
    (one,) = read(b"q,a,key,s,c\n1 + 1?,2,,,\n", "items.csv", fields=fields).items
    assert (one.messages, one.cluster, len(one.id)) == ([ONE], None, 12)


GOOD = {"input": "1 + 1?", "ideal": "2"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"{oops", "[invalid-json]"),
        (b"[1]", "the line is an array (character 1 of the line) [not-an-object]"),
        (b'{"input": "a", "input": "b", "ideal": "c"}', "[duplicate-key]"),
        (b'{"input": "a\\ud800", "ideal": "c"}', "[lone-surrogate]"),
        (lines({"ideal": "2"}), "column input: the row has no input [missing-input]"),
        (lines({"input": " ", "ideal": "2"}), "column input: the input is empty [empty-input]"),
        (lines({"input": 3, "ideal": "2"}), "column input: the input is no text and no list [bad-input]"),
        (lines({"input": [], "ideal": "2"}), "column input: messages is empty [empty-messages]"),
        (
            lines({"input": [{"role": "usr", "content": "x"}], "ideal": "2"}),
            '"usr" does not exist [unknown-role]',
        ),
        (lines({"input": [{"role": "user", "content": ""}], "ideal": "2"}), "[empty-prompt]"),
        (lines({"input": ["x"], "ideal": "2"}), "a message must be an object [bad-type]"),
        (lines({"input": "x"}), "column ideal: the row has no ideal [missing-target]"),
        (lines({"input": "x", "ideal": ""}), "column ideal: the target is empty:"),
        (lines({"input": "x", "ideal": []}), "column ideal: the target is empty:"),
        (lines({"input": "x", "ideal": ["y", " "]}), "column ideal: the target is empty:"),
        (lines({"input": "x", "ideal": [["y"]]}), "column ideal: the target is no text and no list of"),
    ],
)
def test_a_bad_row_is_named_with_its_line(row: bytes, words: str) -> None:
    """Why, and the cure; the other rows are read."""
    found = read(lines(GOOD) + b"\n" + row.rstrip() + b"\n" + lines({**GOOD, "input": "2 + 2?"}))

    assert (len(found.items), found.fault_count, found.rows) == (2, 1, 3)
    sentence = row_fault_sentence(found.faults[0])
    assert sentence.startswith("line 3")
    assert words in sentence
    assert found.faults[0].fix


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"prompt": "x", "messages": [ONE]}, "prompt-and-messages"),
        ({"messages": [ONE], "id": ""}, None),
        ({"messages": [ONE], "id": "x" * 401}, "bad-id"),
        ({"messages": [ONE], "id": 1.5}, "bad-type"),
        ({"messages": [ONE], "choices": "A"}, "bad-choices"),
        ({"messages": [ONE], "cluster": ["a"]}, "bad-cluster"),
        ({"body": {"messages": [ONE], "prompt": "x"}}, "unknown-field"),
        ({"body": {"messages": [ONE]}, "url": "/v1/embeddings"}, "wrong-url"),
    ],
)
def test_a_bad_job_line_is_no_item(row: dict[str, Any], code: str | None) -> None:
    """As in a job file, and where the fields of an item are none."""
    found = read(lines({"prompt": "1"}, row))
    if code is None:
        code = "bad-id"
    assert [(fault.line, fault.code) for fault in found.faults] == [(2, code)]


def test_the_longest_id_is_said_once_and_for_all() -> None:
    """Not first the limit of a job line, which is longer."""
    for field in ("id", "custom_id"):
        for length in (401, 513):
            found = read(
                lines({"messages": [ONE], "id": "x" * 400}, {"messages": [ONE], field: "x" * length})
            )
            assert [(fault.line, fault.fix) for fault in found.faults] == [(2, "use at most 400")]


def test_ids_that_rows_give_are_unique() -> None:
    """Both lines are named; whole numbers are ids."""
    found = read(lines(*({"prompt": f"{n}", "id": name} for n, name in enumerate(["a", "b", "a"]))))
    (fault,) = found.faults
    assert (fault.line, fault.code, fault.reason) == (3, "duplicate-id", 'the id "a" is that of line 1 too')

    found = read(b"input,target,id\na,b,7\nc,d,7\n", "items.csv")
    assert (found.faults[0].row, found.faults[0].reason) == (2, 'the id "7" is that of row 1 too')


def test_items_without_an_id_are_named_by_what_is_asked() -> None:
    """A target that is corrected changes the content, not the id; a given id is never taken."""
    (item,) = read(lines({"input": "q", "ideal": "a"})).items
    (other,) = read(lines({"input": "q", "ideal": "b"})).items
    assert item.id == other.id
    assert len(item.id) == 12
    assert item.sha256 != other.sha256

    rows = [
        {"input": "q", "target": "b"},
        {"input": "q", "target": "a"},
        {"input": "r", "target": "c", "id": item.id},
    ]
    assert {one.id for one in read(lines(*rows)).items} == {item.id, f"{item.id}-2", f"{item.id}-3"}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from("12")), min_size=1),
    st.randoms(),
)
def test_the_order_of_a_file_changes_nothing(rows: list[tuple[str, str, str]], chance: random.Random) -> None:
    """Every item has its own id, whatever is repeated, and the same one in a file of another order."""
    made = [{"input": asked, "ideal": right, "cluster": where} for asked, right, where in rows]
    first = read(lines(*made), fields=FieldMap(cluster="cluster"))
    chance.shuffle(made)
    second = read(lines(*made), fields=FieldMap(cluster="cluster"))

    assert len({item.id for item in first.items}) == len(rows)
    assert sorted(first.items, key=lambda item: item.id) == sorted(second.items, key=lambda item: item.id)
    assert first.sha256 == second.sha256


def test_the_hash_of_the_items_is_of_their_content() -> None:
    """An item that is changed, added or removed changes it."""
    base = read(lines(GOOD)).sha256
    assert base != read(lines({**GOOD, "ideal": "3"})).sha256
    assert base != read(lines(GOOD, GOOD)).sha256


@pytest.mark.parametrize(
    ("content", "name", "source", "words"),
    [
        (b"", "items.jsonl", {}, "is empty; give items:"),
        (b" \n\n", "items.jsonl", {}, "is empty"),
        (b"[]", "items.json", {}, "has no items; give it at least one row"),
        (b"input,target\n", "items.csv", {}, "has no items"),
        (b'[{"input": "x"', "items.json", {}, "is no JSON: unexpected end of data"),
        (b"\x1f\x8bbroken", "items.jsonl", {}, "the gzip file is"),
        ("é".encode("utf-16"), "items.jsonl", {}, "UTF-16"),
        (
            lines({"q": "x", "a": "y"}),
            "items.jsonl",
            {},
            "no known form; its first row has q, a; name its columns",
        ),
        (lines({"q": "x"}), "items.jsonl", {"fields": FieldMap(input="qq")}, 'has no column "qq", which the'),
        (lines({"q": "x"}), "items.jsonl", {"fields": FieldMap(input="q", target="Q")}, 'did you mean "q"?'),
        (
            lines({"prompt": "x", "metadata": {"expect": 1}}),
            "items.jsonl",
            {"fields": FieldMap(target="metadata.expected")},
            'has no column "metadata.expected"',
        ),
        (
            lines(
                {
                    "task_id": "h/0",
                    "prompt": "def f",
                    "entry_point": "f",
                    "canonical_solution": "",
                    "test": "x",
                }
            ),
            "items.jsonl",
            {},
            "no answer is run here; write the answers with runner write",
        ),
        (
            lines({"prompt": "def f", "entry_point": "f", "test": "x"}),
            "items.jsonl",
            {"form": ItemForm.JOBS},
            "is a benchmark of programs",
        ),
        (lines(GOOD), "items.jsonl", {"gold": {"a": "b"}}, "only the items of a recipe have gold columns"),
        (b"recipe = 1", "r.toml", {"fields": FieldMap(target="x")}, "is a recipe, which names the columns"),
        (
            lines(GOOD),
            "items.jsonl",
            {"form": ItemForm.JOBS, "fields": FieldMap(input="x")},
            "items.input: job lines have a prompt or messages",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "items.jsonl", {}, "image"),
    ],
)
def test_a_file_that_is_of_no_use_is_refused(
    content: bytes, name: str, source: dict[str, Any], words: str
) -> None:
    """In one error with the cure, exit 3."""
    assert words in error_of(content, name, **source)


def test_all_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    """Each with its own cure, so that one correction is enough."""
    (tmp_path / "items.csv").write_text("question,target\n1 + 1?,2\n")
    fields = FieldMap(input="question", target="targets", cluster="xyz", metadata=("topic",))
    with pytest.raises(UserError, match="lacks 3 columns that the suite names") as refused:
        read_items(SuiteItems(file="items.csv", fields=fields), tmp_path)
    assert refused.value.where == (
        '"targets": did you mean "target"?',
        '"topic": there are: question, target',
        '"xyz": there are: question, target',
    )


def test_items_are_read_in_the_folder_of_the_suite_only(tmp_path: Path) -> None:
    """A suite of another person must not send private files; a missing file is named."""
    (tmp_path / "private.jsonl").write_bytes(lines(GOOD))
    (tmp_path / "suites").mkdir()
    with pytest.raises(UserError, match="is outside of the suite's folder"):
        read_items(SuiteItems(file="../private.jsonl"), tmp_path / "suites")
    with pytest.raises(UserError, match=r"none.jsonl: No such file"):
        read_items(SuiteItems(file="none.jsonl"), tmp_path)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(end: bytes) -> None:
    """Those of an old Mac too, and a last line without one."""
    rows = [{"input": f"{n}?", "ideal": "y"} for n in range(3)]
    found = read(b"\xef\xbb\xbf" + end.join(json.dumps(row).encode() for row in rows))

    assert [item.text for item in found.items] == ["0?", "1?", "2?"]
    assert found.places[2] == Place(3, None)


RECIPE = """
recipe = 1
[table]
file = "reviews.csv"
[prompt]
system = "You label reviews."
user = "{{ text }}"
[labels]
mood = "good|bad"
stars = "1..5"
"""
REVIEWS = "text,mood_gold,stars_gold\nfine,good,5\nawful,bad,1\n,good,4\nmeh,neutral,3\n"


def recipe_items(folder: Path, gold: dict[str, str], recipe: str = RECIPE) -> ReadItems:
    """Return the items of a recipe with these gold columns."""
    (folder / "mood.toml").write_text(recipe)
    (folder / "reviews.csv").write_text(REVIEWS)
    return read_items(SuiteItems(file="mood.toml", gold=gold), folder)


def test_the_rows_of_a_recipe_are_items(tmp_path: Path) -> None:
    """What is sent is what the recipe sends; the gold columns are the target, as values of its schema."""
    found = recipe_items(tmp_path, {"mood": "mood_gold", "stars": "stars_gold"})

    assert found.form is ItemForm.RECIPE
    first, second = found.items
    assert (first.target, second.target) == ({"mood": "good", "stars": 5}, {"mood": "bad", "stars": 1})
    assert first.text == "fine"
    assert first.messages[0]["content"].startswith("You label reviews.")
    assert set(first.body) == {"response_format"}
    assert [(fault.row, fault.column, fault.code) for fault in found.faults] == [
        (3, "text", "empty-prompt"),
        (4, "mood_gold", "bad-label"),
    ]
    assert {Path(one.path).name for one in found.read_files} == {"mood.toml", "reviews.csv"}


def test_faults_of_gold_columns_are_named(tmp_path: Path) -> None:
    """All at once, with what there is."""
    with pytest.raises(UserError) as raised:
        recipe_items(tmp_path, {"moods": "mood_gold", "stars": "gold"})
    assert raised.value.where == (
        'items.gold.moods: mood.toml has no label "moods"; use one of: mood, stars'.replace(
            "mood.toml", str(tmp_path / "mood.toml")
        ),
        'items.gold.stars: there is no column "gold"; did you mean "mood_gold"?',
    )


def read_or_error(content: bytes, name: str, form: ItemForm | None = None) -> ReadItems | UserError:
    """Return the items of a file, or the error that refuses it."""
    try:
        return read(content, name, form=form)
    except UserError as error:
        return error


WORDS = st.sampled_from(["", " ", "x", "[1]", '{"a": 1}', "user", "text", "A, B", "\0", "é\U0001f600"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "image", "a"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
FIELD_NAMES = st.sampled_from(
    [
        "input",
        "ideal",
        "target",
        "id",
        "custom_id",
        "choices",
        "metadata",
        "prompt",
        "system",
        "messages",
        "body",
        "x",
    ]
)
ANY_ROW = st.dictionaries(FIELD_NAMES, VALUES, max_size=6)


@given(
    st.lists(ANY_ROW, min_size=1, max_size=5),
    st.sampled_from([None, *(form for form in ItemForm if form is not ItemForm.RECIPE)]),
    st.sampled_from(["items.jsonl", "items.json"]),
)
def test_any_row_is_an_item_or_is_named(rows: list[dict[str, Any]], form: ItemForm | None, name: str) -> None:
    """Whatever it holds: nothing crashes, and no row disappears. Items can be hashed and asked."""
    content = json.dumps(rows).encode() if name.endswith(".json") else lines(*rows)
    found = read_or_error(content, name, form)
    if isinstance(found, UserError):
        assert found.fix
        return
    assert len(found.items) + found.fault_count == len(rows) == found.rows
    assert all(fault.reason and fault.fix for fault in found.faults)
    assert all(item.messages and isinstance(item.text, str) for item in found.items)


@given(
    st.binary(max_size=60),
    st.sampled_from(["items.jsonl", "items.json", "items.csv", "items", "items.parquet"]),
)
def test_any_bytes_are_read_or_refused(content: bytes, name: str) -> None:
    """A file of another kind is an error with its cure, never a crash."""
    found = read_or_error(content, name)
    assert isinstance(found, ReadItems) or found.fix
