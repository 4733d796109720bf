"""What is printed when a run cannot go on is typed here, and leads to the end of the run."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import engine_kept, run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GONE: Final = "gpt-4o-mini"  # the simulator does not serve it
RUN: Final = "run jobs.jsonl -o out.jsonl --rpm none --tpm none"


class Workspace:
    """A folder where commands run one after the other, with a simulator."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder, self.simulator = folder, simulator
        self.home = LiveRunner(folder, simulator)
        self.stderr = ""

    def run(self, words: str | list[str], *codes: int) -> str:
        """Run a command and check its exit code, 0 if none is given; keep stderr and return stdout."""
        listed = shlex.split(words) if isinstance(words, str) else words
        done = run_command(listed, self.folder, self.home.env, *codes)
        self.stderr = done.stderr
        return done.stdout

    def write(self, *lines: dict[str, Any], name: str = "jobs.jsonl") -> None:
        """Write a job file."""
        (self.folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))

    def printed(self, name: str) -> list[str]:
        """Return the commands of this name that the last command printed on stderr."""
        return re.findall(rf"runner ({name} [^;,\n]*)", self.stderr)

    def counts(self) -> dict[str, int]:
        """Return the jobs of run 1 by where they ended, without zeros."""
        found: dict[str, int] = json.loads(self.run("summary 1 --json"))["counts"]
        return {name: n for name, n in found.items() if n and name != "total"}

    def lines(self, name: str = "out.jsonl") -> dict[str, dict[str, Any]]:
        """Return the lines of an output file by custom_id."""
        lines = (self.folder / name).read_text().splitlines()
        return {line["custom_id"]: line for line in map(json.loads, lines)}

    def sent(self) -> dict[str, list[str]]:
        """Return the models that the simulator was sent and accepted, by job."""
        found: dict[str, list[str]] = {}
        for job in self.simulator.books()["jobs"]:
            found.setdefault(job["job"], []).append(job["model"])
        return found


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Return a workspace with 20 jobs, one of which names a model that the API refuses."""
    with (
        Simulator(tmp_path, "--instant", *NO_LIMITS) as simulator,
        LiveRunner(tmp_path, simulator) as home,
        engine_kept(home.path),
    ):
        made = Workspace(tmp_path, simulator)
        lines = [
            {"id": f"r-{n}", "user": f"r-{n}", "model": "grok-4.3", "prompt": f"Say {n}"} for n in range(20)
        ]
        lines[4]["model"] = GONE
        made.write(*lines)
        yield made


def test_the_printed_retry_ends_a_run_whose_model_was_refused(workspace: Workspace) -> None:
    """With the model that the other jobs of the run have; the ledger holds, and the line tells it."""
    workspace.run(RUN, 1, 8)  # held, or the run is paused
    assert workspace.printed("retry")
    (retry,) = [words for words in workspace.printed("retry") if "--model" in words]
    assert retry == f"retry 1 --model {GONE} --set-model grok-4.3"
    workspace.run(f"{retry} --yes")
    assert "1 job of run 1 will be sent again with grok-4.3\n" in workspace.stderr
    workspace.run(RUN)

    assert workspace.counts() == {"succeeded": 20}
    assert workspace.sent()["r-4"] == ["grok-4.3"]
    lines = workspace.lines()
    assert lines["r-4"]["set_model"] == lines["r-4"]["response"]["body"]["model"] == "grok-4.3"
    assert "set_model" not in lines["r-5"]
    shown = json.loads(workspace.run("show 1 r-4 --json"))
    assert (shown["model"], shown["set_model"], shown["request"]["model"]) == ("grok-4.3",) * 3
    assert "model grok-4.3, set by retry --set-model" in workspace.run("show 1 r-4")
    assert workspace.home.ledger_errors(workspace.simulator) == []


def test_the_code_of_the_errors_file_chooses_its_job(workspace: Workspace) -> None:
    """It has `held-` before the code that other commands print; both are taken."""
    workspace.run(RUN, 1, 8)
    code = workspace.lines("out.errors.jsonl")["r-4"]["error"]["code"]
    assert code == "held-model-gone"
    for word in (code, "model-gone"):
        assert workspace.run(f"summary 1 --ids {word}") == "r-4\n"
        assert "would send 1 job of run 1" in workspace.run(f"retry 1 --code {word} --dry-run")
        assert "would cancel 1 job of run 1" in workspace.run(f"cancel 1 --code {word} --dry-run")


@pytest.mark.parametrize(
    ("which", "then"),
    [("retry 1 --set-model grok-4.5", "start 1"), ("cancel 1 --id r-4", "resume 1"), ("printed", RUN)],
)
def test_every_cure_of_a_refused_model_ends_the_run(workspace: Workspace, which: str, then: str) -> None:
    """Another model without naming the jobs, or without that job; then by any command that goes on."""
    workspace.run(RUN, 1, 8)
    (cancel,) = workspace.printed("cancel")
    assert cancel == f"cancel 1 --model {GONE}"
    workspace.run(f"{cancel if which == 'printed' else which} --yes")
    workspace.run(then)

    expected = {"succeeded": 20} if "retry" in which else {"succeeded": 19, "cancelled": 1}
    assert workspace.counts() == expected
    assert all(len(models) == 1 for models in workspace.sent().values())


def test_a_mended_file_is_told_how_to_keep_what_is_paid(workspace: Workspace) -> None:
    """What is there, what it cost, and commands that lead on; nothing is loaded."""
    workspace.run(f"{RUN} --name nightly", 1, 8)
    done = workspace.counts()["succeeded"]
    file = workspace.folder / "jobs.jsonl"
    file.write_text(file.read_text().replace(GONE, "grok-4.3"))
    workspace.run(f"{RUN} --name nightly", 2)

    assert 'the name "nightly" belongs to run 1, which was loaded with other content' in workspace.stderr
    assert re.search(rf"  it has {done} succeeded, .*; \$0\.0\d+ spent\n", workspace.stderr)
    (retry,), (start,) = workspace.printed("retry"), workspace.printed("start")
    assert (retry, start) == ("retry 1 --set-model NAME", "start 1")
    assert "start a fresh run with --new" in workspace.stderr
    workspace.run(f"{retry.replace('NAME', 'grok-4.3')} --yes")
    workspace.run(start)
    assert workspace.counts() == {"succeeded": 20}
    workspace.run(f"{RUN} --name nightly", 2)
    assert workspace.printed("write") == ["write 1"]
    workspace.run("write 1")


def test_identity_stays_and_the_same_command_goes_on_with_the_model_that_was_set(
    workspace: Workspace,
) -> None:
    """Also when jobs are retried once more without a model."""
    workspace.run("load jobs.jsonl --name nightly")
    workspace.run(f"retry 1 --model {GONE} --set-model grok-4.6 --yes")
    workspace.run(f"{RUN} --name nightly")
    assert "already loaded as run 1" in workspace.stderr
    assert workspace.sent()["r-4"] == ["grok-4.6"]
    assert "came from another model" not in workspace.stderr


def test_a_foreign_file_runs_with_a_model_for_all(workspace: Workspace) -> None:
    """--model leaves the lines as they are, and says so; --model-for-all is another run, the same again."""
    body = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "hi"}]}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    workspace.write(*[{"custom_id": f"request-{n}", **line} for n in (1, 2)], name="openai.jsonl")
    note = "2 lines name another model; --model grok-4.3 is for lines without one"
    note += ", --model-for-all grok-4.3 for all"
    assert note in " ".join(workspace.run("check openai.jsonl --model grok-4.3").split())
    workspace.run("load openai.jsonl --model grok-4.3")
    assert f"note: {note}\n" in workspace.stderr

    checked = json.loads(workspace.run("check openai.jsonl --model-for-all grok-4.3 --json"))
    assert ([model["model"] for model in checked["models"]], checked["warnings"]["total"]) == (
        ["grok-4.3"],
        0,
    )
    workspace.run("run openai.jsonl --model-for-all grok-4.3")
    assert "note:" not in workspace.stderr
    assert "loaded 2 jobs as run 2" in workspace.stderr
    workspace.run("run openai.jsonl --model-for-all grok-4.3")
    assert "already loaded as run 2" in workspace.stderr
    assert json.loads(workspace.run("load openai.jsonl --model-for-all grok-4.5 --json"))["created"]
    assert [job["model"] for job in workspace.simulator.books()["jobs"]] == ["grok-4.3", "grok-4.3"]


def test_two_models_exclude_each_other(workspace: Workspace) -> None:
    """And the name of a model can be printed."""
    for command in ("check", "load", "run"):
        workspace.run(f"{command} jobs.jsonl --model-for-all grok-4.3 --model grok-4", 2)
        assert "--model and --model-for-all exclude each other" in workspace.stderr
    for words in (["load", "jobs.jsonl", "--model-for-all", ""], ["retry", "1", "--set-model", "a\tb"]):
        workspace.run(words, 2)
        assert "is no name of a model, like grok-4.3" in workspace.stderr


ODD: Final = ["-dash", "tab\tx", r"tab\tx", r"\x5c", "two  \n lines", "\u202eright", "it's", "x" * 300]


def test_printed_ids_can_be_typed(workspace: Workspace) -> None:
    """As `summary --ids` prints them, and in the commands of `summary` and `show`."""
    prompts = dict.fromkeys(ODD, "[simulate:safety]") | {"good": "hi"}
    workspace.write(*[{"id": name, "model": "grok-4.3", "prompt": text} for name, text in prompts.items()])
    workspace.run(RUN, 1)
    printed = workspace.run("summary 1 --ids safety").splitlines()
    assert len(printed) == len(ODD)
    chosen = [word for name in printed for word in ("--id", name)]
    assert f"would send {len(ODD)} jobs" in workspace.run(["retry", "1", *chosen, "--dry-run"])
    as_list = ["retry", "1", "--id", "\n".join(printed), "--id", ODD[0], "--dry-run"]
    assert f"would send {len(ODD)} jobs" in workspace.run(as_list)
    workspace.run(["retry", "1", "--id", f"{printed[0]}\nnone such", "--dry-run"], 2)
    assert "run 1 has no job none such; nothing was done" in workspace.stderr
    for name, custom_id in zip(printed, ODD, strict=True):
        story = workspace.run(["show", "1", "--", name])
        (retry,) = re.findall(r"to send it again: runner (.*)", story)
        assert "would send 1 job of run 1" in workspace.run(f"{retry} --dry-run")
        assert json.loads(workspace.run(["show", "1", "--json", "--", name]))["custom_id"] == custom_id
    (look,) = re.findall(r"to look at one: runner (.*)", workspace.run("summary 1"))
    workspace.run(look)
    for typed, printed_word in (("tab\tz", r"tab\tz"), (r"tab\tz", r"tab\tz"), ("\udcff", r"\udcff")):
        workspace.run(["retry", "1", "--id", typed, "--dry-run"], 2)
        assert f"run 1 has no job {printed_word}; nothing was done" in workspace.stderr
        workspace.run(["show", "1", typed], 2)
        assert f"run 1 has no job {printed_word}" in workspace.stderr


def test_show_names_the_cure_of_a_refused_model_and_no_time_that_never_was(workspace: Workspace) -> None:
    """The command has another model, as the same one would be refused again; it works when it is typed."""
    workspace.write(
        {"id": "a", "model": "grok-4.3", "prompt": "hi"}, {"id": "b", "model": "gpt", "prompt": "hi"}
    )
    workspace.run("load jobs.jsonl")
    assert "1970" not in workspace.run("show 1 a")
    assert json.loads(workspace.run("show 1 a --json"))["due_at"] is None
    workspace.run(RUN, 1)
    story = workspace.run("show 1 b")
    assert "runner retry 1 --set-model NAME" in " ".join(story.split())
    assert all(len(line) <= 80 for line in story.splitlines() if "of /" not in line)
    (retry,) = re.findall(r"to send it again: runner (.*)", story)
    assert retry.endswith("--set-model grok-4.3")
    workspace.run(f"{retry} --yes")
    workspace.run(RUN)


def test_what_is_not_in_the_run_or_in_another_state_is_named(workspace: Workspace) -> None:
    """Nothing is done then; of jobs named by id, those that fit are."""
    workspace.write(
        {"id": "good", "model": "grok-4.3", "prompt": "hi"},
        {"id": "unsafe", "model": "grok-4.3", "prompt": "[simulate:safety]"},
        {"id": "cut", "model": "grok-4.3", "prompt": "x", "max_completion_tokens": 2},
    )
    workspace.run(RUN, 1)
    for command in ("retry", "cancel"):
        workspace.run(f"{command} 1 --id good --id other --id more --yes", 2)
        assert "run 1 has no job other, more; nothing was done" in workspace.stderr
        workspace.run(f"{command} 1 --model grok-4 --yes", 2)
        assert "no job of run 1 names the model grok-4" in workspace.stderr
        assert "its jobs name grok-4.3" in workspace.stderr
    workspace.run("retry 1 --flaw length --yes", 2)
    assert "1 succeeded: an answer that was kept is not replaced" in workspace.stderr
    (look,) = re.findall(r"runner (summary \S+ \S+ \S+)", workspace.stderr)
    assert workspace.run(look) == "cut\n"
    workspace.run("cancel 1 --id good --yes", 2)
    assert "1 succeeded: ended already" in workspace.stderr
    workspace.run("retry 1 --set-model grok-4.5 --yes", 2)
    assert "the API has refused no model of run 1" in workspace.stderr
    workspace.run("retry 1 --id good --id unsafe --yes")
    assert "of the jobs named, these stay as they are: 1 succeeded\n" in workspace.stderr
    assert workspace.counts() == {"succeeded": 2, "unfinished": 1}
    workspace.run("cancel 1 --id good --id unsafe", 2)
    assert "add --yes, or --dry-run to look" in workspace.stderr
    assert "would cancel 1 job of run 1" in workspace.run("cancel 1 --id unsafe --dry-run")
    workspace.run("cancel 1 --id unsafe --yes")
    assert workspace.counts() == {"succeeded": 2, "cancelled": 1}


def test_jobs_that_failed_for_a_flaw_can_be_chosen_by_it(workspace: Workspace) -> None:
    """With --fail-on; another model for them is validated, and keeps what it does not take."""
    cut = {"model": "grok-4.3", "prompt": "x", "max_completion_tokens": 2}
    workspace.write({"id": "a", **cut}, {"id": "b", **cut, "reasoning_effort": "low"})
    workspace.run(f"{RUN} --fail-on length", 1)
    assert "would send 2 jobs" in workspace.run("retry 1 --flaw length --dry-run")
    workspace.run("retry 1 --flaw length --set-model grok-4 --yes")
    assert "warning: grok-4 (grok-4-0709) was retired" in workspace.stderr
    assert "1 job stays as it is, since grok-4 does not take the body:\n  b: grok-4" in workspace.stderr
    assert "[effort-rejected]" in workspace.stderr
    assert workspace.counts() == {"failed": 1, "unfinished": 1}
    workspace.run("retry 1 --id b --set-model grok-4 --yes", 2)
    assert "grok-4 takes none of these 1 job" in workspace.stderr
