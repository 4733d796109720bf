"""A job file as the input of a run: its identity, what refuses it, and where its bad lines are put."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from runner.intake.bad_lines import put_aside
from runner.intake.input_file import JOB_FILE, digest
from runner.intake.job_file import DIAGNOSTICS_SHOWN, JobFileReader, as_sentence
from runner.rules import models
from runner.rules.counted import count
from runner.rules.errors import JobFileError, UsageError, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runner.intake.job_file import LoadFlags
    from runner.rules.costs.estimate import Tally
    from runner.rules.diagnostics import Diagnostic

_BAD_PART: Final = ".bad."  # of the names that `put_aside` gives


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job file with the flags that decide which requests it becomes."""

    path: Path
    flags: LoadFlags
    recipe: None = None
    needs: None = None

    @property
    def shapings(self) -> Sequence[Mapping[str, str | None]]:
        """Return the flags that shape requests; then, for the default model, those of older versions.

        A run that an older version loaded with its default model keeps its identity: else it would be paid
        again after an update. The model that serves both defaults is the same.
        """
        if self.flags.model != models.DEFAULT:
            return (_shaping(self.flags),)
        return (_shaping(self.flags), _shaping(replace(self.flags, model=models.EARLIER_DEFAULT)))

    def digest(self) -> tuple[str, int]:
        """Return the sha256 of the file's bytes and their number. Raises UsageError."""
        return digest(self.path, JOB_FILE)

    def read(self, tally: Tally) -> JobFilePass:
        """Return a new pass over the file; `tally` adds up its requests."""
        return JobFilePass(self.path, self.flags, tally)


class JobFilePass(JobFileReader):
    """One pass over a job file that is loaded: it also refuses the file, and puts bad lines aside."""

    row_total = None
    frame = None

    def __init__(self, path: Path, flags: LoadFlags, tally: Tally) -> None:
        """Read nothing yet."""
        super().__init__(path, flags, tally)
        self._path, self._skip_bad = path, flags.skip_bad

    @property
    def may_be_loaded(self) -> bool:
        """Return whether no line so far refuses the file."""
        return self._skip_bad or not self.bad_total

    def accept(self) -> Path | None:
        """Raise JobFileError where the file must not be loaded; else put bad lines aside, return where."""
        if self.bad_total and not (self._skip_bad and self.can_skip_bad):
            raise _refusal(self._path, self, self._cure)
        if not self.is_accepted:
            raise _strict(self._path, self.warnings, self.warnings_total)
        if not self.bad_total:
            return None
        try:
            return put_aside(self._path, self.bad_lines)
        except UserError as error:
            raise UsageError(
                f"the bad lines cannot be put aside: {error.what}; nothing was loaded",
                fix="copy the job file to a folder with room where you may write, under a short name",
            ) from error

    @property
    def _cure(self) -> str:
        """Return what to do about bad lines; lines of a damaged file are not what has to be corrected."""
        if self.is_incomplete:
            return self.bad_diagnostics[0].fix
        skip = f", or load the other {self.total:,} with --skip-bad" if self.can_skip_bad else ""
        return f"correct these lines and run the same command again{skip}"


def _shaping(flags: LoadFlags) -> dict[str, str | None]:
    """Return the flags that shape requests; without a model it is the default of the first versions."""
    return {
        "model": flags.model if flags.model != models.EARLIER_DEFAULT else None,
        "model_for_all": flags.model_for_all,
        "skip_bad": "yes" if flags.skip_bad else None,
    }


def _refusal(path: Path, reading: JobFileReader, cure: str) -> JobFileError:
    aside = ", which --skip-bad left out of another file" if _BAD_PART in path.name else ""
    what = f"has {count(reading.bad_total, 'bad line')}{aside}"
    what = "is not a job file" if reading.is_no_job_file else what
    return JobFileError(f"{path} {what}; nothing was loaded", where=reading.bad_sentences, fix=cure)


def _strict(path: Path, warnings: list[Diagnostic], total: int) -> JobFileError:
    return JobFileError(
        f"{path} has {count(total, 'warning')} and --strict was given; nothing was loaded",
        where=tuple(as_sentence(diagnostic) for diagnostic in warnings[:DIAGNOSTICS_SHOWN]),
        fix="correct these lines, or leave --strict away",
    )
