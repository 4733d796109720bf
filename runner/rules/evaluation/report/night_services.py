"""What answered a night, and what may have changed since the nights before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.rules.counted import count
from runner.rules.evaluation.report.night_content import has_other_items
from runner.rules.evaluation.report.night_report import ChangeReport, ServiceReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from runner.rules.evaluation.report.night_facts import ItemChanges, NightFacts, PastNight, Service


def service_reports(facts: NightFacts, pool: Sequence[PastNight]) -> list[ServiceReport]:
    """Return which models and fingerprints answered, those that began first before the others."""
    known = {(one.model, one.fingerprint) for night in pool for one in night.services}
    return [
        ServiceReport(
            model=one.model,
            fingerprint=one.fingerprint,
            answers=one.answers,
            first_at=_moment(one.first_at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            last_at=_moment(one.last_at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            is_new=bool(pool) and (one.model, one.fingerprint) not in known,
        )
        for one in _tonight(facts)
    ]


def change_reports(facts: NightFacts, pool: Sequence[PastNight]) -> list[ChangeReport]:
    """Return what differs from the newest night of `pool`, which has those before it, oldest first."""
    if not pool:
        return []
    newest = pool[-1]
    before, now = newest.content, facts.content
    return [
        *_services_changed(_tonight(facts), pool),
        *(
            ChangeReport(what="model", text=f"{_of(variant)}{new} is asked for (before: {old})")
            for variant, old, new in _differing(before.models, now.models)
        ),
        *(
            ChangeReport(what="prompt", text=f"{_of(variant)}the prompt is not that of {newest.name}")
            for variant, _, _ in _differing(before.prompts, now.prompts)
        ),
        *_items_changed(facts.item_changes, is_changed=has_other_items(before, now)),
        *_graders_changed(before.graders, now.graders, _compared(pool)),
    ]


def _tonight(facts: NightFacts) -> list[Service]:
    """Return the services of all measurements of the night, each once."""
    found: dict[tuple[str | None, str | None], Service] = {}
    for one in (service for measurement in facts.measurements for service in measurement.services):
        key = (one.model, one.fingerprint)
        found[key] = _joined(found[key], one) if key in found else one
    return sorted(found.values(), key=lambda one: (one.first_at_ms, one.model or "", one.fingerprint or ""))


def _joined(one: Service, other: Service) -> Service:
    return type(one)(
        model=one.model,
        fingerprint=one.fingerprint,
        answers=one.answers + other.answers,
        first_at_ms=min(one.first_at_ms, other.first_at_ms),
        last_at_ms=max(one.last_at_ms, other.last_at_ms),
    )


def _services_changed(tonight: Sequence[Service], pool: Sequence[PastNight]) -> Iterator[ChangeReport]:
    """Yield the models and fingerprints that none of the nights before had."""
    known = {(one.model, one.fingerprint) for night in pool for one in night.services}
    answers = sum(one.answers for one in tonight)
    for one in tonight:
        if (one.model, one.fingerprint) not in known:
            some = "answers" if one.answers == answers else f"{one.answers:,} of {count(answers, 'answer')}"
            since = f"since {_moment(one.first_at_ms):%H:%M} UTC"
            is_known_model = any(one.model == model for model, _ in known)
            yield (_new_fingerprint if is_known_model else _new_model)(one, some, since, pool[-1].services)


def _new_fingerprint(one: Service, some: str, since: str, before: Sequence[Service]) -> ChangeReport:
    old = _list(service.fingerprint for service in before if service.model == one.model)
    return ChangeReport(
        what="service", text=f"{some} come as {_named(one.fingerprint)} {since} (before: {old})"
    )


def _new_model(one: Service, some: str, since: str, before: Sequence[Service]) -> ChangeReport:
    old = _list(service.model for service in before)
    return ChangeReport(what="model", text=f"{some} come from {_named(one.model)} {since} (before: {old})")


def _items_changed(changes: ItemChanges, *, is_changed: bool) -> Iterator[ChangeReport]:
    counts = ((changes.changed, "changed"), (changes.added, "added"), (changes.removed, "removed"))
    parts = [f"{len(items):,} {word}" for items, word in counts if items]
    if parts or is_changed:
        yield ChangeReport(what="items", text=f"items: {', '.join(parts) or 'not those of the night before'}")


def _compared(pool: Sequence[PastNight]) -> set[str]:
    """Return the graders of tonight by which a night of the pool has scores, given then or since."""
    return {column.grader for night in pool for column, found in night.scores.items() if any(found.answers)}


def _graders_changed(
    before: Mapping[str, str], now: Mapping[str, str], compared: set[str]
) -> Iterator[ChangeReport]:
    for name in sorted({*before, *now}):
        if before.get(name) == now.get(name):
            continue
        if name not in now:
            text = f'the grader "{name}" is gone'
        else:
            what = "is new" if name not in before else "has changed"
            so = (
                "earlier answers are graded by it too" if name in compared else "no earlier score is compared"
            )
            text = f'the grader "{name}" {what}: {so}'
        yield ChangeReport(what="graders", text=text)


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the variant, the old and the new value where both nights have one and they differ."""
    for variant, value in now.items():
        if variant in before and before[variant] != value:
            yield variant, before[variant], value


def _of(variant: str) -> str:
    return f"{variant}: " if variant else ""


def _list(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(map(_named, values))) or "unknown"


def _named(value: str | None) -> str:
    return value or "unknown"


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
