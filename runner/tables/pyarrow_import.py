"""Imports pyarrow where it is needed: it is an extra, and takes 60 ms."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from runner.tables.table import TableError


def import_pyarrow() -> Any:
    """Return the module pyarrow, with `parquet` in it. Raise TableError where it is not installed.

    Its memory comes from malloc: the pool that pyarrow brings keeps more of long rows.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # read at the first import
    try:
        import_module("pyarrow.parquet")
    except ImportError as error:
        what = f"Parquet needs pyarrow, which cannot be imported ({error})"
        raise TableError(what, fix='pip install "runner[parquet]"') from None
    return import_module("pyarrow")
