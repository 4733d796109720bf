"""The file with settings in the current folder: runner.toml, or [tool.runner] of pyproject.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def read(cwd: Path) -> tuple[dict[str, Any], str, list[str]]:
    """Return the values of the file in a folder, its name, and warnings. Raises UsageError."""
    for name in ("runner.toml", "pyproject.toml"):
        path = cwd / name
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", fix="make it readable") from None
        import tomllib

        try:
            table = tomllib.loads(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            if name == "runner.toml":
                raise _no_toml(path, content, error) from None
            return {}, "", [f"{path} is not valid TOML, so [tool.runner] was not looked for: {error}"]
        if name == "runner.toml":
            return table, name, []
        return _tool_runner(table), f"[tool.runner] of {name}", []
    return {}, "", []


def _no_toml(path: Path, content: bytes, error: Exception) -> UsageError:
    from runner.rules.other_files.binary_files import HEAD_BYTES, binary_file
    from runner.rules.other_files.other_file import cure_for

    other = binary_file(content[:HEAD_BYTES])
    if other is None:
        return UsageError(f"{path} is not valid TOML: {error}", fix="correct it")
    return UsageError(f"{path} is {other.what}", fix=cure_for(other.fix, str(path), ".toml"))


def _tool_runner(project: dict[str, Any]) -> dict[str, Any]:
    """Return the table [tool.runner] of a pyproject.toml; {} where there is none."""
    tools = project.get("tool", {})
    found = tools.get("runner", {}) if isinstance(tools, dict) else {}
    if not isinstance(found, dict):
        raise UsageError("tool.runner of pyproject.toml is no table", fix="write it as [tool.runner]")
    return found
