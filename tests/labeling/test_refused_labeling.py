"""What is refused before anything is sent: outputs, recipes, templates and schemas that cannot be used."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import Called, run_command
from live_runner import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LABELS = ("--text", "review", "--labels", "mood: good|bad")
REFUSED = (2, 3)


@pytest.fixture
def env(tmp_path: Path) -> Mapping[str, str]:
    """Return an environment whose API does not exist: what would send something ends with exit code 5."""
    (tmp_path / "reviews.csv").write_text("id,review\n1,good one\n2,bad one\n")
    own = {"RUNNER_HOME": str(tmp_path / "home"), "XAI_API_KEY": KEY, "XAI_BASE_URL": "http://127.0.0.1:9/v1"}
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
    return outer | own


def label(folder: Path, env: Mapping[str, str], *words: str) -> Called:
    """Call `label`, which must refuse; return what it said, on one line. No run may be there afterwards."""
    called = run_command(("label", *words), folder, env, *REFUSED)
    assert "Traceback" not in called.output
    if (folder / "home" / "runner.db").exists():
        assert json.loads(run_command(("list", "--json"), folder, env).stdout)["runs"] == []
    return called


def write_recipe(folder: Path, **sections: Mapping[str, Any]) -> str:
    """Write a recipe of the reviews with changed sections; return its name."""
    usual: dict[str, Mapping[str, Any]] = {
        "table": {"file": "reviews.csv"}, "prompt": {"text": "review"}, "labels": {"mood": "good|bad"},
    }  # fmt: skip
    lines = ["recipe = 1"]
    for name, values in (usual | sections).items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    (folder / "recipe.toml").write_text("\n".join(lines) + "\n")
    return "recipe.toml"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("reviews.csv", "is the table itself"),
        ("link.csv", "is a symbolic link"),
        ("hard.csv", "is the table itself"),
        ("out.xlsx", ".xlsx files cannot be written"),
        ("out", "does not say its format"),
        ("no/out.csv", "does not exist"),
        ("home.csv", "is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_loading(
    output: str, said: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """Nothing is loaded, so nothing can be sent and paid for."""
    (tmp_path / "link.csv").symlink_to("reviews.csv")
    os.link(tmp_path / "reviews.csv", tmp_path / "hard.csv")
    (tmp_path / "home.csv").mkdir()
    content = (tmp_path / "reviews.csv").read_bytes()

    assert said in label(tmp_path, env, "reviews.csv", *LABELS, "-o", output).output
    assert (tmp_path / "reviews.csv").read_bytes() == content


def test_a_foreign_file_is_not_replaced(env: Mapping[str, str], tmp_path: Path) -> None:
    """Also not one that looks like a table with labels."""
    (tmp_path / "out.csv").write_text("id,review,mood,_status,_error\n")
    said = label(tmp_path, env, "reviews.csv", *LABELS, "-o", "out.csv", "--new").output
    assert "would replace a file that this run did not write" in said
    assert "--force" in said


@pytest.mark.parametrize("header", ["review,_status", "review,mood", "review,_error"])
def test_a_column_that_would_be_added_is_refused(header: str, env: Mapping[str, str], tmp_path: Path) -> None:
    """As in a table that has been labeled before; the cure is a prefix."""
    (tmp_path / "again.csv").write_text(f"{header}\nfine,x\n")
    assert "--prefix" in label(tmp_path, env, "again.csv", *LABELS).output


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"table": {"file": "/etc/passwd"}}, "table.file: /etc/passwd is outside of"),
        ({"table": {"file": "../../../../etc/passwd"}}, "is outside of"),
        (
            {"prompt": {"text": "review", "system": "file:/etc/passwd"}},
            "is outside of",
        ),
        ({"prompt": {"user": "file:/etc/passwd"}}, "move it beside the recipe"),
        ({"prompt": {"text": "review", "examples": "/etc/passwd"}}, "is outside of"),
        ({"prompt": {"text": "review", "systems": "x"}}, 'did you mean "system"?'),
        ({"prompts": {"text": "review"}}, 'did you mean "prompt"?'),
        ({"body": {"messages": []}}, "this field is not for [body]"),
        ({"labels": {"mood": "@/etc/passwd"}}, "is outside of"),
        ({"table": {"file": "reviews.csv", "where": "().__class__.__bases__"}}, "unsafe"),
        ({"table": {"file": "reviews.csv", "where": "nothing == 1"}}, "nothing"),
        ({"prompt": {"user": "{% include '/etc/passwd' %}{{ review }}"}}, "line 1"),
        ({"prompt": {"user": "{{ reviews }}"}}, "review"),
        ({"prompt": {"user": "{{ cell.__init__.__globals__ }}"}}, 'no column "__init__"'),
    ],
)
def test_a_recipe_that_reaches_too_far_is_refused(
    sections: Mapping[str, Any], said: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """Other people's files stay private, and a slip of the pen is not passed over."""
    words = write_recipe(tmp_path, **sections)
    found = label(tmp_path, env, words).output
    assert said in " ".join(found.split())
    assert "root:" not in found


@pytest.mark.parametrize("name", ["link.csv", "link.j2"])
def test_a_link_out_of_the_folder_of_a_recipe_is_refused(
    name: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """A recipe cannot reach a private file by a link that came along with it."""
    (tmp_path / name).symlink_to("/etc/passwd")
    is_table = name == "link.csv"
    sections = {"table": {"file": name}} if is_table else {"prompt": {"user": f"file:{name}"}}
    found = label(tmp_path, env, write_recipe(tmp_path, **sections)).output
    assert "is outside of" in found


_BIG = "'x' * 16000000"
# A value of 2**60 parts in a small memory.
_NESTED = "{%% set ns = namespace(x=[]) %%}{%% for i in range(60) %%}{%% set ns.x = %s %%}{%% endfor %%}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ review.__class__.__mro__ }}",
        "{{ review|attr('__class__') }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ review.ljust(999999999) }}",
        f"{_NESTED % '[ns.x, ns.x]'}{{{{ ns.x }}}}",
        f"{_NESTED % '[ns.x, ns.x]'}{{{{ ns.x|string }}}}",
        f"{_NESTED % '{1: ns.x, 2: ns.x}'}{{{{ ns.x|tojson }}}}",
        f"{{{{ [{_BIG}] * 1000000 }}}}",
        f"{{{{ ([{_BIG}] * 1000000)|join }}}}",
        f"{{{{ ''.join([{_BIG}] * 1000000) }}}}",
        f"{{{{ ({_BIG}).join(['a'] * 1000000) }}}}",
        f"{{{{ ('%(a)s' * 1000000) % {{'a': {_BIG}}} }}}}",
        f"{{{{ ('a' * 1000000).translate({{97: {_BIG}}}) }}}}",
        "{{ ('\\t' * 16000000).expandtabs(9999) }}",
        "{{ ('\\n' * 16000000)|indent(9999, blank=true) }}",
        f"{{{{ ('ab ' * 1000000)|wordwrap(1, wrapstring={_BIG}) }}}}",
    ],
)
def test_a_template_without_bounds_is_a_fault_of_its_rows(
    template: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """It ends soon, and in little memory."""
    (tmp_path / "reviews.csv").write_text("review\ngood one\n")
    found = label(
        tmp_path, env, "reviews.csv", "--user", template + "{{ review }}", "--labels", "mood: good|bad"
    )
    assert "row 1: user, line 1:" in " ".join(found.output.split())


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]}, "enum"),
        ({"type": "object", "properties": {"a": True}, "required": ["a"]}, "a"),
        ({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}, "leads back to itself"),
        ({"type": "array", "items": {"type": "string"}}, "object"),
        (
            {"type": "object", "properties": {"a": {"$ref": "https://example.com/x.json"}}},
            "must stay within it",
        ),
    ],
)
def test_a_schema_that_the_api_refuses_is_refused_here(
    schema: Mapping[str, Any], said: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """With the place in the schema, before a request is paid for."""
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    found = label(tmp_path, env, "reviews.csv", "--text", "review", "--schema", "schema.json").output
    assert said in " ".join(found.split())


def test_a_file_without_bytes_is_refused(env: Mapping[str, str], tmp_path: Path) -> None:
    """Unlike a table with a header only."""
    (tmp_path / "zero.csv").write_bytes(b"")
    assert "zero.csv is empty" in label(tmp_path, env, "zero.csv", *LABELS).output
