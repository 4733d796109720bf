"""Where a file may be written; what could not be is refused before there is work to lose."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from runner.rules.errors import UserError
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from pathlib import Path

DRAFT_SUFFIX: Final = ".runner-part"
_NAME_BYTES_MAX: Final = 255
_PATH_BYTES_MAX: Final = 4_095
_SHOWN: Final = 60


def draft_name(name: str) -> str:
    """Return a name for the draft of a file, another one each time."""
    return f".{name}.{secrets.token_hex(4)}{DRAFT_SUFFIX}"


def check_place(target: Path, flag: str = "-o", *, is_named: bool = True) -> None:
    """Raise UserError where a file cannot be written.

    That is: its name is too long, there is no such folder, it may not be written to, or the name is that of a
    folder, a link, a device or a pipe. `flag` names the file on the command line. With `is_named` False its
    name is derived from what the flag names: then the flag cannot name this one file elsewhere.
    """
    _check_length(target, flag)
    folder = target.absolute().parent
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, not a folder", fix=f"choose another place with {flag}")
    if not folder.is_dir():
        fix = f"make it: mkdir -p {shell_word(str(folder))}"
        raise UserError(f"the folder {folder} does not exist", fix=fix)
    with suppress(FileNotFoundError):
        _check_kind(target, flag, is_named=is_named)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"the folder {folder} may not be written to", fix=f"choose another place with {flag}")


def _check_length(target: Path, flag: str) -> None:
    """Raise UserError where the path, or the name of the draft beside it, is longer than the system takes."""
    *folders, name = target.absolute().parts
    longer = len(draft_name(""))
    names = [(one, len(os.fsencode(one)), _NAME_BYTES_MAX) for one in folders]
    names.append((name, len(os.fsencode(name)), _NAME_BYTES_MAX - longer))
    path_bytes = len(os.fsencode(target.absolute()))
    names.append((str(target.absolute()), path_bytes, _PATH_BYTES_MAX - longer))
    for text, found, most in names:
        if found > most:
            raise UserError(
                f"{text[:_SHOWN]}… is too long: {found:,} bytes, at most {most:,} fit",
                fix=f"give a shorter name with {flag}",
            )


def _check_kind(target: Path, flag: str, *, is_named: bool) -> None:
    kind = target.lstat().st_mode
    is_link = stat.S_ISLNK(kind)
    if is_link:
        with suppress(OSError):  # it leads nowhere
            kind = target.stat().st_mode
    is_on_disk = stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)
    if is_link and is_on_disk:
        what = f"{target} is a symbolic link; runner does not write through links"
        real = shell_word(os.path.realpath(target))
        fix = f"name the real file: {flag} {real}; or remove the link"
    elif stat.S_ISDIR(kind):
        what = f"{target} is a folder, not a file"
        fix = f"name a file in it: {flag} {shell_word(str(target / 'results.jsonl'))}"
    elif not stat.S_ISREG(kind):
        what = f"{target} is a device or a pipe, not a plain file"
        stdout = f", or write to stdout: -o - > {shell_word(str(target))}" if flag == "-o" else ""
        fix = f"choose another name with {flag}{stdout}"
    else:
        return
    if not is_named:
        fix = f"move it away, or choose another name with {flag}"
    raise UserError(what, fix=fix)
