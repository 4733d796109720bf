"""Options and their values as text, as a command line would say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.cli.render import layout, text
from runner.cli.render.runs.options_object import OptionsInForce, options_object
from runner.rules.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.runs.run_row import RunOptions
    from runner.db.runs.stored_options import OptionsChange

_COMMAND_LENGTH: Final = 60
_FLAGS: Final = {"budget_ticks": "budget"}  # other options are named as their flags, with _ for -
_RATES: Final = frozenset({"rpm", "tpm"})
_FIT: Final = layout.Fit(right=frozenset(), steps=((1, 40),), fold_at=2)


def option_lines(options: RunOptions, default: RunOptions) -> list[str]:
    """Return a line for each option in force, those of the JSON object: its name and its value.

    Where no flag and no `set` gave another value than `default` has, it says so.
    """
    names = OptionsInForce.__struct_fields__
    shown, usual = options_object(options), options_object(default)
    rows = [
        (
            flag_name(name),
            option_text(name, getattr(shown, name)),
            "default" if getattr(shown, name) == getattr(usual, name) else "given",
        )
        for name in names
    ]
    return [line for lines in layout.fitted_table(rows, _FIT) for line in lines]


def change_lines(change: OptionsChange, named: Mapping[str, Any]) -> list[str]:
    """Return a line for each named option: its old and new value, or that it had the value already."""
    return [
        _change_text(name, change.old[name], value)
        if name in change.new
        else f"{flag_name(name)} {option_text(name, value)} (unchanged)"
        for name, value in named.items()
    ]


def flag_name(option: str) -> str:
    """Return the flag of an option, without its dashes."""
    return _FLAGS.get(option, option).replace("_", "-")


def option_text(name: str, value: Any) -> str:
    """Return the value of an option as text."""
    if value is None or value in ((), [], ""):
        return "not set" if name in _RATES else "none"
    if isinstance(value, (tuple, list)):
        return ",".join(value)
    if isinstance(value, str):
        return one_line(redact(value, ()), _COMMAND_LENGTH)
    if name in _RATES and not value:
        return "none"
    return text.dollars(value) if name == "budget_ticks" else f"{value:,}"


def _change_text(name: str, old: Any, new: Any) -> str:
    """Return an option with its old and its new value: `rpm 3,000 -> 60`."""
    return f"{flag_name(name)} {option_text(name, old)} -> {option_text(name, new)}"
