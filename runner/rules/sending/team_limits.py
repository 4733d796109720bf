"""The limits of a team. A person sets them, or the settings of its hosts do: the newest word holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMES: Final = ("rpm", "tpm")
THIS_MACHINE: Final = "this machine"  # in place of a host: that of the command


class LimitSource(StrEnum):
    """Where a limit of a team comes from."""

    COMMAND = "command"
    SETTINGS = "settings"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamLimits:
    """Requests and tokens a minute that a team may send to each model. None: not set; 0: no limit.

    A number holds up to the limit that the API announces; 0 lifts that one too.
    """

    rpm: int | None = None
    tpm: int | None = None

    def of(self, name: str) -> int | None:
        """Return one of the two, by its name."""
        return self.rpm if name == "rpm" else self.tpm


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionedLimits:
    """The limits in force of a team. `version` grows with each change; 0: they were never set."""

    limits: TeamLimits = field(default_factory=TeamLimits)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSetting:
    """A limit that the settings of a host had last, as it is on record, and since when: `version` grows."""

    host: str
    name: str
    value: int
    version: int


def changed_settings(known: Iterable[RecordedSetting], host: str, settings: TeamLimits) -> tuple[str, ...]:
    """Return the names of the limits that the settings of a host have otherwise than before."""
    before = {one.name: one.value for one in known if one.host == host}
    return tuple(name for name in NAMES if settings.of(name) != before.get(name))


def with_settings(
    in_force: TeamLimits, known: Sequence[RecordedSetting], host: str, settings: TeamLimits
) -> TeamLimits:
    """Return the limits in force after a worker of a host started with these settings.

    Settings count when they were changed on their host, and no host had the same last: the other hosts get a
    new file one after another, and a person may have set a limit meanwhile. A limit that is taken out of them
    is replaced by what another host still has, unless a person has set another one since.
    """
    after = {name: in_force.of(name) for name in NAMES}
    for name in changed_settings(known, host, settings):
        of_name = [one for one in known if one.name == name]
        after[name] = _with_setting(after[name], of_name, host, settings.of(name))
    return TeamLimits(**after)


def hosts_of(limit: int | None, known: Sequence[RecordedSetting], name: str) -> tuple[str, ...]:
    """Return the hosts from whose settings a limit in force comes; () where it does not."""
    of_name = [one for one in known if one.name == name]
    if limit is None or limit != _newest(of_name):
        return ()
    return tuple(one.host for one in of_name if one.value == limit)


def _with_setting(
    in_force: int | None, known: Sequence[RecordedSetting], host: str, setting: int | None
) -> int | None:
    """Return one of the limits in force after the settings of a host have changed it."""
    before = _newest(known)
    if setting is not None:
        return in_force if setting == before else setting
    return _newest(one for one in known if one.host != host) if in_force == before else in_force


def _newest(settings: Iterable[RecordedSetting]) -> int | None:
    """Return the value that settings had last; None where there are none."""
    found = max(settings, key=lambda one: one.version, default=None)
    return None if found is None else found.value
