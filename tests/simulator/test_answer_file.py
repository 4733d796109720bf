"""Answers of `--answers`: which question they are for, how often each is given, and what changes that."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from simulator_thread import CHAT, KEY, SimulatorThread

from runner.simulator.answer_draws import random_bytes
from runner.simulator.answer_file import AnswerFile, AnswerFileError, PossibleAnswers, read_answer_file
from runner.simulator.command import command

SUM: dict[str, Any] = {"text": "How much is 2 + 3?", "answers": {"five": 0.8, "six": 0.15, "seven": 0.05}}
HARD: dict[str, Any] = {"text": "How much is 2 + 3? Show each step.", "answers": {"long": 0.3, "short": 0.7}}
SURE: dict[str, Any] = {"text": "  Is water wet?\n", "answers": "yes"}
ASKED = 400
PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def write(folder: Path, *lines: Any) -> Path:
    """Write an answer file; a text is a line as it is."""
    path = folder / "answers.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8", errors="surrogatepass")
    return path


@pytest.fixture
def answers(tmp_path: Path) -> AnswerFile:
    return read_answer_file(write(tmp_path, "\ufeff", SUM, "", HARD, SURE))


def said(simulator: SimulatorThread, text: str, **fields: Any) -> str:
    """Return the text of an answer."""
    return str(simulator.completion(text, **fields)["choices"][0]["message"]["content"])


def share(simulator: SimulatorThread, wanted: str, text: str = SUM["text"], **fields: Any) -> float:
    """Return how often an answer is given to the same request."""
    return sum(said(simulator, text, **fields) == wanted for _ in range(ASKED)) / ASKED


def near(probability: float) -> Any:
    """Match a share that a binomial count misses once in two billion times: six standard deviations."""
    return pytest.approx(probability, abs=6 * math.sqrt(probability * (1 - probability) / ASKED) + 1e-9)


def test_a_question_is_found_exactly_or_as_the_longest_within_the_message(answers: AnswerFile) -> None:
    """Space around it does not matter; a message without a question of the file is answered as ever."""
    found = {
        text: (possible.right if (possible := answers.find(text)) else None)
        for text in (
            f" {SUM['text']} ",
            f"Answer briefly. {SUM['text']}",
            f"Q: {HARD['text']} A:",
            f"{SUM['text']} {SURE['text']}",
            "Is water wet?",
            "How much is 2 + 4?",
        )
    }
    assert list(found.values()) == ["five", "five", "long", "five", "yes", None]


def test_the_example_of_the_page_is_an_answer_file(tmp_path: Path) -> None:
    """docs/simulator.md, and the line in the help."""
    example = PAGE.split("```\n")[1]
    assert read_answer_file(write(tmp_path, example)).find("Q: How much is 2 + 3?") is not None
    line = next(line for line in CliRunner().invoke(command, "-h").output.splitlines() if '{"text"' in line)
    assert read_answer_file(write(tmp_path, line)).find("How much is 2 + 3?") is not None


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    """The simulator starts with the page's example, and takes the page's switches."""
    write(tmp_path, PAGE.split("```\n")[1])
    start, switch = (shlex.split(line) for line in PAGE.split("```sh\n")[1].split("\n```")[0].splitlines())
    assert start[:2] == ["runner", "simulate"]
    words = [sys.executable, "-m", "runner.simulator", *start[2:], "--port", "0"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[3].removesuffix("/v1")
            *_, method, address, _, body = switch
            assert (method, address) == ("POST", "http://127.0.0.1:8787/_switch")
            asked = urllib.request.Request(f"{url}/_switch", body.encode(), method=method)
            with urllib.request.urlopen(asked, timeout=60) as reply:
                shown = json.load(reply)
        finally:
            process.kill()
    assert json.loads(body).items() <= shown.items()


def test_the_same_request_gets_each_answer_with_its_probability(answers: AnswerFile) -> None:
    """Drawn again each time, and for each of three choices; a sure answer is always given."""
    with SimulatorThread(answers=answers, seed=11) as simulator:
        drawn = [said(simulator, SUM["text"]) for _ in range(ASKED)]
        for text, probability in SUM["answers"].items():
            assert drawn.count(text) / ASKED == near(probability)
        assert {said(simulator, "Is water wet?") for _ in range(20)} == {"yes"}
        three = [simulator.completion(SUM["text"], n=3)["choices"] for _ in range(60)]
        texts = {tuple(choice["message"]["content"] for choice in choices) for choices in three}
        assert len(texts) > 3
        assert "an answer to" in said(simulator, "How much is 2 + 4?")


def test_draws_of_one_question_are_independent_of_each_other(answers: AnswerFile) -> None:
    """A right answer makes the next one no likelier to be right; nor the second choice of a reply."""
    with SimulatorThread(answers=answers, seed=2) as simulator:
        right = [said(simulator, HARD["text"]) == "long" for _ in range(ASKED + 1)]
        pairs = [simulator.completion(HARD["text"], n=2)["choices"] for _ in range(ASKED)]
    both = [[choice["message"]["content"] == "long" for choice in pair] for pair in pairs]
    for first, second in ((right[:-1], right[1:]), ([a for a, _ in both], [b for _, b in both])):
        together = sum(a and b for a, b in zip(first, second, strict=True)) / ASKED
        assert together == near(0.3 * 0.3)


def test_a_seed_gives_the_same_answers_in_the_same_order(answers: AnswerFile) -> None:
    """Whatever else is asked in between; another seed gives others."""
    orders = []
    for seed, between in ((4, False), (4, True), (5, False)):
        with SimulatorThread(answers=answers, seed=seed) as simulator:
            drawn = []
            for number in range(40):
                if between:
                    said(simulator, f"{HARD['text']} {number}")
                drawn.append(said(simulator, SUM["text"]))
            orders.append(drawn)
    assert orders[0] == orders[1] != orders[2]


def test_the_first_draw_of_a_body_is_that_of_its_hash_alone() -> None:
    """So that a run whose requests are all accepted once is the same as without repeats."""
    sha = hashlib.sha256(b"{}").digest()
    drawn = [random_bytes(b"seed", sha, accepted) for accepted in range(300)]
    assert drawn[0] == hashlib.blake2b(sha, key=b"seed", digest_size=32).digest()
    assert len(set(drawn)) == 300


def test_a_request_that_is_refused_is_no_draw(answers: AnswerFile) -> None:
    """Only what is accepted counts: refusals in between change no answer."""
    orders = []
    for refusals in (0, 3):
        with SimulatorThread(answers=answers, seed=8) as simulator:
            drawn = []
            for _ in range(30):
                simulator.switch(faults={"submit:503": 1.0})
                assert [simulator.submit(SUM["text"]).status for _ in range(refusals)] == [503] * refusals
                simulator.switch(faults={})
                drawn.append(said(simulator, SUM["text"]))
            orders.append(drawn)
    assert orders[0] == orders[1]


def test_switches_change_the_probability_of_the_right_answer(answers: AnswerFile) -> None:
    """skill sets it for all questions, shift is added, within 0 and 1; wrong ones keep their proportions."""
    with SimulatorThread(answers=answers, seed=3) as simulator:
        simulator.switch(shift=-0.2)
        assert share(simulator, "five") == near(0.6)
        assert share(simulator, "long", HARD["text"]) == near(0.1)
        simulator.switch(skill=0.5, shift=0)
        assert share(simulator, "long", HARD["text"]) == near(0.5)
        simulator.switch(skill=0.5, shift=0.25)
        assert share(simulator, "five") == near(0.75)
        simulator.switch(skill=0)
        simulator.switch(shift=-1)
        assert share(simulator, "six") == near(0.75)
        simulator.switch(skill=None, shift=1)
        assert {said(simulator, SUM["text"]) for _ in range(60)} == {"five"}
        simulator.switch(shift=0)
        assert share(simulator, "five") == near(0.8)


def test_skill_and_shift_may_be_set_at_the_start(answers: AnswerFile) -> None:
    """As the switches show."""
    with SimulatorThread(answers=answers, skill=1.0, shift=-0.5, fingerprint="fp_new") as simulator:
        shown = simulator.call("GET", "/_switch").json
        assert (shown["skill"], shown["shift"], shown["fingerprint"]) == (1.0, -0.5, "fp_new")
        assert share(simulator, "long", HARD["text"]) == near(0.5)


@given(
    st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=5),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1),
)
def test_a_pick_is_one_of_the_answers(answers: dict[str, float], fraction: float, right: float) -> None:
    """At every place, also where the file gives all wrong answers no probability."""
    picked = PossibleAnswers(answers).pick(fraction, right)
    assert picked in answers
    assert (picked == next(iter(answers))) == (fraction < right or len(answers) == 1)


def test_the_fingerprint_is_that_of_the_time_of_acceptance() -> None:
    """Of answers accepted after a change; any text can be one; null is the model's own again."""
    with SimulatorThread() as simulator:
        usual = simulator.completion()["system_fingerprint"]
        before = simulator.submit_id()
        hostile = 'fp"\\\n\x1b[31m::error::é'
        simulator.switch(fingerprint=hostile)
        after = simulator.submit_id()
        assert simulator.fetch(before).json["system_fingerprint"] == usual
        assert simulator.fetch(after).json["system_fingerprint"] == hostile
        streamed = simulator.submit(deferred=False, stream=True).raw
        assert json.loads(streamed.split(b"\n")[0][6:])["system_fingerprint"] == hostile
        simulator.switch(fingerprint=None)
        assert simulator.completion()["system_fingerprint"] == usual


@pytest.mark.parametrize(
    "change",
    [
        *({"skill": value} for value in (1.1, -0.1, "0.5", True)),
        *({"shift": value} for value in (1.1, -1.1, None, False)),
        {"fingerprint": 7},
    ],
)
def test_an_impossible_switch_is_refused(change: dict[str, Any]) -> None:
    """400 with its name, and nothing changes."""
    with SimulatorThread() as simulator:
        before = simulator.call("GET", "/_switch").json
        reply = simulator.switch(**change)
        assert reply.status == 400
        assert next(iter(change)) in reply.json["error"]
        assert simulator.call("GET", "/_switch").json == before


def test_the_usage_and_the_price_are_those_of_the_given_answer(answers: AnswerFile) -> None:
    """The books agree with what was fetched, to the tick; a cap cuts the answer."""
    with SimulatorThread(answers=answers) as simulator:
        usages = [simulator.completion(SUM["text"])["usage"] for _ in range(30)]
        books = simulator.books()
        assert books["ticks_fetched"] == sum(usage["cost_in_usd_ticks"] for usage in usages)
        assert {usage["completion_tokens"] for usage in usages} <= {1, 2}
        assert books["duplicates"] == 29
        cut = simulator.completion(HARD["text"], max_completion_tokens=1)["choices"][0]
        assert cut["finish_reason"] == "length"
        assert cut["message"]["content"] in {"long", "shor"}


def test_requests_are_as_strictly_checked_as_without_answers(answers: AnswerFile) -> None:
    """A question of the file helps no bad request; tools, refusals and empty answers come first."""
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    with SimulatorThread(answers=answers) as simulator:
        assert simulator.submit("Is water wet?", temperature=9).status == 400
        assert simulator.submit("Is water wet? [simulate:safety]").status == 403
        assert said(simulator, "Is water wet? [simulate:empty]") == ""
        assert simulator.completion("Is water wet? [simulate:refusal]")["choices"][0]["message"]["refusal"]
        called = simulator.completion("Is water wet?", tools=[tool])["choices"][0]
        assert called["finish_reason"] == "tool_calls"


def test_an_answer_is_given_as_it_is_to_a_schema(tmp_path: Path) -> None:
    """Also where faults of schema answers are drawn: they are for answers that are made."""
    label = '{"mood":"good"}'
    given = read_answer_file(write(tmp_path, {"text": "Fine.", "answers": label}))
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
    asked = {"type": "json_schema", "json_schema": {"name": "m", "schema": schema, "strict": True}}
    with SimulatorThread(answers=given, faults={"invalid": 1.0}) as simulator:
        assert said(simulator, "Row 7: Fine.", response_format=asked) == label
        assert simulator.books()["faults"] == {}


def test_requests_in_chunks_are_answered_the_same(answers: AnswerFile) -> None:
    """Same file, same draws."""
    body = {"model": "grok-4", "messages": [{"role": "user", "content": SUM["text"]}]}
    raw = json.dumps(body).encode()
    drawn = []
    for chunked in (False, True):
        with SimulatorThread(answers=answers, seed=6) as simulator:
            texts = []
            for _ in range(20):
                reply = _post_in_chunks(simulator, raw) if chunked else simulator.call("POST", CHAT, raw).json
                texts.append(reply["choices"][0]["message"]["content"])
            drawn.append(texts)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 1


def _post_in_chunks(simulator: SimulatorThread, raw: bytes) -> Any:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", simulator.server.port, timeout=60)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", CHAT, iter((raw[:9], raw[9:])), headers, encode_chunked=True)
    reply = json.loads(connection.getresponse().read())
    connection.close()
    return reply


BAD = [
    ("{", "line 2: no JSON at column 2"),
    ("[]", "line 2: an object with the keys text and answers is expected"),
    ({"text": "a"}, "line 2: an object with the keys"),
    ({"text": "a", "answers": "b", "answer": 1}, "line 2: an object with the keys"),
    ({"text": " ", "answers": "b"}, "line 2: text is no text, or empty"),
    ({"text": 5, "answers": "b"}, "line 2: text is no text, or empty"),
    ({"text": "a", "answers": {}}, "line 2: answers is a text, or an object"),
    ({"text": "a", "answers": ["b"]}, "line 2: answers is a text, or an object"),
    ({"text": "a", "answers": {"b": "1"}}, 'line 2: the probability of "b" is no number'),
    ({"text": "a", "answers": {"b": True}}, 'line 2: the probability of "b" is no number'),
    ({"text": "a", "answers": {"b": 1.5, "c": -0.5}}, 'line 2: the probability of "c" is no number'),
    ({"text": "a", "answers": {"b": 0.5, "c": 0.4}}, "line 2: the probabilities add up to 0.9, not 1"),
    ('{"text": "a", "answers": {"b": 1e999}}', "line 2: no JSON at column"),
    ({"text": "Is water wet?", "answers": "no"}, "line 2: line 1 has the same text"),
    ('{"text": "a", "answers": "\udc80"}', "line 2: no JSON at column"),
]


@pytest.mark.parametrize(
    ("line", "message"), BAD, ids=lambda value: str(value)[:40].encode("ascii", "replace")
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    """With its file, its number and what is wrong; the command ends with 2 and starts nothing."""
    path = write(tmp_path, SURE, line)
    with pytest.raises(AnswerFileError) as error:
        read_answer_file(path)
    assert str(error.value).startswith(f"{path}, {message}")
    done = CliRunner().invoke(command, ("--answers", str(path)))
    assert (done.exit_code, "--answers" in done.output) == (2, True)


def test_an_empty_or_missing_file_and_a_switch_without_one_are_usage_errors(tmp_path: Path) -> None:
    """Exit code 2, and the file is named."""
    (tmp_path / "empty.jsonl").write_text("\n")
    for words, message in (
        (("--answers", str(tmp_path / "empty.jsonl")), "has no questions"),
        (("--answers", str(tmp_path / "none.jsonl")), "No such file"),
        (("--skill", "0.5"), "--answers FILE"),
        (("--shift", "-0.5"), "--answers FILE"),
        (("--shift", "-2"), "-1<=x<=1"),
        (("--shift", "1e-1"), "no number"),
    ):
        done = CliRunner().invoke(command, words)
        assert done.exit_code == 2
        assert message in done.output
