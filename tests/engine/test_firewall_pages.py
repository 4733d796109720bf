"""Pages count against a job only while the API takes other submits."""

from __future__ import annotations

from runner.engine.firewall_pages import PAGES_MAX, FirewallPages


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


def test_a_job_is_alone_until_another_gets_a_page() -> None:
    """Two jobs with pages, and none accepted since: the network."""
    pages = FirewallPages()
    pages.record(1)
    assert pages.is_alone(1)
    pages.record(2)
    assert not pages.is_alone(1)
    pages.accepted(3)
    pages.record(1)
    assert pages.is_alone(1)
