"""Begins a night: from its first moment it is in the database, whole, and needs its files no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.db.evaluation import nights
from runner.db.evaluation.items import AskedItems
from runner.db.events import trail
from runner.evals.grading.suite_graders import grader_hashes
from runner.evals.night.change_night import store_options
from runner.evals.night.compile_night import printed_metadata
from runner.evals.night.night_options import read_options
from runner.rules.errors import UsageError
from runner.rules.evaluation.report.night_content import (
    decode_content,
    differences,
    encode_content,
    hashes_of,
)
from runner.rules.evaluation.suite.suite_json import encode_suite
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.db.session import Database
    from runner.evals.night.night_options import NightOptions
    from runner.rules.evaluation.report.night_facts import Content
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite


def begin_night(
    database: Database,
    suite: Suite,
    items: Sequence[Item],
    occasion: str,
    options: NightOptions,
    named: Collection[str],
    actor: Actor,
    *,
    new: bool,
    check: Callable[[NightRow], None],
) -> tuple[NightRow, bool]:
    """Return the night of a suite and an occasion, and whether it was begun now; its options are taken.

    A night that is there takes those that are `named`, and keeps its others. `actor`: the command.
    `check` raises where it cannot be used with its options: then it is not begun, and keeps those it had;
    else it would stand before all later nights. The caller holds the lock of the suite's occasions. Raises
    UsageError where the night was begun with other content: what was paid for is not mixed.
    """
    printed = printed_metadata(suite, items)
    content = hashes_of(suite, items, grader_hashes(suite, Path(options.folder)), printed)
    with database.write() as connection:
        found = None if new else nights.find(connection, suite.name, occasion)
        if found is not None:
            _refuse_other(found, content, suite)
            options = options.carried_on(read_options(found.options), named)
            found = store_options(connection, found, options, actor, database.now_ms())
            check(found)
            return found, False
        specs = {spec.name: (content.graders[spec.name], orjson.dumps(spec)) for spec in suite.graders}
        night = nights.begin(
            connection,
            suite=suite.name,
            occasion=occasion,
            new=new,
            spec=encode_suite(suite),
            content=encode_content(content),
            options=options.encoded(),
            items=AskedItems(items, printed),
            graders=specs,
            now_ms=database.now_ms(),
        )
        trail.record_operator_event(
            connection,
            night.created_at_ms,
            EventKind.NIGHT_BEGUN,
            actor=actor,
            run_name=night.name,
            new=options.in_force(),
        )
        check(night)
    return night, True


def _refuse_other(found: NightRow, content: Content, suite: Suite) -> None:
    changed = differences(decode_content(found.content), content)
    if not changed and found.spec != encode_suite(suite):
        changed = ["other epochs, gates or settings"]
    if changed:
        raise UsageError(
            f"{found.name} was begun with {', '.join(changed)}; nothing was done",
            fix="put the suite back to carry it on, or pay for a night of its own: --new, or another"
            " --occasion",
        )
