"""Every code of ours has one sentence."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import runner
from runner.rules.explain import SENTENCES, explain
from runner.rules.replies import reply_table
from runner.rules.replies.chat_completion import Kind
from runner.rules.replies.reply import FETCH_FAULTS, SUBMIT_FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = ("engine", "rules", "output")
MADE_WITH_CODES = {"Cause", "Classification", "FetchStep", "_held", "_ended"}
LAST_CHECK = "_reason_to_stay"  # the last check before sending: it returns codes


def name_of(called: ast.expr) -> str:
    """Return the name of the function or method that is called."""
    return str(getattr(called, "id", "") or getattr(called, "attr", ""))


def written_codes(path: Path) -> Iterator[str]:
    """Yield the codes in a file: `Cause(code=...)` and similar calls with a literal or a constant, and the
    values that the last check before sending returns."""
    text = path.read_text("utf-8")
    if not any(name in text for name in (*MADE_WITH_CODES, LAST_CHECK)):
        return
    nodes = list(ast.walk(ast.parse(text)))
    named = {
        target.id: node.value.value
        for node in nodes
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.Call) and name_of(node.func) in MADE_WITH_CODES:
            values = [word.value for word in node.keywords if word.arg == "code"]
        elif isinstance(node, ast.FunctionDef) and node.name == LAST_CHECK:
            values = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
        else:
            continue
        for value in values:
            code = named.get(value.id) if isinstance(value, ast.Name) else getattr(value, "value", None)
            if isinstance(code, str):
                yield code


@cache
def all_codes() -> set[str]:
    """Return every code that can be recorded."""
    package = Path(runner.__file__).parent
    return {
        *(row.code for row in (*reply_table.SUBMIT, *reply_table.FETCH)),
        *(code for _, code in (*SUBMIT_FAULTS.values(), *FETCH_FAULTS.values())),
        *(str(kind) for kind in Kind if kind is not Kind.GOOD),
        *(code for part in PARTS for file in (package / part).rglob("*.py") for code in written_codes(file)),
        reply_table.RETRY_FORBIDDEN,
    }


def test_every_code_has_a_sentence() -> None:
    """It is what happened and what to do about it."""
    assert [code for code in sorted(all_codes()) if not explain(code)] == []


def test_a_sentence_is_one_plain_line() -> None:
    """It is printed after a code in a terminal, in a Markdown table and in a line of JSON."""
    for code, sentence in SENTENCES.items():
        assert sentence.endswith("."), code
        assert sentence[0].isupper(), code
        assert sentence.isprintable(), code
        assert "|" not in sentence, code
        assert len(sentence) <= 100, code


def test_the_engines_own_codes_are_found() -> None:
    """Otherwise the test above would check nothing."""
    assert {
        "process-ended",
        "unreadable_result",
        "slot-passed",
        "not-deferred",
        "paused",
        "never-ready",
    } <= all_codes()


def test_a_held_job_is_explained_by_its_cause() -> None:
    """The errors file puts `held-` before its code; an unknown code has no sentence."""
    assert explain("held-no-reply") == explain("no-reply") != ""
    assert explain("no-such-code") == ""
