"""`runner set`: options of a run in any state, at once; what was said stays until it is named again."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from actors import ANN, trail_of
from run_driver import new_run
from sqlalchemy import text
from test_commands import GOOD, Place

from runner.cli.render.runs.option_text import option_text
from runner.cli.session.following.run_state import RunRemoved
from runner.cli.session.steering.change_options import change_options
from runner.db.runs import removal
from runner.db.session import Database
from runner.rules.states import RunState

if TYPE_CHECKING:
    from pathlib import Path

USD = 10**10
KEY = "xai-0123456789abcdef"


@pytest.fixture(scope="session")
def answered_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of three jobs at work: answered, failed, waiting."""
    folder = tmp_path_factory.mktemp("answered")
    Place(folder).answered()
    return folder


@pytest.fixture
def place(answered_once: Path, tmp_path: Path) -> Place:
    """Return a copy of that folder."""
    return Place(shutil.copytree(answered_once, tmp_path / "place"))


def options(place: Place) -> dict[str, Any]:
    """Return the options in force, as `status` shows them."""
    found: dict[str, Any] = json.loads(place.call("status 1 --json").stdout)["options"]
    return found


def test_old_and_new_values_are_printed(place: Place) -> None:
    """For each named option; others stay as they were."""
    first = place.call("set 1 --rpm 3000 --budget 5 --fail-on length,empty --on-end 'echo x'")
    again = place.call("set jobs --rpm 60 --budget 5 --max-attempts 7 --fail-on none --on-end none")

    assert (first.code, again.code) == (0, 0)
    assert first.stdout.splitlines() == [
        "rpm not set -> 3,000",
        "budget none -> $5.00",
        "fail-on none -> length,empty",
        "on-end none -> echo x",
    ]
    assert again.stdout.splitlines() == [
        "rpm 3,000 -> 60",
        "budget $5.00 (unchanged)",
        "max-attempts 5 -> 7",
        "fail-on length,empty -> none",
        "on-end echo x -> none",
    ]
    assert options(place) == {
        "rpm": 60, "tpm": None, "budget_ticks": 5 * USD, "limit": None, "max_waiting": 50_000,
        "max_attempts": 7, "max_failures": None, "fail_on": [], "on_ambiguous": "resubmit", "on_end": None,
    }  # fmt: skip


def test_every_option_can_be_set_and_taken_away(place: Place) -> None:
    """`none` takes a bound away; it is then as if it had never been named, save that a rate is `none`."""
    place.call(
        "set 1 --rpm 1 --tpm 2 --budget 3 --max-waiting 4 --max-attempts 5 --max-failures 6"
        " --fail-on refusal --on-ambiguous hold --on-end true"
    )
    assert options(place) == {
        "rpm": 1, "tpm": 2, "budget_ticks": 3 * USD, "limit": None, "max_waiting": 4, "max_attempts": 5,
        "max_failures": 6, "fail_on": ["refusal"], "on_ambiguous": "hold", "on_end": "true",
    }  # fmt: skip

    place.call("set 1 --rpm none --tpm none --budget none --max-failures none --fail-on none --on-end none")
    assert options(place) == {
        "rpm": 0, "tpm": 0, "budget_ticks": None, "limit": None, "max_waiting": 4, "max_attempts": 5,
        "max_failures": None, "fail_on": [], "on_ambiguous": "hold", "on_end": None,
    }  # fmt: skip


def test_without_an_option_those_in_force_are_shown(place: Place) -> None:
    """What a flag or `set` gave is marked; nothing is changed, and no event is left."""
    place.call("set 1 --rpm none --budget 5 --max-attempts 5 --fail-on length,empty")
    before, events = options(place), place.call("events").stdout
    shown, as_json = place.call("set jobs"), place.call("set 1 --json")

    assert shown.code == 0
    assert shown.stdout.splitlines() == [
        "rpm           none          given",
        "tpm           not set       default",
        "budget        $5.00         given",
        "limit         none          default",
        "max-waiting   50,000        default",
        "max-attempts  5             default",
        "max-failures  none          default",
        "fail-on       length,empty  given",
        "on-ambiguous  resubmit      default",
        "on-end        none          default",
    ]
    assert json.loads(as_json.stdout) == before == options(place)
    assert place.call("set 1 -q").output == ""
    assert place.call("events").stdout == events


def test_a_dry_run_changes_nothing(place: Place) -> None:
    """It prints the same lines, as what it would do."""
    before = options(place)
    done = place.call("set 1 --rpm 60 --max-attempts 5 --dry-run")
    as_json = json.loads(place.call("set 1 --rpm 60 --max-attempts 5 --dry-run --json").stdout)

    assert done.stdout.splitlines() == ["would set rpm not set -> 60", "would set max-attempts 5 (unchanged)"]
    assert (as_json["done"], as_json["changed"]) == (False, [{"name": "rpm", "old": None, "new": 60}])
    assert options(place) == before


def test_the_object_has_what_changed(place: Place) -> None:
    """And all options that are in force then."""
    found = json.loads(place.call("set 1 --rpm 60 --max-attempts 5 --json").stdout)

    assert {
        "run": 1,
        "name": "jobs",
        "state": "running",
        "paused_by": None,
        "done": True,
    }.items() <= found.items()
    assert found["changed"] == [{"name": "rpm", "old": None, "new": 60}]
    assert found["unchanged"] == ["max_attempts"]
    assert found["options"] == options(place)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("set", "error: which run?"),
        ("set 1 --reason because", "error: nothing to set"),
        ("set 9 --rpm 5", "error: there is no run 9"),
        ("set '' --rpm 5", 'error: there is no run ""\n'),
        (f"set {'n' * 10_000} --rpm 5", f"error: there is no run {'n' * 79}…\n"),
        ("set 1 --rpm 0", "'0' is neither a number from 1 up nor none"),
        ("set 1 --budget -1", "is no amount in US dollars"),
        ("set 1 --fail-on short", "'short' is none of length, refusal, empty"),
        ("set 1 --max-attempts none", "'none' is no"),
    ],
)
def test_what_cannot_be_set_is_refused(place: Place, words: str, what: str) -> None:
    """In a sentence, and nothing is changed."""
    before = options(place)
    done = place.call(words)

    assert done.code == 2
    assert what in done.stderr
    assert options(place) == before


def test_a_value_that_a_run_has_already_leaves_no_event(place: Place) -> None:
    """Only a change does: the trail says who changed what, and here nobody did."""
    for _ in range(2):
        assert place.call("set 1 --rpm 60").code == 0
    database = Database(f"sqlite:///{place.home / 'runner.db'}")
    trail = trail_of(database)
    database.close()

    assert [(found.old, found.new) for found in trail if found.kind == "set"] == [
        ({"rpm": None}, {"rpm": 60})
    ]


def test_a_budget_needs_the_price_of_every_model(tmp_path: Path) -> None:
    """As where a run is started."""
    place = Place(tmp_path)
    place.write("jobs.jsonl", GOOD.replace("grok-4.3", "unpriced-1") % (1, 1))
    place.call("load jobs.jsonl")

    assert "nobody knows that of unpriced-1" in place.call("set 1 --budget 5").stderr


def test_a_budget_below_what_is_spent_pauses_the_run(place: Place) -> None:
    """With one event of the command, and a pause that has a cause; a larger one does not resume it."""
    planned = place.call("set 1 --budget 0.0000000001 --dry-run")
    lowered = place.call("set 1 --budget 0.0000000001 --reason 'too dear'")
    database = Database(f"sqlite:///{place.home / 'runner.db'}")
    trail = trail_of(database)
    database.close()

    assert planned.stderr == "note: run 1 has used <$0.0001 already; this would pause it\n"
    assert "run 1 is paused now: " in lowered.stderr
    assert "note:" not in lowered.stderr
    assert "to continue: runner resume 1 --budget USD" in lowered.stderr
    assert [(found.kind, found.reason) for found in trail][-1] == ("set", "too dear")
    assert json.loads(place.call("status 1 --json").stdout)["paused_by"] == "budget"
    still_low = place.call("set 1 --budget 0.00000001").stderr
    assert still_low.startswith(
        "note: run 1 has used <$0.0001 already; nothing more is sent under this budget\n"
    )
    raised = place.call("set 1 --budget 20")
    assert "note:" not in raised.stderr
    assert "run 1 stays paused (budget); to continue: runner resume 1" in raised.stderr
    assert json.loads(place.call("status 1 --json").stdout)["state"] == "paused"


def test_a_run_whose_budget_was_taken_away_is_resumed_without_one(place: Place) -> None:
    """`set`, `status` and `resume --all` name the same command."""
    place.call("set 1 --budget 0.0000000001")
    assert place.call("status 1").stdout.endswith("runner resume 1 --budget USD\n")
    assert "to continue: runner resume 1\n" in place.call("set 1 --budget none").stderr

    assert place.call("status 1").stdout.endswith("runner resume 1\n")
    left = json.loads(place.call("resume --all --json").stdout)["left"]
    assert [run["command"] for run in left] == ["runner resume 1"]


def test_a_run_whose_budget_was_raised_is_resumed_without_another(place: Place) -> None:
    """What its budget is now stands beside the cause; one that is used up needs another still."""
    place.call("set 1 --budget 0.0000000001")
    place.call("set 1 --rpm 60")
    assert "then:\n    runner resume 1 --budget USD\n" in place.call("status 1").stdout

    small = place.call("set 1 --budget 0.0000000002")
    assert "(budget); to continue: runner resume 1 --budget USD\n" in small.stderr
    large = place.call("set 1 --budget 20")
    assert "(budget); to continue: runner resume 1\n" in large.stderr
    status = " ".join(place.call("status 1").stdout.split())
    assert "are used; its budget is $20.00 now; " in status
    assert "; to continue: runner resume 1 " in status
    assert "--budget" not in status
    left = json.loads(place.call("resume --all --json").stdout)["left"]
    assert [run["command"] for run in left] == ["runner resume 1"]


def test_a_run_in_any_state_can_be_changed(place: Place) -> None:
    """A cancelled one, too: its options hold when jobs of it are sent again."""
    place.call("cancel 1 --now --yes")
    assert json.loads(place.call("status 1 --json").stdout)["state"] == "cancelled"

    assert place.call("set 1 --rpm 60").stdout == "rpm not set -> 60\n"


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_run_that_is_removed_meanwhile_is_not_changed(database: Database, *, is_gone: bool) -> None:
    """Another command may begin with that, or end it, after this one has found the run."""
    run_id = new_run(database, 1).run_id
    with database.write() as connection:
        connection.execute(text("UPDATE runs SET state = 'ready'"))
        assert removal.begin(connection, run_id, RunState.READY)
    if is_gone:
        removal.remove(database, run_id)

    with pytest.raises(RunRemoved):
        change_options(database, ANN, run_id, {"rpm": 60})

    assert trail_of(database) == []


def test_a_command_of_the_user_is_shown_without_secrets(place: Place) -> None:
    """In the text, in the object, and in the trail."""
    for words in ("set 1 --on-end", "set 1 --json --on-end"):
        done = place.call(f"{words} 'curl {KEY} https://u:pass{len(words)}@h'")
        assert done.code == 0
        assert KEY not in done.output
        assert "pass1" not in done.output
    assert KEY not in json.dumps(options(place))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("rpm", None, "not set"),
        ("rpm", 0, "none"),
        ("tpm", 2_000_000, "2,000,000"),
        ("budget_ticks", 5 * USD, "$5.00"),
        ("budget_ticks", None, "none"),
        ("fail_on", (), "none"),
        ("fail_on", ["length", "empty"], "length,empty"),
        ("on_end", "a\x1b[31m\nb", "a\\x1b[31m b"),
        ("on_ambiguous", "hold", "hold"),
    ],
)
def test_values_as_text(name: str, value: Any, shown: str) -> None:
    """Numbers have separators, money is dollars, and no text is obeyed."""
    assert option_text(name, value) == shown
