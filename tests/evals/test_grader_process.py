"""Graders that are code or patterns, in their processes: what goes wrong costs one answer its score."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from runner.evals.grading.grader_process import GraderLimits, GraderProcess
from runner.evals.grading.suite_graders import open_graders, resolved_grader
from runner.rules.errors import UsageError
from runner.rules.evaluation.graders import grader_sha256
from runner.rules.evaluation.graders.grade import Answer, Grade
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite import GraderSpec, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS: Final = GraderLimits(item_s=3)
ITEM: Final = Item(id="q", messages=[{"role": "user", "content": "?"}], target="Paris")
MODULE: Final = """
import ctypes, os, sys, threading, time

def grade(answer, target, item):
    return ACTIONS[answer]() if answer in ACTIONS else answer == target

def hang():
    while True:
        pass

def print_without_end():
    while True:
        print("x" * 1000, flush=True)

def print_much():
    for _ in range(100):
        print("x" * 1_000_000)
        sys.stderr.write("y" * 1_000_000)
    return True

def fork():
    os.fork()
    return 0.5

def fork_and_stay():
    if not os.fork():
        time.sleep(60)
    return 0.5

def fork_and_end():
    if os.fork():
        os._exit(0)
    time.sleep(60)

def write_everywhere():
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b"[0, 1, \\"\\", null]\\n")
        except OSError:
            pass

def write_number():
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b"5\\n")
        except OSError:
            pass

def write_without_end():
    for descriptor in range(3, 30):
        try:
            while True:
                os.write(descriptor, b"1" * 4096)
        except OSError:
            pass

def large_file():
    with open(os.path.join(os.environ["HOME"], "x"), "wb") as file:
        file.write(bytes(100 << 20))
    return True

def deep():
    return deep()

ACTIONS = {
    "hang": hang, "exit": lambda: os._exit(0), "leave": sys.exit,
    "crash": lambda: ctypes.string_at(0), "abort": os.abort, "kill": lambda: os.kill(os.getpid(), 9),
    "stop": lambda: os.kill(os.getpid(), 19), "memory": lambda: bool(bytearray(2 << 30)),
    "print much": print_much, "print without end": print_without_end, "fork": fork,
    "fork and stay": fork_and_stay, "fork and end": fork_and_end, "nonsense": lambda: "yes",
    "close": lambda: os.closerange(3, 100), "write": write_everywhere,
    "write number": write_number, "write on": write_without_end,
    "read": lambda: sys.stdin.read() == "", "file": large_file, "deep": deep,
    "environment": lambda: (True, " ".join(sorted(os.environ))), "folder": lambda: (True, os.getcwd()),
    "pattern": lambda: bool(__import__("re").match(r"(a+)+$", "a" * 40 + "b")),
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def code(folder: Path) -> Iterator[GraderProcess]:
    process = GraderProcess(code_spec(), folder, LIMITS)
    yield process
    process.close()


def code_spec(function: str = "mine:grade") -> GraderSpec:
    return GraderSpec(name="code", type="python", options={"function": function})


def grades_of(process: GraderProcess, *answers: str) -> list[Grade]:
    return process.grade([(ITEM, Answer(text=answer)) for answer in answers])


def suite_of(*graders: GraderSpec) -> Suite:
    return Suite(name="s", subjects=(), graders=graders, gates=())


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("hang", "it takes more than 3 s"),
        ("stop", "it takes more than 3 s"),
        ("pattern", "it takes more than 3 s"),
        ("print without end", "it takes more than 3 s"),
        ("exit", "its process ended with the exit status 0"),
        ("fork and end", "it takes more than 3 s"),
        ("crash", "its process was ended by signal 11 (Segmentation fault)"),
        ("abort", "its process was ended by signal 6"),
        ("kill", "its process was ended by signal 9"),
        ("leave", "the function raised SystemExit"),
        ("memory", "the function raised MemoryError"),
        ("deep", "the function raised RecursionError: maximum recursion depth exceeded"),
        ("file", "the function raised OSError: [Errno 27] File too large"),
        ("nonsense", "the function returned 'yes'"),
        ("close", "its process"),
        ("write", "it wrote where only grades are written"),
        ("write number", "it wrote where only grades are written"),
        ("write on", "it "),
    ],
)
def test_only_the_answer_at_which_it_happens_is_unscored(
    code: GraderProcess, capfd: pytest.CaptureFixture[str], action: str, reason: str
) -> None:
    """The others are graded as if nothing had been, and nothing of it is printed."""
    before, bad, after, wrong = grades_of(code, "Paris", action, "Paris", "Rome")

    assert (before.value, after.value, wrong.value) == (1, 1, 0)
    assert bad.value is None
    assert str(bad.reason).startswith(reason)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("action", "value", "label"),
    [
        ("print much", 1, ""),
        ("read", 1, ""),
        ("fork", 0.5, ""),
        ("fork and stay", 0.5, ""),
        ("environment", 1, "HOME LANG PATH"),
    ],
)
def test_what_does_no_harm_is_graded(
    code: GraderProcess, capfd: pytest.CaptureFixture[str], action: str, value: float, label: str
) -> None:
    """Its output goes nowhere, its input is empty; a copy of the process sends no grades."""
    assert grades_of(code, "Paris", action, "Paris") == [(1, "", None), (value, label, None), (1, "", None)]
    assert capfd.readouterr() == ("", "")


def test_a_pattern_that_takes_for_ever_costs_its_answer(folder: Path) -> None:
    """Patterns of the suite need no trust, but a process of their own."""
    spec = GraderSpec(name="slow", type="regex", options={"pattern": "^(a+)+$"})
    with open_graders(suite_of(spec), folder, trusts_code=False, limits=LIMITS) as graders:
        texts = ("a", "a" * 40 + "b", "b", "a")
        item = Item(id="q", messages=[], target="a")
        found = graders.grade([(item, Answer(text=text)) for text in texts])["slow"]

    assert [grade.value for grade in found] == [1, None, 0, 1]
    assert found[1].reason == "it takes more than 3 s"


def test_nothing_outlives_the_graders(folder: Path) -> None:
    """The process and what it has started end with the block."""
    with open_graders(suite_of(code_spec()), folder, trusts_code=True) as graders:
        (folder / "pid.py").write_text("import os\ndef grade(*_): return True, str(os.getpid())\n")
        graders.grade([(ITEM, Answer(text="fork and stay"))])
    process = GraderProcess(code_spec("pid:grade"), folder)
    ((_, pid, _),) = grades_of(process, "x")
    process.close()

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_process_whose_parent_is_gone_ends(folder: Path) -> None:
    """Also in the middle of an answer at which it hangs."""
    (folder / "slow.py").write_text("""
import os, pathlib
def grade(*_):
    pathlib.Path('pid').write_text(str(os.getpid()))
    while True:
        pass
""")
    program = f"""
        from pathlib import Path
        from runner.evals.grading.grader_process import *
        from runner.rules.evaluation.suite.suite import GraderSpec
        from runner.rules.evaluation.graders.grade import Answer
        from runner.rules.evaluation.suite.item import Item
        spec = GraderSpec(name="c", type="python", options={{"function": "slow:grade"}})
        process = GraderProcess(spec, Path({str(folder)!r}), GraderLimits(item_s=2))
        process.grade([(Item(id="q", messages=[]), Answer(text=""))])
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    pid = folder / "pid"
    wait_until(lambda: pid.exists() and bool(pid.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    wait_until(lambda: not Path(f"/proc/{pid.read_text()}").exists() or is_zombie(pid.read_text()))


def is_zombie(pid: str) -> bool:
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def wait_until(is_so: Any) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 s")


@pytest.mark.parametrize(
    ("source", "function", "reason"),
    [
        ("", "absent:grade", "No module named 'absent'"),
        ("x = 1", "bad:grade", "has no attribute 'grade'"),
        ("grade = 3", "bad:grade", "bad:grade is no function"),
        ("raise SystemExit(3)", "bad:grade", "SystemExit: 3"),
        ("import os; os._exit(7)", "bad:grade", "its process ended with the exit status 7"),
        ("def grade(:", "bad:grade", "SyntaxError"),
        ("while True: pass", "bad:grade", "it takes more than 0.5 s"),
    ],
)
def test_a_grader_that_cannot_be_started_grades_nothing(
    tmp_path: Path, source: str, function: str, reason: str
) -> None:
    """It is tried three times, then all answers are unscored, with the reason."""
    (tmp_path / "bad.py").write_text(source)
    process = GraderProcess(
        code_spec(function), tmp_path, GraderLimits(start_s=0.5 if "while" in source else 10)
    )
    grades = grades_of(process, "a", "b", "c")
    process.close()

    assert {grade.value for grade in grades} == {None}
    assert len({grade.reason for grade in grades}) == 1
    assert str(grades[0].reason).startswith("the grader cannot be started: ")
    assert reason in str(grades[0].reason)


def test_what_was_graded_before_a_crash_stays(code: GraderProcess) -> None:
    """Also where so much is on its way to the process that it breaks off while we write."""
    many = ["Paris"] * 500 + ["exit"] + ["x" * 1000] * 2_000
    grades = grades_of(code, *many)

    assert [grade.value for grade in grades] == [1] * 500 + [None] + [0] * 2_000


def test_without_its_folder_nothing_is_graded(tmp_path: Path) -> None:
    """As where a night goes on after its suite was removed."""
    process = GraderProcess(code_spec(), tmp_path / "gone")
    (grade,) = grades_of(process, "a")
    process.close()

    assert grade.reason == "the grader cannot be started: ModuleNotFoundError: No module named 'mine'"


def test_a_grader_that_ends_too_often_is_given_up(folder: Path) -> None:
    """A night must end, also where each answer takes its five seconds."""
    process = GraderProcess(code_spec(), folder, GraderLimits(ends=2))
    grades = grades_of(process, "Paris", "exit", "Paris", "exit", "Paris", "Paris")
    process.close()

    assert [grade.value for grade in grades] == [1, None, 1, None, None, None]
    assert grades[-1].reason == "the grader was given up: its process ended 2 times"


def test_code_is_run_only_where_it_is_trusted(folder: Path) -> None:
    """Also code within another grader; graders that are none grade as ever."""
    (folder / "mine.py").write_text("import pathlib; pathlib.Path('was-run').touch()")
    inner = {"type": "python", "function": "mine:grade"}
    graders = (
        code_spec(),
        GraderSpec(name="any", type="any", options={"graders": [inner, {"type": "exact"}]}),
        GraderSpec(name="exact", type="exact"),
    )
    with open_graders(suite_of(*graders), folder, trusts_code=False) as opened:
        found = opened.grade([(ITEM, Answer(text="Paris"))])

    assert {name: grades[0].value for name, grades in found.items()} == {
        "code": None,
        "any": None,
        "exact": 1,
    }
    assert "--trust-code" in str(found["any"][0].reason)
    assert not (folder / "was-run").exists()


def test_graders_within_others_see_the_whole_answer(folder: Path) -> None:
    """Also what it cost, in the process as here."""
    parts = [{"type": "python", "function": "mine:grade"}, {"type": "cost", "at_most": 1}, {"type": "choice"}]
    spec = GraderSpec(name="all", type="all", options={"graders": parts})
    item = Item(id="q", messages=[], target="Paris", choices=("Rome", "Paris"))
    answer = Answer(text="Paris", cost_ticks=5, latency_ms=2, completion_tokens=3, epoch=4)
    with open_graders(suite_of(spec), folder, trusts_code=True) as opened:
        assert opened.grade([(item, answer)]) == {"all": [(1, "", None)]}


def test_answers_of_any_text_and_length_come_through(folder: Path) -> None:
    """Line breaks, half characters, and megabytes; whatever the metadata of an item holds."""
    (folder / "echo.py").write_text(
        "def grade(answer, target, item): return answer == target, str(item['metadata']['n'])\n"
    )
    texts = ["a\nb\r\n\0", "\ud83d", "x" * 5_000_000, "\u2028\u2029"]
    pairs = [
        (Item(id="q", messages=[], target=text, metadata={"n": 10**30}), Answer(text=text)) for text in texts
    ]
    process = GraderProcess(code_spec("echo:grade"), folder)
    grades = process.grade(pairs)
    process.close()

    assert [grade.value for grade in grades] == [1, 1, 1, 1]


def test_a_machine_without_the_folder_grades_by_patterns_and_refuses_code(tmp_path: Path) -> None:
    """A worker may be on another machine than the suite: it does not call an answer unscored for that."""
    pattern = GraderSpec(name="pattern", type="regex", options={"pattern": "(.+)"})
    with open_graders(suite_of(pattern), tmp_path / "none", trusts_code=True) as graders:
        assert graders.grade([(ITEM, Answer(text="Paris"))])["pattern"][0].value == 1
    with (
        pytest.raises(UsageError, match="there is no folder"),
        open_graders(suite_of(code_spec()), tmp_path / "none", trusts_code=True),
    ):
        pass


def test_scores_of_a_file_are_taken_by_item_and_epoch(tmp_path: Path) -> None:
    """A file that is not there has no scores yet; one outside the folder is refused."""
    spec = GraderSpec(name="outside", type="scores", options={"file": "scores.csv"})
    inner = GraderSpec(
        name="inner", type="not", options={"graders": [{"type": "scores", "file": "scores.csv"}]}
    )
    pairs = [(ITEM, Answer(text="", epoch=epoch)) for epoch in (1, 2, 3)]
    with open_graders(suite_of(spec), tmp_path, trusts_code=False) as graders:
        assert [grade.value for grade in graders.grade(pairs)["outside"]] == [None] * 3
    (tmp_path / "scores.csv").write_text("id,score,epoch\nq,0.5,2\nq,1,1\n")
    with open_graders(suite_of(spec, inner), tmp_path, trusts_code=False) as graders:
        found = graders.grade(pairs)
        assert [grade.value for grade in found["outside"]] == [1, 0.5, None]
        assert [grade.value for grade in found["inner"]] == [0, 0.5, None]

    far = GraderSpec(name="far", type="scores", options={"file": "../scores.csv"})
    with pytest.raises(UsageError, match="outside the suite's folder"):
        resolved_grader(far, tmp_path)


def test_a_changed_module_is_another_grader(folder: Path) -> None:
    """Its scores are not compared with those of the module before."""
    before = grader_sha256(resolved_grader(code_spec(), folder))
    again = grader_sha256(resolved_grader(code_spec(), folder))
    (folder / "mine.py").write_text("def grade(*_): return True")

    assert before == again != grader_sha256(resolved_grader(code_spec(), folder))
