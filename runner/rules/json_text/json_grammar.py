"""Error sentences for invalid JSON: from the standard decoder's error to what is wrong there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runner.rules.diagnostics import Problem
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from json import JSONDecodeError

_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_SHOWN_CHARACTERS: Final = 40
_WORD: Final = re.compile(r"[^\s,:\[\]{}\"]{1,30}")
_CUT_FIX: Final = "complete it; what is over several lines comes on one line with jq -c . FILE > NEW"
_CUT_STRING_FIX: Final = "close the string; a line break inside one is written \\n"
_FOREIGN_WORDS: Final = {
    "True": "true",
    "False": "false",
    "None": "null",
    "nan": "null",
    "undefined": "null",
}
_CONTROL_NAMES: Final = {"\t": ("tab", "\\t"), "\n": ("line break", "\\n"), "\r": ("carriage return", "\\r")}


def syntax_problem(text: str, error: JSONDecodeError) -> Problem:
    """Return the problem of a text that is not JSON; `error` is the one the standard decoder raised."""
    at = error.pos
    if error.msg.startswith("Illegal trailing comma"):  # Python 3.13 points at the comma, not behind it
        at = len(text) - len(text[at + 1 :].lstrip())
    if error.msg.startswith("Unterminated string"):
        return _cut(at, "the line ends inside the string that opens here", _CUT_STRING_FIX)
    if at >= len(text.rstrip()) and not error.msg.startswith("Extra data"):
        return _cut(len(text.rstrip()), "the line ends before its object does", _CUT_FIX)
    reason, fix = _explain(text, at, error.msg)
    return Problem(code="invalid-json", column=at + 1, reason=f"not valid JSON: {reason}", fix=fix)


def _cut(at: int, reason: str, fix: str) -> Problem:
    return Problem(code="cut-line", column=at + 1, reason=reason, fix=fix)


def _explain(text: str, at: int, message: str) -> tuple[str, str]:
    for prefix, sentence in _SENTENCES.items():
        if message.startswith(prefix):
            return sentence(text, at)
    return _no_value(text, at)


def _byte_order_mark(_text: str, _at: int) -> tuple[str, str]:
    fix = "files were joined; remove the mark: perl -pe 's/^\\xEF\\xBB\\xBF//' FILE > NEW"
    return "a byte order mark stands before the object", fix


def _control_character(text: str, at: int) -> tuple[str, str]:
    name, escape = _CONTROL_NAMES.get(text[at], ("control character", f"\\u{ord(text[at]):04x}"))
    return f"a bare {name} stands inside a string", f"write it as {escape}"


def _bad_unicode_escape(_text: str, _at: int) -> tuple[str, str]:
    return "\\u is not followed by four hexadecimal digits", "write \\uXXXX, or \\\\u for a backslash and a u"


def _bad_escape(text: str, at: int) -> tuple[str, str]:
    return f"the escape {text[at : at + 2]} does not exist", "write a backslash as \\\\"


def _no_colon(text: str, at: int) -> tuple[str, str]:
    last = None
    for match in _STRING.finditer(text, 0, at):
        last = match[0]
    key = f" {last}" if last and len(last) <= _SHOWN_CHARACTERS else ""
    return f"a colon is missing after the key{key}", "write it as: key, colon, value"


def _extra(text: str, at: int) -> tuple[str, str]:
    if text[at] == "{":
        if "\r" in text[len(text[:at].rstrip()) : at]:
            return "a carriage return ends the object", "write line feeds: tr '\\r' '\\n' < FILE > NEW"
        return "a second object follows on the same line", "put each job on its own line"
    if text[at] == ",":
        return "a comma follows the object", "end the line at }, without a comma"
    return f"something follows after its end: {_shown(text, at)}", "end the line where its object ends"


def _no_comma(text: str, at: int) -> tuple[str, str]:
    if text[at] == '"':
        following = _STRING.match(text, at)
        name = following[0] if following and len(following[0]) <= _SHOWN_CHARACTERS else _shown(text, at)
        return f"a comma is missing before {name}", "add the comma"
    if text[at] in "}]":
        opened = "[" if text[at] == "}" else "{"
        return f"{text[at]} closes what was opened by {opened}", "close the brackets in order"
    if text[at].isdigit() and text[at - 1] == "0":
        return "a number begins with 0", "write it without the zeros, or as a string"
    if text[at] in "{[" or _after_value(text, at) != '"':
        return f"a comma is missing before {_shown(text, at)}", "add the comma"
    return (
        f"a string ended before {_shown(text, at)}",
        'write a quotation mark inside a string as \\", or add the missing comma',
    )


def _no_key(text: str, at: int) -> tuple[str, str]:
    if text[at] == "'":
        return "a key stands in single quotation marks", 'use double ones: "key"'
    if text[at] in "},":
        return "a comma too many", "remove the comma before it"
    return f"a key must stand in double quotation marks, not {_shown(text, at)}", 'write it as "key"'


def _no_value(text: str, at: int) -> tuple[str, str]:
    if text[at] == "'":
        return "a string stands in single quotation marks", 'use double ones: "text"'
    if text[at] in ",]}":
        before = _after_value(text, at)
        if before == ",":
            return "a comma too many", "remove the comma before it"
        return f"a value is missing before {text[at]}", "write the value, or null"
    word = _shown(text, at)
    if word in _FOREIGN_WORDS:
        return f"{word} is no JSON", f"write {_FOREIGN_WORDS[word]}"
    if at == 0:
        return f"the line begins with {word}, not with {{", "write one JSON object a line"
    return f"a value cannot begin with {word}", 'write text in double quotation marks: "text"'


def _after_value(text: str, at: int) -> str:
    """Return the last character before `at` that is not white space."""
    return text[:at].rstrip()[-1:]


def _shown(text: str, at: int) -> str:
    word = _WORD.match(text, at)
    return plain(word[0] if word else text[at])


_SENTENCES: Final[dict[str, Callable[[str, int], tuple[str, str]]]] = {
    "Unexpected UTF-8 BOM": _byte_order_mark,
    "Extra data": _extra,
    "Invalid control character": _control_character,
    "Invalid \\u": _bad_unicode_escape,
    "Invalid \\": _bad_escape,
    "Expecting ','": _no_comma,
    "Expecting ':'": _no_colon,
    "Expecting property name": _no_key,
    "Illegal trailing comma": _no_value,
}
