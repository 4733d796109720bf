"""Pages count against a job only while the API takes other submits."""

from __future__ import annotations

from runner.db.jobs.job_ids import job_id
from runner.engine.collecting.firewall_pages import PAGES_MAX, FirewallPages


def test_pages_of_a_blocked_network_do_not_add_up() -> None:
    """However many come, and however often the job was sent before."""
    pages = FirewallPages()
    assert pages.record(1)
    assert not any(pages.record(1) for _ in range(3 * PAGES_MAX))
    assert not pages.is_filtered(1)


def test_pages_of_one_job_add_up_while_others_get_through() -> None:
    """Then its content is the cause; once it is taken itself, nothing is left of it."""
    pages = FirewallPages()
    for number in range(PAGES_MAX):
        assert not pages.is_filtered(1)
        assert pages.record(1)
        pages.accepted(100 + number)
    assert pages.is_filtered(1)
    pages.accepted(1)
    assert not pages.is_filtered(1)


def test_jobs_with_pages_are_counted_by_run_until_one_is_accepted() -> None:
    """If no other job of the run is left, none can show that the network is open."""
    pages = FirewallPages()
    for job in (job_id(1, 0), job_id(1, 1), job_id(1, 1), job_id(2, 0)):
        pages.record(job)
    assert (pages.jobs_of(1), pages.jobs_of(2)) == (2, 1)
    pages.accepted(job_id(2, 7))
    assert (pages.jobs_of(1), pages.jobs_of(2)) == (0, 0)


def test_pages_of_a_job_that_was_held_are_forgotten() -> None:
    """A person may have it sent again: one page is not enough to hold it anew."""
    pages = FirewallPages()
    for _ in range(PAGES_MAX):
        pages.count(1)
    pages.forget(1)
    pages.count(1)
    assert not pages.is_filtered(1)
