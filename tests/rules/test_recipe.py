"""Recipes: which keys and values they take, how flags change them, and what of them shapes requests."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.errors import UsageError
from runner.rules.recipes.recipe import (
    Ask,
    Out,
    Prompt,
    Recipe,
    RecipeFault,
    TableChoice,
    error_of_faults,
    recipe_faults,
)
from runner.rules.recipes.recipe_flags import FlagPaths, RecipeFlags, recipe_of_flags
from runner.rules.recipes.recipe_identity import RecipeTexts, canonical, canonical_sha256
from runner.rules.recipes.recipe_table import MADE_FIELDS, read_recipe
from runner.rules.recipes.recipe_toml import recipe_toml

WHOLE = """
recipe = 1
[table]
file = "reviews.csv"
id = "review_id"
where = "review|trim"
sample = 50
seed = 7
limit = 20
encoding = "latin-1"
delimiter = ";"
[prompt]
model = "grok-4.3"
system = "You label customer reviews."
user = "Product: {{ product }}\\n\\n{{ review }}"
image = "photo"
examples = "examples.csv"
set = { shop = "north", level = 3, strict = true }
[labels]
sentiment = "positive|neutral|negative"
topics = "[price|quality|service]"
[ask]
reask = 0
repair = false
[body]
temperature = 0
[out]
file = "labeled.parquet"
columns = ["cost"]
prefix = "llm_"
"""
NO_FILES = FlagPaths(lambda _: False)
TEXTS = RecipeTexts(model="m", system="s", user="{{ a }}", schema=b'{"b":1,"a":2}', instructions="i")


def read(text: str) -> tuple[Recipe, list[str]]:
    """Return the recipe of a TOML text, and its faults in words."""
    recipe, faults = read_recipe(tomllib.loads(text))
    return recipe, [str(fault) for fault in faults]


def test_a_whole_recipe_is_read() -> None:
    """Each key goes to its field."""
    recipe, faults = read(WHOLE)

    assert faults == []
    assert recipe == Recipe(
        table=TableChoice(
            file="reviews.csv", id="review_id", where="review|trim", sample=50, seed=7, limit=20,
            encoding="latin-1", delimiter=";",
        ),
        prompt=Prompt(
            model="grok-4.3", system="You label customer reviews.",
            user="Product: {{ product }}\n\n{{ review }}", image="photo", examples="examples.csv",
            constants={"shop": "north", "level": 3, "strict": True},
        ),
        labels={"sentiment": "positive|neutral|negative", "topics": "[price|quality|service]"},
        ask=Ask(reask=0, repair=False),
        body={"temperature": 0},
        out=Out(file="labeled.parquet", columns=("cost",), prefix="llm_"),
    )  # fmt: skip
    assert recipe.labels_text == "sentiment: positive|neutral|negative\ntopics: [price|quality|service]"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "recipe: the version is missing; write recipe = 1 on the first line"),
        ("recipe = 2", "recipe: version 2 is unknown; write recipe = 1"),
        ("recipe = true", "recipe: version True is unknown; write recipe = 1"),
        ("schemaa = 'x'", 'schemaa: this key does not exist; did you mean "schema"?'),
        ("[prmpt]", 'prmpt: this key does not exist; did you mean "prompt"?'),
        ("[prompt]\nsystemm = 'x'", 'prompt.systemm: this key does not exist; did you mean "system"?'),
        ("[table]\nreask = 1", "table.reask: this key does not exist; it belongs to [ask]"),
        ("[ask]\nx = 1", "ask.x: this key does not exist; use one of: reask, repair"),
        ("table = 3", "table: must be a table; write [table], and its keys on the lines below"),
        ("schema = 3", "schema: must be a text, not a whole number (3); write a text"),
        ("[table]\nfile = ''", "table.file: is empty; write it, or remove the key"),
        ("[prompt]\nuser = 'file:'", "prompt.user: is empty; write it, or remove the key"),
        ("[table]\nsample = 0", "table.sample: must be a whole number from 1, not a whole number (0);"),
        ("[table]\nlimit = true", "table.limit: must be a whole number from 1, not true or false;"),
        ("[table]\ndelimiter = ', '", "table.delimiter: must be one character;"),
        ("[ask]\nreask = 6", "ask.reask: must be a whole number from 0 to 5, not a whole number (6);"),
        ("[ask]\nrepair = 1", "ask.repair: must be true or false, not a whole number (1);"),
        ("[out]\ncolumns = 'cost'", "out.columns: must be a list of texts, not a text ('cost');"),
        ("[out]\ncolumns = [1]", "out.columns: must be a list of texts, not a list;"),
        ("[prompt.set]\na = [1]", "prompt.set.a: must be a text, a number or true or false, not a list;"),
        (
            "[prompt.set]\na = 1979-05-27",
            "prompt.set.a: must be a text, a number or true or false, not a date",
        ),
        ("labels = 'x'", "labels: must be a table, not a text ('x');"),
        ("[labels]\na = 3", "labels.a: must be a text, not a whole number (3);"),
        ("[labels]\na = ' '", "labels.a: must be a text, not a text (' ');"),
        ("[labels]\na = 'x|y; b: z'", "labels.a: has a line break, a semicolon or a colon;"),
        ("[body]\ntemperature = nan", "body.temperature: JSON has no a number (nan);"),
        ("[body]\na = { b = [1, 07:32:00] }", "body.a.b.1: JSON has no a date or time;"),
        (f"[body]\na = {'[' * 30}{']' * 30}", "is nested deeper than 20; flatten it"),
        ("[body]\na = 9223372036854775808", "body.a: JSON has no a whole number (9223372036854775808);"),
        *((f"[body]\n{name} = 1", f"body.{name}: this field is not for [body]; ") for name in MADE_FIELDS),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_its_cure(text: str, fault: str) -> None:
    """One fault each."""
    _, faults = read(text if text in ("", "recipe = 2", "recipe = true") else f"recipe = 1\n{text}")
    assert len(faults) == 1
    assert fault in faults[0]


def test_all_faults_are_found_in_one_pass() -> None:
    """The error shows twenty, and the number of the others."""
    _, faults = read_recipe({f"x{n}": 1 for n in range(30)})
    error = error_of_faults("r.toml", faults)

    assert (len(faults), len(error.where), error.exit_code) == (31, 21, 3)
    assert error.where[-1] == "… and 11 more"
    assert error.where[0].startswith("recipe: the version is missing")


@pytest.mark.parametrize(
    ("recipe", "keys"),
    [
        (Recipe(), ["prompt", "labels"]),
        (Recipe(prompt=Prompt(text="a"), schema="s"), []),
        (Recipe(prompt=Prompt(text="a", user="b"), schema="s", labels={"a": "b"}), ["prompt.user", "schema"]),
        (Recipe(prompt=Prompt(text="a"), schema="s", table=TableChoice(seed=1)), ["table.seed"]),
    ],
)
def test_what_is_missing_or_contradicts_itself(recipe: Recipe, keys: list[str]) -> None:
    """It is checked after the flags were applied."""
    assert [fault.key for fault in recipe_faults(recipe)] == keys


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda word: word != "file:"
)
LINES = WORDS.filter(lambda word: word.strip() and not set("\n;:") & set(word))
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    WORDS | NUMBERS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
COUNTS = st.none() | st.integers(1, 10**12)
TEXT = st.none() | WORDS
RECIPES = st.builds(
    Recipe,
    table=st.builds(
        TableChoice,
        file=TEXT, id=TEXT, where=TEXT, sample=COUNTS, seed=COUNTS, limit=COUNTS, encoding=TEXT,
        delimiter=st.none() | st.sampled_from(';\t"|\\'),
    ),
    prompt=st.builds(
        Prompt,
        model=TEXT, system=TEXT, user=TEXT, text=TEXT, image=TEXT, examples=TEXT,
        constants=st.dictionaries(WORDS, WORDS | NUMBERS | st.booleans(), max_size=3),
    ),
    labels=st.dictionaries(LINES, LINES, max_size=3),
    schema=TEXT,
    ask=st.builds(Ask, reask=st.integers(0, 5), repair=st.booleans()),
    body=st.dictionaries(WORDS.filter(lambda word: word not in MADE_FIELDS), VALUES, max_size=3),
    out=st.builds(Out, file=TEXT, columns=st.lists(WORDS, max_size=3).map(tuple), prefix=TEXT),
)  # fmt: skip


@given(RECIPES)
def test_a_recipe_that_was_written_is_read_as_itself(recipe: Recipe) -> None:
    """Quotes, line breaks, control characters and odd keys among it."""
    text = recipe_toml(recipe)
    assert read_recipe(tomllib.loads(text)) == (recipe, [])
    assert recipe_toml(recipe) == text


@pytest.mark.parametrize(
    "text", ['a\n"""', 'a\n"', "\n", "a\\\nb", 'a\n""""""', "a\r\nb", "\n\x7f\x00\t", "\u2028\n"]
)
def test_a_text_of_several_lines_is_kept(text: str) -> None:
    """It is written on several lines."""
    recipe = Recipe(prompt=Prompt(user=text))
    written = recipe_toml(recipe)
    assert 'user = """\n' in written
    assert read_recipe(tomllib.loads(written))[0] == recipe


def test_a_written_recipe_has_no_defaults() -> None:
    """It says what its author said."""
    recipe = Recipe(prompt=Prompt(text="review"), labels={"sentiment": "a|b"})
    assert recipe_toml(recipe) == ('recipe = 1\n\n[prompt]\ntext = "review"\n\n[labels]\nsentiment = "a|b"\n')


def test_flags_make_the_same_recipe() -> None:
    """What the example of a command and the file of it mean."""
    flags = RecipeFlags(
        table="reviews.csv",
        text="review",
        labels=("sentiment: positive|neutral|negative; stars: 1..5", "urgent : yes/no"),
        constants=("shop=a=b",),
        delimiter="\\t",
    )
    assert recipe_of_flags(flags, NO_FILES) == Recipe(
        table=TableChoice(file="reviews.csv", delimiter="\t"),
        prompt=Prompt(text="review", constants={"shop": "a=b"}),
        labels={"sentiment": "positive|neutral|negative", "stars": "1..5", "urgent": "yes/no"},
    )


@pytest.mark.parametrize(
    ("given_text", "found"),
    [
        ("prompt.j2", "file:in/prompt.j2"),
        ("file:other.j2", "file:in/other.j2"),
        ("You label.", "You label."),
        ("prompt.j2\n", "prompt.j2\n"),
        ("{{ prompt }}", "{{ prompt }}"),
        ("x" * 5_000, "x" * 5_000),
    ],
)
def test_a_prompt_is_a_file_where_one_is_there(given_text: str, found: str) -> None:
    """A text with a line break or `{{` is a text."""
    paths = FlagPaths(lambda name: name in ("prompt.j2", "prompt.j2\n", "{{ prompt }}"), "in/{}".format)
    recipe = recipe_of_flags(RecipeFlags(user=given_text, system=given_text), paths)
    assert (recipe.prompt.user, recipe.prompt.system) == (found, found)


def test_a_flag_replaces_what_the_recipe_says() -> None:
    """--text instead of user, --schema instead of labels, and the other way round; the rest stays."""
    base = read(WHOLE)[0]
    one = recipe_of_flags(RecipeFlags(text="review", schema="s.json", sample=3, reask=5), NO_FILES, base)
    two = recipe_of_flags(
        RecipeFlags(user="{{ x }}", labels=("a: b|c",), prefix="", repair=True), NO_FILES, one
    )

    assert (one.prompt.user, one.prompt.text, one.labels, one.schema) == (None, "review", {}, "s.json")
    assert (two.prompt.user, two.prompt.text, two.labels, two.schema) == ("{{ x }}", None, {"a": "b|c"}, None)
    assert one.table == replace(base.table, sample=3)
    assert (two.ask, two.out.prefix) == (Ask(reask=5, repair=True), "")
    assert recipe_of_flags(RecipeFlags(), NO_FILES, base) == base


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (RecipeFlags(text="a", user="b"), "--text and --user exclude each other"),
        (RecipeFlags(labels=("a: b",), schema="s"), "--labels and --schema exclude each other"),
        (
            RecipeFlags(labels=("positive|negative",)),
            '--labels "positive|negative" has no ":" after its name; write --labels "sentiment: positive|',
        ),
        (RecipeFlags(labels=(" : a|b",)), '--labels ": a|b" has no name before its ":"; write --labels'),
        (
            RecipeFlags(labels=("mood good|bad",)),
            '--labels "mood good|bad" has no ":" after its name; did you mean --labels "mood: good|bad"?',
        ),
        (RecipeFlags(labels=("mood = good|bad",)), 'did you mean --labels "mood: good|bad"?'),
        (RecipeFlags(labels=("mood?\uff1agood|bad",)), 'did you mean --labels "mood?: good|bad"?'),
        (RecipeFlags(labels=("a: b", "a: c")), '--labels gives "a" twice'),
        (
            RecipeFlags(constants=("shop",)),
            '--set "shop" has no "=" after its name; write --set product=lamp',
        ),
        (RecipeFlags(constants=("=lamp",)), '--set "=lamp" has no name before its "="'),
        (RecipeFlags(user="prompts/new.j2"), "--user: there is no file prompts/new.j2; check the path"),
        (RecipeFlags(system="You.TXT"), "--system: there is no file You.TXT; check the path, or"),
        (RecipeFlags(user="caf\udce9"), "the value of --user is not UTF-8"),
        (RecipeFlags(constants=("a=\udce9",)), "the value of --set is not UTF-8"),
    ],
)
def test_wrong_flags_are_refused(flags: RecipeFlags, words: str) -> None:
    """By name."""
    with pytest.raises(UsageError) as raised:
        recipe_of_flags(flags, NO_FILES)
    assert words in raised.value.what


def test_all_wrong_flags_are_named_at_once() -> None:
    """Each on a line of its own."""
    with pytest.raises(UsageError) as raised:
        recipe_of_flags(RecipeFlags(text="a", user="b", labels=("x",)), NO_FILES)
    assert len(raised.value.where) == 2


SHAPING: list[Recipe] = [
    Recipe(table=TableChoice(id="a")),
    Recipe(table=TableChoice(where="a")),
    Recipe(table=TableChoice(sample=1)),
    Recipe(table=TableChoice(seed=1)),
    Recipe(table=TableChoice(limit=1)),
    Recipe(table=TableChoice(encoding="latin-1")),
    Recipe(table=TableChoice(delimiter=";")),
    Recipe(prompt=Prompt(text="a")),
    Recipe(prompt=Prompt(image="a")),
    Recipe(prompt=Prompt(constants={"a": 1})),
    Recipe(prompt=Prompt(constants={"a": "1"})),
    Recipe(body={"a": 1}),
    Recipe(body={"a": 1.0}),
    Recipe(body={"a": 1, "b": 2}),
    Recipe(body={"b": 2, "a": 1}),
]


def test_what_shapes_requests_is_in_the_identity() -> None:
    """Each of these is another run."""
    changed: list[dict[str, Any]] = [
        *({field: "x"} for field in ("model", "system", "user", "instructions", "examples_sha256")),
        {"schema": b'{"a":2,"b":1}'},
    ]
    texts = [replace(TEXTS, **one) for one in changed]
    found = [canonical_sha256(recipe, TEXTS) for recipe in (Recipe(), *SHAPING)]
    found += [canonical_sha256(Recipe(), one) for one in texts]

    assert len(set(found)) == 1 + len(SHAPING) + len(texts)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(ask=Ask(reask=0, repair=False)),
        Recipe(out=Out(file="a", columns=("cost",), prefix="p")),
        Recipe(
            table=TableChoice(file="a"), schema="b", prompt=Prompt(examples="c", user="file:d", system="e")
        ),
        Recipe(labels={"a": "b|c"}),
    ],
)
def test_what_shapes_none_is_not(recipe: Recipe) -> None:
    """Paths, re-asks, repair and columns may differ when a run is continued."""
    assert canonical(recipe, TEXTS) == canonical(Recipe(), TEXTS)


def test_the_order_of_constants_does_not_matter() -> None:
    """They are looked up by name."""
    one, two = (
        Recipe(prompt=Prompt(constants=dict(pairs))) for pairs in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)])
    )
    assert canonical(one, TEXTS) == canonical(two, TEXTS)
    assert canonical(one, TEXTS).isascii()


def test_a_fault_without_a_key_is_a_sentence() -> None:
    """As for a file that is no TOML."""
    assert str(RecipeFault("", "this is not TOML", "write it")) == "this is not TOML; write it"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("table.where", "--where: x; y"),
        ("prompt.set.shop", "--set shop: x; y"),
        ("labels.stars", "--labels stars: x; y"),
        ("schema", "--schema: x; y"),
        ("prompt", "prompt: x; y"),
        ("the request", "the request: x; y"),
        ("", "x; y"),
    ],
)
def test_a_fault_of_a_recipe_of_flags_names_the_flag(key: str, words: str) -> None:
    """It is a wrong flag, with exit code 2; in a file it is named by its key."""
    fault = RecipeFault(key, "x", "y")
    error = error_of_faults(None, [fault])
    assert (error.where, error.exit_code) == ((words,), 2)
    assert error_of_faults("r.toml", [fault]).where == (str(fault),)
