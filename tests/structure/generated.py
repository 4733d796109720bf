"""The generated pages: `python tests/structure/generated.py` writes them, a test compares them."""

from pathlib import Path

from runner.cli import reference, shapes_page
from runner.rules import error_page, reply_page, states

ROOT = Path(__file__).parents[2]
PAGES = {
    ROOT / "docs" / "commands.md": reference.markdown,
    ROOT / "docs" / "errors.md": error_page.markdown,
    ROOT / "docs" / "json.md": shapes_page.markdown,
    ROOT / "docs" / "json.schema.json": shapes_page.schema,
    ROOT / "docs" / "states.md": states.markdown,
    ROOT / "docs" / "replies.md": reply_page.markdown,
}

if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")
