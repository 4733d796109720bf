"""Write every generated page: `python -m tools.docs.write`, which is `make docs`. A test compares them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.docs import (
    alarms_table,
    commands_page,
    errors_page,
    faults_page,
    json_page,
    json_schema,
    models_page,
    replies_page,
    schema_sql,
    states_page,
)

_ROOT: Final = Path(__file__).parents[2]
_DOCS: Final = _ROOT / "docs"
PAGES: Final = {
    _DOCS / "commands.md": commands_page.markdown,
    _DOCS / "errors.md": errors_page.markdown,
    _DOCS / "evals.md": alarms_table.markdown,
    _DOCS / "faults.md": faults_page.markdown,
    _DOCS / "json.md": json_page.markdown,
    _DOCS / "json.schema.json": json_schema.schema,
    _DOCS / "models.md": models_page.markdown,
    _DOCS / "states.md": states_page.markdown,
    _DOCS / "replies.md": replies_page.markdown,
    _ROOT / "runner" / "db" / "schema.sql": schema_sql.sql,
}

if __name__ == "__main__":
    for path, text in PAGES.items():
        path.write_text(text(), encoding="utf-8")
