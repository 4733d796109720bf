"""The schema of a class of a person's code: made in a process of its own, with limits and clear errors."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import wait_until

from runner.intake.class_schema import CodeLimits, read_class_schema
from runner.rules.errors import UsageError
from runner.rules.labels.label_schema import read_label_schema

if TYPE_CHECKING:
    from pathlib import Path

STRUCT = "import msgspec\nclass Review(msgspec.Struct):\n    mood: str\n"


def schema_of(folder: Path, text: str, name: str = "labels:Review", **limits: Any) -> dict[str, Any]:
    """Return the schema of a class of the module `labels`."""
    (folder / "labels.py").write_text(text)
    found: dict[str, Any] = json.loads(read_class_schema(name, folder, CodeLimits(**limits)).schema)
    return found


def refused(folder: Path, text: str, name: str = "labels:Review", **limits: Any) -> UsageError:
    """Return the error of a class that has no schema."""
    with pytest.raises(UsageError) as raised:
        schema_of(folder, text, name, **limits)
    assert raised.value.fix
    return raised.value


HEAD = (
    "import dataclasses, enum, typing, msgspec\nclass Mood(enum.Enum):\n    GOOD = 'good'\n    BAD = 'bad'\n"
)
FIELDS = "    mood: Mood\n    stars: typing.Annotated[int, msgspec.Meta(ge=1, le=5)]\n    topics: list[str]\n"


@pytest.mark.parametrize(
    "head",
    [
        "class Review(msgspec.Struct):",
        "@dataclasses.dataclass\nclass Review:",
        "class Review(typing.TypedDict):",
    ],
    ids=["struct", "dataclass", "typed-dict"],
)
def test_a_class_with_annotations_becomes_the_schema_of_its_fields(tmp_path: Path, head: str) -> None:
    """In their order, as a schema file with the same properties would; its own name is no reference in it."""
    raw = json.dumps(schema_of(tmp_path, f"{HEAD}{head}\n{FIELDS}")).encode()
    found = read_label_schema(raw, "labels:Review", is_file=False)

    assert [(field.name, field.kind.value, field.values) for field in found.fields] == [
        ("mood", "text", ("bad", "good")),
        ("stars", "integer", None),
        ("topics", "list", None),
    ]
    sent = json.loads(found.schema)
    assert sent["additionalProperties"] is False
    assert "$ref" not in sent
    assert list(sent["$defs"]) == ["Mood"]


def test_a_pydantic_model_says_its_schema_itself(tmp_path: Path) -> None:
    """With its descriptions; runner does not import pydantic."""
    pytest.importorskip("pydantic")
    text = (
        "from typing import Literal\nfrom pydantic import BaseModel, Field\nclass Review(BaseModel):\n"
        "    mood: Literal['good', 'bad'] = Field(description='of the writer')\n    note: str | None = None\n"
    )
    raw = json.dumps(schema_of(tmp_path, text)).encode()
    found = read_label_schema(raw, "labels:Review", is_file=False)

    assert [(field.name, field.values, field.is_nullable) for field in found.fields] == [
        ("mood", ("good", "bad"), False),
        ("note", None, True),
    ]
    assert json.loads(found.schema)["properties"]["mood"]["description"] == "of the writer"


@pytest.mark.parametrize("method", ["model_json_schema", "schema"])
def test_any_class_may_say_its_schema(tmp_path: Path, method: str) -> None:
    """As models of Pydantic 2 and 1 do."""
    text = f"class Review:\n    @classmethod\n    def {method}(cls):\n        return {{'type': 'object'}}\n"
    assert schema_of(tmp_path, text) == {"type": "object"}


def test_the_process_has_none_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is not there to be read; HOME is empty, and gone afterwards."""
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    monkeypatch.setenv("RUNNER_DATABASE_URL", "postgresql://secret")
    text = (
        "import os\nclass Review:\n    @classmethod\n    def schema(cls):\n"
        "        return {'names': sorted(os.environ), 'home': os.environ['HOME'],\n"
        "                'files': os.listdir(os.environ['HOME'])}\n"
    )
    found = schema_of(tmp_path, text)

    assert set(found["names"]) <= {"PATH", "LANG", "HOME", "LC_CTYPE"}
    assert found["files"] == []
    assert found["home"] != os.environ.get("HOME")
    assert not os.path.exists(found["home"])  # noqa: PTH110 - a text


def test_the_module_is_looked_for_in_the_folder_and_may_import_its_neighbours(tmp_path: Path) -> None:
    """Packages too; what the code prints is not the answer."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "moods.py").write_text(f"{STRUCT}class Outer:\n    Inner = Review\n")
    (tmp_path / "labels.py").write_text("print('{}', flush=True)\nfrom shop.moods import Outer\n")

    found = read_class_schema("labels:Outer.Inner", tmp_path)

    assert json.loads(found.schema)["$defs"]["Review"]["required"] == ["mood"]
    assert found.file == tmp_path / "labels.py"
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_order_of_a_set_is_the_same_each_time(tmp_path: Path) -> None:
    """Else the same class would be another run each time, and paid for again."""
    text = "class Review:\n    schema = staticmethod(lambda: {'enum': list({'a', 'b', 'c', 'd'})})\n"
    assert len({json.dumps(schema_of(tmp_path, text)) for _ in range(4)}) == 1


# Writes a part of an answer to wherever an answer may go, and ends.
PARTLY = """import os
for number in range(3, 20):
    try: os.write(number, b'{')
    except OSError: pass
os._exit(0)
"""


@pytest.mark.parametrize(
    ("text", "name", "what", "fix"),
    [
        (STRUCT, "label:Review", "there is no module label in ", "write module:Class"),
        (STRUCT, "labels.py:Review", "there is no module labels.py in ", "did you mean labels:Review?"),
        (STRUCT, "labels:Reviews", "labels has no class Reviews", "did you mean Review?"),
        (STRUCT, "labels:Mood", "labels has no class Mood", "it has Review"),
        ("x = 1\n", "labels:Review", "labels has no class Review", "define the class there"),
        ("x = 1\n", "labels:x", "labels:x is no class: it is of the type int", "a Pydantic model"),
        ("import nowhere\n", "labels:Review", "No module named 'nowhere' (labels.py, line 1)", "pip install"),
        ("\nraise ValueError('a\\nb')\n", "labels:Review", "ValueError: a (labels.py, line 2)", "correct"),
        ("\nclass Review(:\n", "labels:Review", "SyntaxError: invalid syntax (labels.py, line 2)", "correct"),
        ("import os\nos.environ['XAI_API_KEY']\n", "labels:Review", "KeyError: 'XAI_API_KEY'", "environment"),
        ("raise SystemExit(3)\n", "labels:Review", "failed: SystemExit: 3 (labels.py, line 1)", "correct"),
        ("class Review: pass\n", "labels:Review", "no schema can be made of labels:Review: ", "a dataclass"),
        (
            "class Review:\n    @classmethod\n    def schema(cls):\n        raise KeyError('a')\n",
            "labels:Review", "labels:Review: KeyError: 'a' (labels.py, line 4)", "name a Pydantic model",
        ),
        (
            "class Review:\n    schema = staticmethod(lambda: '{}')\n",
            "labels:Review", "its schema is of the type str, not a dict", "name a Pydantic model",
        ),
        (
            "class Review:\n    schema = staticmethod(lambda: {'a': {1}})\n",
            "labels:Review", "no schema can be made of labels:Review: TypeError: Object of type set", "name",
        ),
        ("import os\nos._exit(0)\n", "labels:Review", "ended without a schema", "only define the class"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
            "labels:Review", "was ended by SIGSEGV", "4 GiB of memory",
        ),
        (
            PARTLY,
            "labels:Review", "ended without a schema", "only define the class",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, text: str, name: str, what: str, fix: str) -> None:
    """What, where and how to fix it; no traceback."""
    error = refused(tmp_path, text, name)

    assert what in error.what
    assert "\n" not in error.what
    assert fix in error.fix


@pytest.mark.parametrize(
    "text", ["import time\ntime.sleep(99)\n", "while True: pass\n"], ids=["sleeps", "works"]
)
def test_a_module_that_takes_too_long_is_ended(tmp_path: Path, text: str) -> None:
    """With what it has started."""
    error = refused(tmp_path, text, time_s=1)
    assert error.what == "importing labels takes more than 1 s"


def test_what_the_module_has_started_ends_with_it(tmp_path: Path) -> None:
    """Its children hold a lock as long as they live."""
    lock = tmp_path / "lock"
    child = f"import fcntl, time; f = open({str(lock)!r}, 'w'); fcntl.flock(f, 2); print(flush=True)"
    child += "; time.sleep(999)"
    text = (
        f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=-1)\n"
        f"p.stdout.readline()\n{STRUCT}"
    )
    schema_of(tmp_path, text)

    def is_free() -> bool:
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        return True

    wait_until(is_free, "the child of the module has ended")


def test_a_module_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    """The limit is on the process, not on the machine."""
    error = refused(tmp_path, "x = bytearray(1 << 30)\n", memory_bytes=512 << 20)
    assert "MemoryError" in error.what


def test_a_schema_without_end_is_refused(tmp_path: Path) -> None:
    """It is not read into memory."""
    text = "class Review:\n    schema = staticmethod(lambda: {'a': 'x' * 200_000})\n"
    error = refused(tmp_path, text, output_bytes=100_000)
    assert "ended without a schema" in error.what
