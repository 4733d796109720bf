"""The child process of `class_schema`: imports a module of a person's code, and prints its class's schema.

It is run as a file, and imports nothing of runner. It has the person's rights; the limits stop mistakes. The
request is the first argument, the answer the standard output, both JSON; what the code prints goes nowhere.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import operator
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Final

_TEXT_CHARACTERS_MAX: Final = 300
_CLASSES_SHOWN: Final = 5


def main() -> None:
    """Answer the request and end, whatever threads the code has started."""
    request = json.loads(sys.argv[1])
    _limit(request)
    os.environ.pop("PYTHONHASHSEED", None)  # it has had its effect: sets have the same order each time
    output = os.dup(1)
    os.dup2(2, 1)
    sys.path[:] = request["path"]
    answer = _answer(request["module"], request["class"], request["path"][0])
    with os.fdopen(output, "w", encoding="utf-8") as file:
        file.write(answer)
    os._exit(0)


def _limit(request: dict[str, Any]) -> None:
    """Bound memory, time and the size of files; also where the parent dies, this process ends."""
    bounds = (
        (resource.RLIMIT_AS, request["memory_bytes"]),
        (resource.RLIMIT_CPU, request["time_s"]),
        (resource.RLIMIT_FSIZE, request["output_bytes"]),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, most in bounds:
        with contextlib.suppress(ValueError, OSError):  # a system without this limit, or with a lower one
            resource.setrlimit(kind, (most, most))
    signal.alarm(request["time_s"] + 1)


def _answer(module_name: str, class_name: str, folder: str) -> str:
    """Return the schema with the module's file, or a fault with what is known of it, as JSON."""
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:  # noqa: BLE001 - a module may raise whatever it likes, SystemExit too
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{module_name}.".startswith(f"{missing}."):
            return json.dumps({"fault": "no-module"})
        return json.dumps({"fault": "import", "missing": missing, **_described(error, folder)})
    try:
        found = operator.attrgetter(class_name)(module)
    except AttributeError:
        return json.dumps({"fault": "no-class", "classes": _classes(module)})
    if not isinstance(found, type):
        return json.dumps({"fault": "not-a-class", "text": type(found).__name__})
    try:
        return json.dumps({"schema": _schema(found), "file": getattr(module, "__file__", None)})
    except BaseException as error:  # noqa: BLE001
        return json.dumps({"fault": "no-schema", **_described(error, folder)})


def _schema(found: Any) -> dict[str, Any]:
    """Return the JSON schema of a class: its own word for it (Pydantic), else what msgspec makes of it."""
    own = getattr(found, "model_json_schema", None) or getattr(found, "schema", None)
    if callable(own):
        schema = own()
    else:
        import msgspec

        schema = msgspec.json.schema(found)
    if not isinstance(schema, dict):
        raise TypeError(f"its schema is of the type {type(schema).__name__}, not a dict")
    return schema


def _classes(module: Any) -> list[str]:
    """Return the names of the first classes that a module defines itself."""
    own = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return own[:_CLASSES_SHOWN]


def _described(error: BaseException, folder: str) -> dict[str, str]:
    """Return the last line of a traceback, and the last place of it that is in the folder."""
    line, *_ = traceback.format_exception_only(error)[-1].splitlines()
    if isinstance(error, SyntaxError) and error.filename is not None:
        places = [(error.filename, error.lineno)]
    else:
        places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    inside = [(name, number) for name, number in places if Path(name).is_relative_to(folder)]
    where = f"{os.path.relpath(inside[-1][0], folder)}, line {inside[-1][1]}" if inside else ""
    return {"text": line[:_TEXT_CHARACTERS_MAX], "where": where}


if __name__ == "__main__":
    main()
