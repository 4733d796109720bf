"""What the beginning of a file says: any bytes have an answer, and jobs are never taken for another file."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.json_text.json_prefix import read_prefix
from runner.rules.other_files.binary_files import binary_file
from runner.rules.other_files.not_jobs import not_jobs
from runner.rules.other_files.other_file import cure_for

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.lists(VALUES, max_size=5) | st.dictionaries(st.text(max_size=5), VALUES, max_size=5)
GOOD = b'{"id": "b", "prompt": "x"}'


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(content: bytes) -> None:
    """Nothing is raised, and what is found has a cure."""
    for found in (binary_file(content), not_jobs(content.partition(b"\n")[0], content)):
        assert found is None or (found.code and found.what and found.fix)


@given(st.text(alphabet='{}[]:,"\\ \n\r\tab1-<>=#|.é', max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    """Near to JSON, tables and settings too."""
    content = text.encode()
    found = not_jobs(content.partition(b"\n")[0], content)
    assert found is None or (found.code and found.what and found.fix)


@given(value=DOCUMENTS, indent=st.sampled_from([None, 0, 2]), data=st.data())
def test_the_beginning_of_a_document_is_read_as_far_as_it_goes(
    value: object, indent: int | None, data: st.DataObject
) -> None:
    """Whole it is the value; cut anywhere it is never called broken, and begins as the value does."""
    text = json.dumps(value, indent=indent)
    whole = read_prefix(text + "\n more")
    assert (whole.value, whole.end, whole.is_cut, whole.is_broken) == (value, len(text), False, False)

    cut = read_prefix(text[: data.draw(st.integers(1, len(text) - 1))])
    assert (cut.is_cut, cut.is_broken) == (True, False)
    assert isinstance(cut.value, type(value))


@pytest.mark.parametrize(
    "first",
    [
        b'{"id": "a"}',
        b'{"id": "a", "question": "x"}',
        b'{"id": "a", "prompt": "x"',
        b'{"id": "a", "prompt": "x',
        b'{"id": "a",',
        b"{'id': 'a'}",
        b'{"id": "a", "prompt": ""}',
        b'{"id": "a", "question": "x", "choices": [{"text": "y"}]}',
        b'{"custom_id": "a", "body": {"messages": [{"role": "usr", "content": "x"}]}}',
        b"# the first night",
        b"id,prompt",
        b"5",
        b"null",
        b"[1, 2]",
        b"<s>",
    ],
)
def test_one_bad_line_first_does_not_make_another_file(first: bytes) -> None:
    """The lines after it are jobs; the finding is of that line alone."""
    assert not_jobs(first, first + b"\n" + GOOD + b"\n") is None


def test_a_tail_of_nul_bytes_makes_no_text_binary() -> None:
    """The first line is a comment, the last one was never written."""
    assert not_jobs(b"# the first night", b"# the first night\n" + GOOD + b"\n" + bytes(512)) is None


@pytest.mark.parametrize(
    ("file", "cure"),
    [
        ("jobs.jsonl", "jq -c . jobs.jsonl > jobs.new.jsonl"),
        ("/data/my jobs.jsonl.gz", "jq -c . '/data/my jobs.jsonl.gz' > 'my jobs.new.jsonl'"),
        ("data.json", "jq -c . data.json > data.new.jsonl"),
        ("-r.jsonl", "jq -c . ./-r.jsonl > -r.new.jsonl"),
        ("$(rm x).jsonl", "jq -c . '$(rm x).jsonl' > '$(rm x).new.jsonl'"),
        ("a\nb.jsonl", r"jq -c . $'a\x0ab.jsonl' > $'a\x0ab.new.jsonl'"),
    ],
)
def test_a_cure_names_the_file_as_a_shell_reads_it(file: str, cure: str) -> None:
    """A redirection never goes into the file itself."""
    assert cure_for("jq -c . FILE > NEW", file) == cure


@given(st.text(max_size=30).map(lambda name: name + ".jsonl"))
def test_a_cure_never_overwrites_its_file(file: str) -> None:
    """Whatever the file is called."""
    words = cure_for("cat FILE > NEW", file)
    if file.isprintable():
        _, read, _, written = shlex.split(words)
        assert read.removeprefix("./") == file.removeprefix("./")
        assert written != file
