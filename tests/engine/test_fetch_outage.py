"""A fetch outage: three unreadable replies in a row, one probe at a time, the end by the API's own reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.db.workers.leases import Lease
from runner.engine.collecting.fetch_outage import FetchOutage

if TYPE_CHECKING:
    from collections.abc import Callable

RUN, OTHER = Lease(job_id=7 << 32, gen=1, attempt=1), Lease(job_id=8 << 32, gen=1, attempt=1)


def after(*replies: Lease, now_s: Callable[[], float] = lambda: 100.0) -> FetchOutage:
    """Return what is known after unreadable replies to these jobs."""
    outage = FetchOutage(now_s)
    for lease in replies:
        outage.record_unreadable(lease, 0.5)
    return outage


@pytest.mark.parametrize(("replies", "is_on"), [((), False), ((RUN,) * 2, False), ((RUN, OTHER, RUN), True)])
def test_three_in_a_row_are_an_outage(replies: tuple[Lease, ...], is_on: bool) -> None:
    """Of whatever runs: they share the way to the API."""
    outage = after(*replies)

    assert outage.is_on is is_on
    assert outage.seconds_to_probe == (1.0 if is_on else 0.0)


def test_probes_become_rare_and_stragglers_do_not_count() -> None:
    """Replies that were in flight when it began change nothing."""
    now_s = [100.0]
    outage = after(*(RUN,) * 20, now_s=lambda: now_s[0])
    waits = []
    for _ in range(7):
        waits.append(outage.seconds_to_probe)
        now_s[0] += waits[-1]
        outage.begin_probe(0.5)
        outage.record_unreadable(RUN, 0.5)

    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_scattered_ones_are_handed_back_for_the_breaker_and_those_of_an_outage_are_not() -> None:
    """An outage costs nothing and passes; a reply now and then may be a sign that answers are lost."""
    assert after(RUN, OTHER).record_reply() == [RUN, OTHER]
    outage = after(RUN, RUN, RUN)
    assert outage.record_reply() == []
    assert not outage.is_on
    assert outage.record_reply() == []
