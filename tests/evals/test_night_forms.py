"""A night says the same in every form, and no text of a stranger does anything in one."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace
from night_reports import HOSTILE, REPORTS, brief, change, gate, grader, hostile, many_items, report
from rich.cells import cell_len

from runner.cli.render.nights.night_items_object import night_items_object
from runner.cli.render.nights.night_lines import night_items_lines, night_lines
from runner.cli.render.nights.night_regraded import regraded_lines, regraded_night
from runner.rules.evaluation.forms.inert_markdown import code_span, inert
from runner.rules.evaluation.forms.items_csv import HEADINGS, ItemLine, items_csv
from runner.rules.evaluation.forms.night_junit import night_junit
from runner.rules.evaluation.forms.night_markdown import night_markdown
from runner.rules.evaluation.forms.night_words import VERDICT_WORDS, items_words
from runner.rules.evaluation.forms.score_words import (
    chance_words,
    change_words,
    item_words,
    score_words,
    unscored_words,
)
from runner.rules.evaluation.report.night_report import ItemReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

    from runner.rules.evaluation.report.night_report import NightReport

WIDTH: Final = 80
PIECES: Final = (
    *(
        "<b>",
        "|",
        "`",
        "``",
        "[a](b)",
        "![a](b)",
        "@me",
        "#1",
        "http://a.example",
        "WWW.a.example",
        "a@b.example",
    ),
    *(
        "*",
        "**",
        "_a_",
        "~~",
        "\\",
        "\\|",
        "&lt;",
        "&#64;",
        "\n",
        "\r\n- ",
        "\n# ",
        "$x$",
        "::error::",
        "\x1b[31m",
    ),
    *(
        "\ud800",
        "\udfff",
        "\x00",
        "\ufffe",
        "\u202e",
        "]]>",
        '"',
        "'",
        "=1",
        "\t",
        "\u3000",
        "漢字",
        "Z\u0301",
        "👩‍👧",
    ),
)
TEXTS: Final = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=30).map("".join)
HARMLESS: Final = {
    *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "code_inline"),
    *(
        "bullet_list_open",
        "bullet_list_close",
        "list_item_open",
        "list_item_close",
        "strong_open",
        "strong_close",
    ),
    *(f"{name}_{end}" for name in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")),
}
ACTIVE: Final = re.compile(r"@\w|#\w|://|www\.", re.IGNORECASE)
MARKDOWN: Final = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
every_report = pytest.mark.parametrize("night", REPORTS.values(), ids=list(REPORTS))


def is_plain(text: str) -> bool:
    """Return whether a text has no character that controls a terminal or the direction of text."""
    return all(char.isprintable() or char in "\n\u200c\u200d\u00a0\u3000" for char in text)


def tokens(markdown: str) -> Iterator[Token]:
    """Yield what a page is made of."""
    for token in MARKDOWN.parse(markdown):
        yield token
        yield from token.children or ()


def written(text: str) -> str:
    """Return the text of a page outside of code, as a reader sees it."""
    return "\n".join(token.content for token in tokens(text) if token.type == "text")


def check_screen(night: NightReport) -> None:
    """Check what holds for the screen of each report."""
    lines = [*night_lines(night), *night_items_lines(night, night.items.changes)]
    assert all(cell_len(line) <= WIDTH for line in lines)
    assert all(is_plain(line) and "\n" not in line for line in lines)
    assert not any(line.endswith(" ") for line in lines)
    head = " ".join(line for line in lines[: [line.startswith("  ") for line in lines].index(True)])
    assert head.endswith(f"{VERDICT_WORDS[night.verdict]} (exit {night.exit_code})")


def check_markdown(night: NightReport) -> None:
    """Check what holds for the page of each report."""
    page = night_markdown(night)
    assert is_plain(page)
    found = list(tokens(page))
    assert {token.type for token in found} <= HARMLESS
    assert sum(token.type == "heading_open" for token in found) == 1
    assert not ACTIVE.search(written(page))
    assert page.splitlines()[0].endswith(f": {VERDICT_WORDS[night.verdict]} (exit {night.exit_code})")
    rows: list[int] = []
    for token in found:
        if token.type == "tr_open":
            rows.append(0)
        elif token.type in ("th_open", "td_open"):
            rows[-1] += 1
    bars = [len(re.findall(r"(?<!\\)\|", line)) - 1 for line in page.splitlines() if line.startswith("| ")]
    assert rows == [n for n, line in zip(bars, tables(page), strict=True) if not line.startswith("| ---")]


def tables(page: str) -> list[str]:
    """Return the lines of tables."""
    return [line for line in page.splitlines() if line.startswith("| ")]


def check_junit(night: NightReport) -> None:
    """Check what holds for the XML of each report."""
    text = night_junit(night)
    assert is_plain(text)
    suites = ET.fromstring(text.encode())
    (suite,) = suites
    cases = suite.findall("testcase")
    assert {element.tag for element in suites.iter()} <= {
        *("testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped")
    }
    for element in (suites, suite):
        assert int(element.attrib["tests"]) == len(cases)
        for name, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(element.attrib[attribute]) == len(suite.findall(f"testcase/{name}"))
    is_red = bool(suite.findall("testcase/failure") or suite.findall("testcase/error"))
    assert is_red == bool(night.exit_code)
    assert bool(suite.findall("testcase/failure")) == (night.verdict == "regressed")
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(set(names)) == len(names)
    facts = {element.attrib["name"]: element.attrib["value"] for element in suite.iter("property")}
    assert (facts["verdict"], facts["exit_code"]) == (night.verdict, str(night.exit_code))


@every_report
def test_every_form_of_every_night_holds(night: NightReport) -> None:
    """At most 80 columns, no control characters, nothing active, and one verdict with its exit code."""
    check_screen(night)
    check_markdown(night)
    check_junit(night)


@given(TEXTS)
def test_no_text_of_a_stranger_does_anything(text: str) -> None:
    """Whatever text stands in all the places that a stranger may choose."""
    night = hostile(text)
    check_screen(night)
    check_markdown(night)
    check_junit(night)


@given(TEXTS)
def test_inert_text_is_shown_as_it_is(text: str) -> None:
    """On one line; only spaces without width are added, and control characters are escapes."""
    shown = written(f"x {inert(text)} y").replace("\u200b", "")
    assert shown == f"x {inert_source(text)} y"
    assert not ACTIVE.search(written(f"x {inert(text)} y"))


def inert_source(text: str) -> str:
    """Return what a reader is to see of a text."""
    words = " ".join(text.split())
    return "".join(
        char
        if char.isprintable() or char in "\u200c\u200d\u00a0\u3000"
        else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in words
    )


def test_ordinary_names_stay_readable() -> None:
    """Also in the file itself."""
    assert inert("fp_9c1 of grok-4.3, 81.2 % (77.6 to 84.4)") == "fp_9c1 of grok-4.3, 81.2 % (77.6 to 84.4)"
    assert inert("_a_b_ __init__ a__b") == "&#95;a_b&#95; &#95;&#95;init&#95;&#95; a&#95;&#95;b"


def test_a_cause_is_looked_for_where_a_score_fell() -> None:
    """That nothing is known to differ is said then, and not where a mean is below its floor."""
    assert any(
        line.startswith("  cause?    nothing is known") for line in night_lines(REPORTS["two variants"])
    )
    assert not any("cause?" in line for line in night_lines(REPORTS["below the floor"]))


@given(TEXTS)
def test_code_is_shown_as_it_is(text: str) -> None:
    """Backticks in it do not end it."""
    found = [
        token.content for token in tokens(f"x {code_span(f'a {text} b')} y") if token.type == "code_inline"
    ]
    assert found == [inert_source(f"a {text} b")]


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "hostile"])
def test_a_screen_needs_no_characters_beside_ascii(name: str) -> None:
    """A terminal of the C locale shows it as it is."""
    assert all(line.isascii() for line in night_lines(REPORTS[name]))


def test_that_there_is_no_baseline_is_said_once() -> None:
    """Not at each grader; but at one that alone has none."""
    words = "not compared yet"
    night = REPORTS["first night"]
    assert len(night.graders) > 1
    for form in ("\n".join(night_lines(night)), night_markdown(night)):
        assert form.count(words) == 1
    new = replace(night, graders=[grader(), *night.graders[1:]])
    assert "\n".join(night_lines(new)).count(words) == len(new.graders) - 1


def test_a_night_that_is_graded_again_says_what_it_was() -> None:
    """Score and verdict before, where they differ; why, where the verdict does; in 80 columns."""
    passed = regraded_lines(regraded_night("passed", 0.85, REPORTS["passed"]))
    outage = regraded_lines(regraded_night("passed", None, REPORTS["outage"]))

    assert passed == ["support-answers@2026-11-28  85.0 %; passed"]
    assert outage == [
        "support-answers@2026-11-28  84.0 %, was no score; no verdict, was passed",
        "  96 of 120 answers have a score (80.0 %), 98 % are needed; lost:",
        "  service_unavailable 23, expired 1",
    ]


def test_items_of_several_variants_count_in_each() -> None:
    """Else more items could be worse than there are. Where nothing was compared, none is worse or better."""
    two = replace(REPORTS["passed"], graders=[grader(variant="a"), grader(variant="b"), brief(variant="a")])
    uncompared = replace(two, graders=[grader(change=None)])

    assert items_words(two) == "4 worse, 5 better, of 80 (40 x 2 variants)"
    assert items_words(uncompared) == "40"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "first night",
            ["  correct   85.0 % (77.5 to 90.3), not compared yet", "  items     40"],
        ),
        (
            "regressed",
            [
                "support-answers, night 2026-11-28: REGRESSED (exit 10)",
                "            against 14 nights; p 0.002, measured twice; a drop this large by",
                "            chance: once in 590 nights",
                "  measured  240 of 240 answers; 4 refused (was 0); 11 cut (was 1)",
                "            grok-4.3 as fp_9c1: 188 answers, 02:14 to 02:21 UTC (new)",
                "  cause?    188 of 240 answers come as fp_9c1 since 02:14 UTC (before: fp_7aa)",
                "  items     17 worse, 4 better, of 40",
                "            refund-12: 0/6, was 41/42",
                "            all: runner compare support-answers@2026-11-28 --items",
                "  cost      $0.6310 for 240 requests; up to $0.0026 more is uncertain",
            ],
        ),
        (
            "passed",
            [
                "            no change seen; 4.1 points would have been",
                "  measured  120 of 120 answers; 1 cut",
            ],
        ),
        ("outage", ["  measured  96 of 120 answers; 24 lost (service_unavailable 23, expired 1); 1"]),
        (
            "below the floor",
            ["  gate      no-worse of brief: NOT PROVEN: +0.6 points (-1.2 to +2.4) against 14"],
        ),
        (
            "two variants",
            ["  variant   long", "  variant   short", "            refund-12 (short): 0.08, was 0.91"],
        ),
        ("provisional", ["            than 7 nights"]),
    ],
)
def test_the_screen_says_what_matters(name: str, lines: list[str]) -> None:
    """These lines of it, in this order."""
    shown = night_lines(REPORTS[name])
    assert [line for line in shown if line in lines] == lines


def reason_lines(name: str) -> list[str]:
    """Return the lines of a screen that are about gates."""
    return [line.strip() for line in night_lines(REPORTS[name]) if re.match("  (why|gate) ", line)]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("passed", []),
        ("regressed", []),
        ("two variants", []),
        ("first night", ["why       no-drop of correct: 0 of 3 nights"]),
        ("measure again", ["why       no-drop of correct: -5.1 points"]),
        ("no budget", ["why       no-drop of correct: -5.1 points"]),
        ("outage", ["why       measured: 96 of 120 answers"]),
        ("not proven", ["why       no-worse of correct: -0.4 points"]),
        (
            "below the floor",
            ["why       at-least of correct: 85.0 %", "gate      no-worse of brief: NOT PROVEN: "],
        ),
    ],
)
def test_what_stops_a_night_is_said_once(name: str, begins: list[str]) -> None:
    """By its score where that says it all; else with the name of the gate, the one that decides first."""
    found = reason_lines(name)
    assert len(found) == len(begins)
    assert all(line.startswith(begin) for line, begin in zip(found, begins, strict=True))


def test_a_night_that_was_cut_short_says_why_in_its_own_words() -> None:
    """No gate has decided it, whatever they say of the answers that came."""
    night = report("no_verdict", 11, reason="its run was cancelled", gates=[gate("no_verdict")])

    assert "  why       its run was cancelled" in night_lines(night)


def test_a_quiet_night_names_the_worst_item_alone() -> None:
    """Its items rose and fell by chance; those of a night that did not pass are a lead: five."""
    shown = {code: night_lines(replace(many_items(), exit_code=code)) for code in (0, 10)}

    assert [sum(", was " in line for line in lines) for lines in shown.values()] == [1, 5]


def test_the_score_that_moved_has_the_verdict() -> None:
    """So that it is seen which of several graders and variants it is."""
    found = [line for line in night_lines(REPORTS["two variants"])[1:] if "REGRESSED" in line]
    assert [line[:38] for line in found] == ["  correct   REGRESSED: 79.0 % (77.5 to"]


@pytest.mark.parametrize(
    ("changes", "gated", "words"),
    [
        ({}, {}, "no change seen; 4.1 points would have been"),
        ({"detectable": None}, {}, "no change seen"),
        ({}, {"is_repeated": True}, "measured twice; no change seen; 4.1 points would have been"),
        ({}, {"p": 0.004}, "p 0.004; a drop this large by chance: once in 250 nights"),
        ({}, {"p": 0.0}, "p < 0.001; a drop this large by chance: less than once in 1,000,000 nights"),
        (
            {},
            {"p": 0.031, "is_repeated": True},
            "p 0.031, measured twice; a drop this large by chance: once in 32 nights",
        ),
        (
            {"change": 0.05, "p_rise": 0.01},
            {"p": 0.99},
            "p 0.010; a rise this large by chance: once in 100 nights",
        ),
        (
            {"p_drop": 0.01, "p_adjusted": 0.02},
            None,
            "p 0.020; a drop this large by chance: once in 50 nights",
        ),
        ({"p_drop": 0.01}, None, "p 0.010; a drop this large by chance: once in 100 nights"),
    ],
)
def test_chance_is_said_in_nights(changes: dict[str, Any], gated: dict[str, Any] | None, words: str) -> None:
    """A drop by the gate's p, which knows the noise of nights; else by that of the score."""
    assert chance_words(change(**changes), None if gated is None else gate(**gated)) == words


def test_scores_are_percent_and_changes_points() -> None:
    """A change that rounds to nothing has no minus; without a score or a baseline there is a sentence."""
    assert score_words(grader(mean=None, low=None, high=None)) == "no answer has a score"
    assert score_words(grader(low=None)) == "85.0 %"
    small = change(change=-0.0001, low=-0.02, high=0.0, nights=1)
    assert change_words(small) == "+0.0 points (-2.0 to +0.0) against 1 night"
    assert change_words(None) == "not compared yet"
    assert chance_words(None, gate()) == ""


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ((3, 1.0, 42, 36.0), "1/3, was 36/42"),
        ((3, 1.5, 42, 36.0), "0.50, was 0.86"),
        ((0, 0.0, 0, 0.0), "0/0, was 0/0"),
        ((2, 0.5, 0, 0.0), "0.25, was 0.00"),
    ],
)
def test_an_item_has_counts_where_its_scores_are_whole(
    item: tuple[int, float, int, float], words: str
) -> None:
    """Else it has means."""
    answered, score, base_answers, base_score = item
    made = ItemReport(
        variant="", id="a", answers=answered, score=score, base_answers=base_answers, base_score=base_score
    )
    assert item_words(made) == words


def test_the_commonest_reason_without_a_score_is_named() -> None:
    """Else a file that is missing looks like wrong answers."""
    hung = replace(grader(), measured=110, unscored={"it took more than 5 s": 9, "it crashed": 1})

    assert unscored_words(hung).startswith(
        "110 of 120 answers scored (it took more than 5 s), with the others"
    )


def test_all_changed_items_are_listed_the_worst_first() -> None:
    """On the screen and in JSON; the screen says by how many points each differs."""
    night = many_items()
    mixed = [
        ItemReport(variant="", id=f"i{n}", answers=4, score=n % 5, base_answers=4, base_score=2)
        for n in range(5_000)
    ]
    lines = night_items_lines(night, mixed)
    assert lines[0] == "support-answers, night 2026-11-28: 2,000 items worse, 3,000 better"
    assert lines[1] == "  -50       i0: 0/4, was 2/4"
    assert lines[-1] == "  +50       i4999: 4/4, was 2/4"
    assert len(lines) == 5_001
    listed = night_items_object(night, mixed)
    assert [item.id for item in listed.items] == [line[12:].partition(":")[0] for line in lines[1:]]


def test_only_the_worst_items_are_on_the_first_screen() -> None:
    """However many differ, it stays one screen; the page has twenty of them."""
    assert len(night_lines(many_items())) < 24
    assert night_markdown(many_items()).count("| item-") == 20


def test_a_night_that_no_gate_explains_has_a_case_of_its_own() -> None:
    """The XML is never green where the exit code is not 0."""
    night = report("no_verdict", 11, reason="no answer came", gates=[])
    check_junit(night)
    assert 'name="night"' in night_junit(night)


def test_equal_gates_have_names_of_their_own() -> None:
    """CI joins test cases of one name."""
    found = re.findall(
        r'<testcase classname="[^"]*" name="([^"]*)"', night_junit(report(gates=[gate(), gate()]))
    )
    assert found == ["no-drop of correct", "no-drop of correct (2)"]


def csv_rows(lines: list[ItemLine]) -> list[list[str]]:
    """Return the cells of the file, as a reader of CSV sees them."""
    return list(csv.reader(io.StringIO("".join(items_csv(lines)))))


def test_the_items_are_a_table() -> None:
    """Sums of whole scores are whole numbers; what is not known is empty."""
    lines = [
        ItemLine("", "refund-12", "correct", 6, 6, 2.0, 42, 41.0, ("A", "B")),
        ItemLine("long", "a,b", "brief", 3, 0, None, None, None, ("", "", "")),
        ItemLine("long", 'say "a"', "brief", 3, 3, 1.25, 3, 0.1 + 0.2, ("no answer",)),
    ]
    assert csv_rows(lines) == [
        list(HEADINGS),
        ["", "refund-12", "correct", "6", "6", "2", "42", "41", "A; B"],
        ["long", "a,b", "brief", "3", "0", "", "", "", ""],
        ["long", 'say "a"', "brief", "3", "3", "1.25", "3", "0.30000000000000004", "no answer"],
    ]


@given(TEXTS)
def test_no_cell_of_an_item_is_a_formula(text: str) -> None:
    """And each item is one line, without control characters."""
    lines = [ItemLine(text, text, text, 1, 1, 0.5, None, None, (text, text))] * 2
    whole = "".join(items_csv(lines))
    assert is_plain(whole)
    assert len(whole.splitlines()) == 3
    for row in csv_rows(lines)[1:]:
        assert len(row) == len(HEADINGS)
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


def test_hostile_text_is_there_to_read() -> None:
    """It is made harmless, not left out."""
    assert "onerror" in "\n".join(night_lines(hostile()))
    assert "onerror" in night_markdown(hostile())
    assert "\x1b" in HOSTILE
