"""How a night is sent and reported: what a user may change from one call to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_KEPT: Final = (  # unless a later call names them
    *("budget_ticks", "rpm", "tpm", "max_attempts", "on_ambiguous", "max_waiting", "max_failures", "on_end"),
)


class NightOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a night, stored with it as JSON.

    `folder` is that of the suite file, where graders in Python are looked for. `output` is the folder of
    the report files, or their name without endings. `budget_ticks`, `rpm`, `tpm`: None is not given; a rate
    of 0 is no limit of the runs' own. With `is_detached` workers take the steps after the answers; `problem`
    is why they could not, and a command has to.
    """

    folder: str
    output: str
    trusts_code: bool = False
    budget_ticks: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    max_attempts: int = 5
    on_ambiguous: str = "resubmit"
    max_waiting: int = 50_000
    max_failures: int | None = None
    on_end: str | None = None
    is_detached: bool = False
    problem: str | None = None

    def encoded(self) -> bytes:
        """Return the options as JSON."""
        return msgspec.json.encode(self)

    def carried_on(self, earlier: NightOptions, named: Collection[str]) -> NightOptions:
        """Return these options for a night that has `earlier` ones: what is not named stays as it was.

        A night that was left in the background stays there: this command may end before it does.
        """
        kept = {name: getattr(earlier, name) for name in _KEPT if name not in named}
        return msgspec.structs.replace(self, **kept, is_detached=self.is_detached or earlier.is_detached)

    def with_named(self, named: Mapping[str, Any]) -> NightOptions:
        """Return these options with those of the named ones that a night has."""
        return msgspec.structs.replace(self, **{name: named[name] for name in _KEPT if name in named})

    def kept(self, named: Collection[str] = _KEPT) -> dict[str, Any]:
        """Return the values of those of the named options that a night has; without `named` of all."""
        return {name: getattr(self, name) for name in _KEPT if name in named}

    def in_force(self) -> dict[str, Any]:
        """Return the options that a command line can name and that do something, by their names."""
        values = {name: getattr(self, name) for name in (*_KEPT, "is_detached")}
        return {name: value for name, value in values.items() if value is not None and value is not False}

    def with_problem(self, problem: str) -> NightOptions:
        """Return the options of a night that needs a command, and why."""
        return msgspec.structs.replace(self, problem=problem)


def read_options(raw: bytes) -> NightOptions:
    """Return options from their JSON."""
    return msgspec.json.decode(raw, type=NightOptions)
