"""Random strings that match a regular expression; no backreferences, lookarounds or flags."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

WORD = string.ascii_letters + string.digits + "_"
PRINTABLE = string.ascii_letters + string.digits + " _-.,:;!?/@#%&*+=()[]{}<>'\"\\^$|~`"
_SETS = {"d": string.digits, "w": WORD, "s": " "}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_REPEATS_MORE = 3  # an open-ended repetition repeats at most this often above its minimum
_REPEATS_MAX = 10_000


def sample(pattern: str, random: Random, *, stretch: int = 0) -> str:
    """Return a string that matches. `stretch`: more repetitions. Raise ValueError if it cannot parse."""
    sampler = _Sampler(pattern, random, stretch)
    text = sampler.alternatives()
    if sampler.at < len(pattern):
        raise ValueError(f"cannot read {pattern!r} from {sampler.at} on")
    return text


class _Sampler:
    """Parses a pattern and makes one sample on the way. Branches not chosen are parsed too."""

    def __init__(self, pattern: str, random: Random, stretch: int) -> None:
        self._pattern = pattern
        self._random = random
        self._more = max(_REPEATS_MORE, stretch)
        self.at = 0

    def alternatives(self) -> str:
        """Return a sample of one of the alternatives from `at` on, and move `at` behind them."""
        options = [self._sequence()]
        while self._skip("|"):
            options.append(self._sequence())
        return self._random.choice(options)

    def _sequence(self) -> str:
        parts: list[str] = []
        while self.at < len(self._pattern) and self._pattern[self.at] not in "|)":
            start = self.at
            first = self._atom()
            least, most = self._quantifier()
            count = self._random.randint(least, most)
            after = self.at
            parts += [first if number == 0 else self._again(start) for number in range(count)]
            self.at = after
        return "".join(parts)

    def _again(self, start: int) -> str:
        self.at = start
        return self._atom()

    def _atom(self) -> str:
        char = self._next()
        if char in "^$":
            return ""
        if char == ".":
            return self._random.choice(WORD)
        if char == "[":
            return self._random.choice(self._class())
        if char == "(":
            return self._group()
        if char == "\\":
            return self._random.choice(self._escape() or [""])
        if char in "*+?":
            raise ValueError(f"nothing to repeat in {self._pattern!r}")
        return char

    def _group(self) -> str:
        if self._skip("?"):
            if self._skip("P<") or (self._skip("<") and self._peek() not in "=!"):
                self.at = self._pattern.index(">", self.at) + 1
            elif not self._skip(":"):
                raise ValueError(f"lookaround or flags in {self._pattern!r}")
        text = self.alternatives()
        if not self._skip(")"):
            raise ValueError(f"open group in {self._pattern!r}")
        return text

    def _class(self) -> list[str]:
        negated, chars = self._skip("^"), list[str]()
        while not self._skip("]") or not chars:
            low = self._member()
            if self._peek() == "-" and self._pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._member()
                chars += [chr(code) for code in range(ord(low[0]), ord(high[0]) + 1)]
            else:
                chars += low
        allowed = [char for char in PRINTABLE if char not in chars] if negated else chars
        if not allowed:
            raise ValueError(f"empty class in {self._pattern!r}")
        return allowed

    def _member(self) -> list[str]:
        char = self._next()
        return self._escape() if char == "\\" else [char]

    def _escape(self) -> list[str]:
        """Return the characters of an escape; none for a word boundary."""
        char = self._next()
        if char in _SETS:
            return list(_SETS[char])
        if char.lower() in _SETS:
            return [other for other in PRINTABLE if other not in _SETS[char.lower()]]
        if char in "bB":
            return []
        if char in _CONTROLS:
            return [_CONTROLS[char]]
        if char in "xu":
            size = 2 if char == "x" else 4
            self.at += size
            return [chr(int(self._pattern[self.at - size : self.at], 16))]
        if char.isalnum():
            raise ValueError(f"unknown escape in {self._pattern!r}")
        return [char]

    def _quantifier(self) -> tuple[int, int]:
        least, most = self._bounds()
        if not self._skip("?"):
            self._skip("+")
        if least > _REPEATS_MAX:
            raise ValueError(f"too many repetitions in {self._pattern!r}")
        return least, min(most, _REPEATS_MAX)

    def _bounds(self) -> tuple[int, int]:
        for sign, bounds in (("*", (0, self._more)), ("+", (1, 1 + self._more)), ("?", (0, 1))):
            if self._skip(sign):
                return bounds
        end = self._pattern.find("}", self.at)
        inside = self._pattern[self.at + 1 : end] if self._peek() == "{" and end > 0 else ""
        low, comma, high = inside.partition(",")
        if not low.isdecimal() or (high and not high.isdecimal()):
            return 1, 1
        self.at = end + 1
        return int(low), int(high) if high else int(low) + (self._more if comma else 0)

    def _peek(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _skip(self, wanted: str) -> bool:
        is_there = self._pattern.startswith(wanted, self.at)
        self.at += len(wanted) * is_there
        return is_there

    def _next(self) -> str:
        if self.at >= len(self._pattern):
            raise ValueError(f"{self._pattern!r} ends too early")
        self.at += 1
        return self._pattern[self.at - 1]
