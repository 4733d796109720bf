"""Gives a command again and again, and kills it with -9 at every point of its writing transactions.

`python trail_points.py FOLDER WORD…` copies FOLDER/home to FOLDER/1, FOLDER/2 …, one for each point, and
gives the command there in a child. The last folder is that of the command which was not killed.
`python trail_points.py --at POINT WORD…` gives the command once, in its environment, and kills it there.
Points are after each statement that writes, before each commit and after it, and after each deleted file.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from runner.cli.main import call
from runner.db.moves import model_moves, recheck_moves, user_moves
from runner.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITING = ("INSERT", "UPDATE", "DELETE", "WITH")


class Points:
    """Counts the points that are reached, and kills this process at one of them; 0: at none."""

    def __init__(self, last: int) -> None:
        self._left = last

    def reach(self) -> None:
        """Count one more point."""
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put the points into all writing transactions of this process, and let a chunk be one job."""
        write = Database.write

        @contextmanager
        def writing(database: Database) -> Iterator[Any]:
            with write(database) as connection:
                if not event.contains(database.engine, "after_cursor_execute", self._executed):
                    event.listen(database.engine, "after_cursor_execute", self._executed)
                yield connection
                self.reach()
            self.reach()

        Database.write = writing  # type: ignore[method-assign, assignment]
        for move in (user_moves.cancel, user_moves.abandon, user_moves.retry):
            defaults = move.__defaults__ or ()
            assert user_moves.ROWS_MAX in defaults, move
            move.__defaults__ = tuple(1 if one == user_moves.ROWS_MAX else one for one in defaults)
        self._count_deleted_files()
        model_moves.ROWS_MAX = 1
        recheck_moves.JOBS_PER_PAGE = 1  # type: ignore[misc]

    def _count_deleted_files(self) -> None:
        """Count a point after each file that `prune` deletes."""
        unlink = Path.unlink

        def unlinking(path: Path, missing_ok: bool = False) -> None:
            unlink(path, missing_ok)
            if any(frame.name == "delete_files" for frame in traceback.extract_stack()):
                self.reach()

        Path.unlink = unlinking  # type: ignore[method-assign, assignment]

    def _executed(self, *facts: Any) -> None:
        if str(facts[2]).lstrip().upper().startswith(_WRITING):
            self.reach()


def give(words: list[str], point: int) -> int:
    """Give a command that is killed at a point, unless it ends before; return its exit code."""
    sys.argv = ["runner", *words]
    Points(point).install()
    return call(words)


def main(folder: Path, words: list[str]) -> None:
    """Kill the command at its first point, its second, and so on, until it ends by itself."""
    point, is_killed = 0, True
    while is_killed:
        point += 1
        home = shutil.copytree(folder / "home", folder / str(point))
        child = os.fork()
        if not child:
            os.environ["RUNNER_HOME"] = str(home)
            os._exit(give(words, point))
        _, status = os.waitpid(child, 0)
        is_killed = os.WIFSIGNALED(status)
        assert is_killed or os.WEXITSTATUS(status) == 0, f"point {point}: {status}"


if __name__ == "__main__":
    if sys.argv[1] == "--at":
        sys.exit(give(sys.argv[3:], int(sys.argv[2])))
    main(Path(sys.argv[1]), sys.argv[2:])
