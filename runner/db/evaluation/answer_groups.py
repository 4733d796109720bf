"""Counts the answers of many measurements: by what they are, and by the service that they came from."""

from __future__ import annotations

from collections import Counter, defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from runner.db.evaluation.stored_scores import listed
from runner.rules.evaluation.report.night_facts import AnswerCounts, Service

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

    from sqlalchemy import Connection, Row

Groups = list["Row[Any]"]
_UNNAMED_LOSS: Final = "lost"  # an answer that was lost without an error code


def read_groups(connection: Connection, measurement_ids: Collection[int]) -> dict[int, Groups]:
    """Return rows with counts of alike answers, by measurement."""
    groups: defaultdict[int, Groups] = defaultdict(list)
    if measurement_ids:
        query = (
            "SELECT g.*, s.model, s.fingerprint FROM"
            " (SELECT measurement_id, variant, is_answered, service_id, flaw, code, COUNT(*) AS n,"
            " SUM(redrawn) AS redrawn, MIN(received_at_ms) AS first_at_ms,"
            f" MAX(received_at_ms) AS last_at_ms FROM eval_answers"
            f" WHERE measurement_id IN ({listed(measurement_ids)})"
            " GROUP BY measurement_id, variant, is_answered, service_id, flaw, code) g"
            " LEFT JOIN eval_services s ON s.id = g.service_id"
        )
        for row in connection.exec_driver_sql(query):
            groups[row.measurement_id].append(row)
    return groups


def answer_counts(groups: Iterable[Row[Any]], expected: int | None = None) -> AnswerCounts:
    """Return the counts of groups together; `expected` None: as many as are stored, lost ones among them."""
    kinds: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for row in groups:
        kinds["stored"] += row.n
        kinds["redrawn"] += int(row.redrawn)
        if row.is_answered:
            kinds["answered"] += row.n
            kinds[row.flaw or ""] += row.n
        else:
            lost[row.code or _UNNAMED_LOSS] += row.n
    return AnswerCounts(
        expected=kinds["stored"] if expected is None else expected,
        answered=kinds["answered"],
        refused=kinds["refusal"],
        cut=kinds["length"],
        empty=kinds["empty"],
        lost=dict(sorted(lost.items())),
        redrawn=kinds["redrawn"],
    )


def lost_answers(groups: Iterable[Row[Any]], variants: Sequence[str]) -> dict[str, Mapping[str, int]]:
    """Return the lost answers of each variant, by error code; the names of variants are in their order."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in groups:
        if not row.is_answered:
            found[variants[row.variant]][row.code or _UNNAMED_LOSS] += row.n
    return dict(found)


def services(groups: Iterable[Row[Any]]) -> list[Service]:
    """Return the services that answered, in the order of their first answers."""
    found: dict[tuple[str, str], Groups] = defaultdict(list)
    for row in groups:
        if row.is_answered:
            found[row.model or "", row.fingerprint or ""].append(row)
    by_name = [_service(*names, rows) for names, rows in sorted(found.items())]
    return sorted(by_name, key=attrgetter("first_at_ms"))


def _service(model: str, fingerprint: str, rows: Groups) -> Service:
    return Service(
        model=model or None,
        fingerprint=fingerprint or None,
        answers=sum(row.n for row in rows),
        first_at_ms=min(row.first_at_ms or 0 for row in rows),
        last_at_ms=max(row.last_at_ms or 0 for row in rows),
    )
