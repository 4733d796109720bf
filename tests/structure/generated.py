"""The generated pages: `python tests/structure/generated.py` writes them, a test compares them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import rows

from runner.cli import reference, shapes_page
from runner.db import migrate
from runner.rules import error_page, reply_page, states

ROOT = Path(__file__).parents[2]
PAGES = {
    ROOT / "docs" / "commands.md": reference.markdown,
    ROOT / "docs" / "errors.md": error_page.markdown,
    ROOT / "docs" / "faults.md": rows.markdown,
    ROOT / "docs" / "json.md": shapes_page.markdown,
    ROOT / "docs" / "json.schema.json": shapes_page.schema,
    ROOT / "docs" / "states.md": states.markdown,
    ROOT / "docs" / "replies.md": reply_page.markdown,
    ROOT / "runner" / "db" / "schema.sql": migrate.as_sql,
}

if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")
