"""The JSON schema of a class of a person's code, made in a child process without our environment."""

from __future__ import annotations

import difflib
import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from runner.code_process import end_code, module_path, start_code
from runner.intake import class_schema_process
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM: Final = class_schema_process.__file__
_KINDS: Final = "a Pydantic model, a msgspec Struct, a dataclass or a TypedDict"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLimits:
    """What the child process may use. `memory_bytes`: address space; `output_bytes`: of a file."""

    time_s: int = 30
    memory_bytes: int = 4 << 30
    output_bytes: int = 4 << 20


_LIMITS: Final = CodeLimits()


class ClassSchema(NamedTuple):
    """A schema as JSON, and the file of the class's module where it has one."""

    schema: bytes
    file: Path | None


def read_class_schema(name: str, folder: Path, limits: CodeLimits = _LIMITS) -> ClassSchema:
    """Return the schema of `module:Class`; the module is looked for in `folder`, then where Python looks.

    The process has PATH, LANG and a temporary HOME, and nothing else of the environment. Raises UsageError
    where the module cannot be imported, has no such class, or no schema can be made of it.
    """
    module, _, class_name = name.partition(":")
    folder = folder.resolve()
    request = {
        "module": module,
        "class": class_name,
        "path": module_path(folder),
        "time_s": limits.time_s,
        "memory_bytes": limits.memory_bytes,
        "output_bytes": limits.output_bytes,
    }
    with tempfile.TemporaryDirectory(prefix="runner-code-") as home, tempfile.TemporaryFile() as output:
        status = _run(json.dumps(request), folder, home, output, limits)
        output.seek(0)
        raw = output.read()
    try:
        answer = json.loads(raw)
    except ValueError:
        raise _ended(name, status, limits) from None
    if "fault" in answer:
        raise _refused(name, folder, answer)
    file = answer.get("file")
    return ClassSchema(json.dumps(answer["schema"]).encode(), None if file is None else Path(file))


def _run(request: str, folder: Path, home: str, output: BinaryIO, limits: CodeLimits) -> int | None:
    """Run the process to its end; return its exit status, None where it took too long."""
    child = start_code([_PROGRAM, request], folder=folder, home=home, stdin=subprocess.DEVNULL, stdout=output)
    try:
        return child.wait(limits.time_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end_code(child)


def _ended(name: str, status: int | None, limits: CodeLimits) -> UsageError:
    """Return the error of a process that has ended without an answer."""
    module = name.partition(":")[0]
    if status is None or -status in (signal.SIGXCPU, signal.SIGALRM):
        fix = "let the module define the class, and do its other work elsewhere"
        return UsageError(f"importing {module} takes more than {limits.time_s} s", fix=fix)
    if status == 0 or status > 0:
        fix = f"let the module only define the class; its schema may have {limits.output_bytes >> 20} MiB"
        return UsageError(f"the process that imported {module} ended without a schema", fix=fix)
    what = f"the process that imported {module} was ended by {signal.Signals(-status).name}"
    return UsageError(what, fix=f"it may take {limits.memory_bytes >> 30} GiB of memory; import less")


def _refused(name: str, folder: Path, answer: Mapping[str, Any]) -> UsageError:
    """Return the error that a fault found by the process is for people."""
    module, _, class_name = name.partition(":")
    text, where = answer.get("text", ""), answer.get("where", "")
    what_failed = f"{text} ({where})" if where else text
    match answer["fault"]:
        case "no-module":
            return UsageError(f"there is no module {module} in {folder}", fix=_module_fix(module, class_name))
        case "import":
            return UsageError(f"importing {module} failed: {what_failed}", fix=_import_fix(answer))
        case "no-class":
            what = f"{module} has no class {class_name}"
            return UsageError(what, fix=_class_fix(class_name, answer["classes"]))
        case "not-a-class":
            return UsageError(f"{name} is no class: it is of the type {text}", fix=f"name {_KINDS}")
        case _:
            return UsageError(f"no schema can be made of {name}: {what_failed}", fix=f"name {_KINDS}")


def _module_fix(module: str, class_name: str) -> str:
    if module.endswith(".py"):
        return f"did you mean {module.removesuffix('.py')}:{class_name}?"
    return "write module:Class as Python imports it from that folder, such as labels:Review"


def _import_fix(answer: Mapping[str, Any]) -> str:
    if answer["missing"] is not None:
        return f"install it beside runner: {sys.executable} -m pip install PACKAGE"
    return "correct the module; it is imported with limits, and without your environment variables"


def _class_fix(class_name: str, classes: list[str]) -> str:
    near = difflib.get_close_matches(class_name, classes, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"it has {', '.join(classes)}" if classes else "define the class there, or name another module"
