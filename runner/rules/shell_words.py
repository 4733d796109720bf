"""Words of a command that is printed to be typed, quoted as bash and zsh read them."""

from __future__ import annotations

import shlex


def shell_word(value: str) -> str:
    """Return a value as one word, printable whatever is in it: a line break is `$'\\x0a'`."""
    if value.isprintable():
        quoted = shlex.quote(value)
        return f"'{value}'" if quoted.startswith("=") else quoted  # zsh looks for a command of that name
    return f"$'{''.join(map(_escaped, value))}'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    errors = (
        "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    )  # a byte that is not UTF-8
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", errors))
