"""Every code that a line of a job file can get has an entry in docs/errors.md, and no entry is unused."""

import ast
from pathlib import Path

from tools.docs.errors_page import LINES

ROOT = Path(__file__).parents[2] / "runner"
MAKERS = {
    *("_refuse", "_warn", "Problem", "Diagnostic", "_refused", "_effort", "_fault", "refusal", "OtherFile")
}
SOURCES = [
    *(
        path
        for folder in ("requests", "json_text", "other_files", "foreign")
        for path in sorted((ROOT / "rules" / folder).glob("*.py"))
    ),
    ROOT / "tables" / "lines.py",
    *(ROOT / "intake" / f"{name}.py" for name in ("used_ids", "job_file", "foreign_entries")),
]


def words(node: ast.AST) -> set[str]:
    """Return the kebab-case words within an expression."""
    return {
        inner.value
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant)
        and isinstance(inner.value, str)
        and inner.value.replace("-", "").isalnum()
        and inner.value.islower()
    }


def written() -> set[str]:
    """Return all words of the sources that are used as a code."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= {word for key in node.keywords if key.arg == "code" for word in words(key.value)}
                if isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                    found |= {word for argument in node.args[:2] for word in words(argument)}
            elif isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "code" for target in node.targets
            ):
                found |= words(node.value)
    return found


def test_every_code_has_an_entry() -> None:
    """A new code without an entry is found by its place in the source."""
    known_not_to_be_codes = {"stop"}
    codes = {word for word in written() if "-" in word or word in {"archive", "depth", "utf16", "utf32"}}

    assert codes - known_not_to_be_codes <= set(LINES)
    assert set(LINES) <= codes
