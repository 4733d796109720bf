"""Counts firewall pages by job: is it one job's content that is refused, or is the network blocked?

A page counts against a job when the API took other submits since its last one. Where no other job can show
that, a free POST does (`SubmitFailures`). A restart counts from zero, which costs nothing.
"""

from __future__ import annotations

from typing import Final

from runner.db.jobs.job_ids import run_of

PAGES_MAX: Final = 5  # pages of one job, while others get through, after which the job is held


class FirewallPages:
    """The pages that the jobs of one process got."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}  # by job
        self._since_accepted: set[int] = set()  # jobs that got a page since the API took a submit last

    def record(self, job_id: int) -> bool:
        """Record a page; return whether it counts: the API took a submit since the job's last one."""
        is_counted = job_id not in self._since_accepted
        self._since_accepted.add(job_id)
        if is_counted:
            self.count(job_id)
        return is_counted

    def count(self, job_id: int) -> None:
        """Count a page against a job."""
        self._pages[job_id] = self._pages.get(job_id, 0) + 1

    def jobs_of(self, run_id: int) -> int:
        """Return how many jobs of a run got a page since the API took a submit last."""
        return sum(run_of(job_id) == run_id for job_id in self._since_accepted)

    def is_filtered(self, job_id: int) -> bool:
        """Return whether so many pages came for this job alone that its content must be the cause."""
        return self._pages.get(job_id, 0) >= PAGES_MAX

    def accepted(self, job_id: int) -> None:
        """The API took a submit: what is blocked from now on is not the network."""
        self._since_accepted.clear()
        self.forget(job_id)

    def forget(self, job_id: int) -> None:
        """Count the pages of a job from zero."""
        self._pages.pop(job_id, None)
