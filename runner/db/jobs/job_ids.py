"""The ids of jobs: the run in the high bits, the ordinal in its file (from 0) in the low 32 bits."""

from __future__ import annotations

JOB_ID_SHIFT = 32
JOBS_MAX = (1 << JOB_ID_SHIFT) - 1  # jobs of one run


def job_id(run_id: int, ordinal: int) -> int:
    """Return the id of a run's job by its ordinal, from 0: the ids of a run are one contiguous range."""
    return (run_id << JOB_ID_SHIFT) | ordinal


def run_of(job: int) -> int:
    """Return the run that a job id belongs to."""
    return job >> JOB_ID_SHIFT


def ordinal_of(job: int) -> int:
    """Return the place of a job in its run, from 0."""
    return job & JOBS_MAX
