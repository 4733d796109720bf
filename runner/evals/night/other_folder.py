"""Notices that a suite has the name of one in another folder: it was moved, or two share their nights."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runner.db.evaluation.suite_options import options_of_nights
from runner.evals.night.night_options import read_options

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


def other_folder(connection: Connection, suite: str, folder: Path) -> str | None:
    """Return the folder of a suite's newest night where no night was begun in `folder` yet, else None.

    None too where the suite has no night. Links are followed.
    """
    options = (read_options(raw) for raw in options_of_nights(connection, suite))
    folders = list(dict.fromkeys(one.folder for one in options))
    here = os.path.realpath(folder)
    if any(os.path.realpath(one) == here for one in folders):
        return None
    return next(iter(folders), None)
