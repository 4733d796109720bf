"""The ids of jobs: the run in the high bits, the place in its file in the low ones."""

from __future__ import annotations

JOB_ID_SHIFT = 32
JOBS_MAX = (1 << JOB_ID_SHIFT) - 1  # of one run


def job_id(run_id: int, ordinal: int) -> int:
    """Return the id of the `ordinal`-th job (from 0) of a run: a run's ids are one contiguous range."""
    return (run_id << JOB_ID_SHIFT) | ordinal


def run_of(job: int) -> int:
    """Return the run that a job id belongs to."""
    return job >> JOB_ID_SHIFT
