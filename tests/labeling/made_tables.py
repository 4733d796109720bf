"""Random tables for whole runs, written byte by byte here: no code of runner takes part.

Each table has a recipe, and each of its rows holds its own mark, which the simulator answers as a label.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import random
    from pathlib import Path

Kind = Literal["csv", "tsv", "jsonl", "parquet"]
Fate = Literal["sent", "skipped", "excluded", "unreadable"]  # the last: skipped, and in no written table
KINDS: Final[tuple[Kind, ...]] = ("csv", "tsv", "jsonl", "parquet")
MOODS: Final = ("good", "bad", "mixed")
BOM: Final = b"\xef\xbb\xbf"
ROWS_MAX: Final = 14
NAMES: Final = (  # odd names of columns
    "id number", "a,b", 'say "hi"', "=sum(A1)", "été", "x-y", "{{ x }}", "None", "items", "row.id", "Æ 名前",
    "line\nbreak", "  spaces  ", "select", "_cost", "0",
)  # fmt: skip
TEXTS: Final = (
    "", " ", "plain", "00002", "12345678901234567", "NA", "null", "1e5", "=cmd()", "+1", "-2", "@x", "a,b",
    "a;b", 'say "hi"', '"', "two\nlines", "two\r\nlines", "cr\ralone", "tab\there", "{{7*7}}", "\\n", "'",
    "{% for x in y %}", "\x1b[31mred", '</row><row n="4">', "été 名前 🙂", "\u202eright", "\u2028line",
    "a\x00b", "long " * 4_000, "answer: bad",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class MadeRow:
    """A row: the bytes that must come out again, its prompt, and what must become of it."""

    number: int  # from 1
    raw: bytes  # without its line end; of Parquet nothing
    prompt: str
    mark: str
    mood: str
    fate: Fate


@dataclass(slots=True, kw_only=True)
class MadeTable:
    """A table on disk beside its recipe."""

    name: str
    kind: Kind
    path: Path
    recipe: Path
    output: Path
    prefix: str
    rows: list[MadeRow] = field(default_factory=list)
    header: bytes = b""  # of CSV and TSV, with a BOM and without its line end
    delimiter: bytes = b""
    line_end: bytes = b"\n"
    has_last_line_end: bool = True
    columns: list[str] = field(default_factory=list)

    @property
    def written(self) -> list[MadeRow]:
        """Return the rows that must be in the written table."""
        return [row for row in self.rows if row.fate != "unreadable"]


def make_table(folder: Path, name: str, chance: random.Random, kind: Kind) -> MadeTable:
    """Write a random table of a kind and its recipe into a folder; return what must come out.

    At least one of its rows is to be sent: else the table is refused, or nothing is done.
    """
    while True:
        table = _written_table(folder, name, chance, kind)
        if any(row.fate == "sent" for row in table.rows):
            return table


def _written_table(folder: Path, name: str, chance: random.Random, kind: Kind) -> MadeTable:
    table = MadeTable(
        name=name,
        kind=kind,
        path=folder / f"{name}.{kind}",
        recipe=folder / f"{name}.toml",
        output=folder / f"{name}.out.{kind}",
        prefix=chance.choice(["", "", "llm_"]),
    )
    others = chance.sample(NAMES, chance.randint(0, 5))
    prompt = chance.choice(["review", "the text"])
    table.columns = [*others, "key", "keep", prompt]
    chance.shuffle(table.columns)
    is_filtered = chance.random() < 0.3
    cells = [
        _cells(table, n, prompt, chance, is_filtered=is_filtered) for n in range(chance.randint(1, ROWS_MAX))
    ]
    _WRITERS[kind](table, cells, chance)
    table.recipe.write_text(_recipe(table, prompt, chance, is_filtered=is_filtered), "utf-8")
    return table


def _cells(
    table: MadeTable, number: int, prompt: str, chance: random.Random, *, is_filtered: bool
) -> dict[str, Any]:
    """Return the cells of a new row, and add the row to the table."""
    mark, mood = f"{table.name}m{number:04d}", chance.choice(MOODS)
    marks = f"[label:mark={mark}] [label:mood={mood}]"
    text = f"{chance.choice(TEXTS)} {marks}{chance.choice(TEXTS)}"
    fate: Fate = "sent"  # always of the first row: a table without a good one is refused
    if is_filtered and chance.random() < 0.4 and number:
        fate = "excluded"
    elif chance.random() < 0.08 and number:
        fate, text = "skipped", ""
    table.rows.append(MadeRow(number=number + 1, raw=b"", prompt=text, mark=mark, mood=mood, fate=fate))
    cells: dict[str, Any] = {name: chance.choice(TEXTS) for name in table.columns}
    return cells | {"key": f"k-{number}", "keep": "n" if fate == "excluded" else "y", prompt: text}


def _write_text(table: MadeTable, cells: list[dict[str, Any]], chance: random.Random) -> None:
    table.delimiter = b"\t" if table.kind == "tsv" else chance.choice([b",", b",", b";"])
    table.line_end = chance.choice([b"\n", b"\r\n"])
    table.has_last_line_end = chance.random() < 0.8
    bom = BOM if chance.random() < 0.3 else b""
    style: Literal[0, 1] = csv.QUOTE_ALL if chance.random() < 0.5 else csv.QUOTE_MINIMAL

    def record(values: list[str]) -> bytes:
        text = io.StringIO()
        delimiter = table.delimiter.decode()
        csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=style).writerow(values)
        return text.getvalue()[:-2].encode()

    table.header = bom + record(table.columns)
    for row, values in zip(table.rows, cells, strict=True):
        row.raw = record([values[name] for name in table.columns])
    content = table.line_end.join([table.header, *(row.raw for row in table.rows)])
    table.path.write_bytes(content + (table.line_end if table.has_last_line_end else b""))


def _write_jsonl(table: MadeTable, cells: list[dict[str, Any]], chance: random.Random) -> None:
    table.line_end = b"\n"
    separators = chance.choice([(",", ":"), (", ", ": ")])
    is_ascii = chance.random() < 0.5
    odd: tuple[Any, ...] = (
        None,
        True,
        -5,
        2**60,
        10**30,
        3.5,
        1.0,
        [],
        ["a", "b"],
        {"a": {"b": None}},
    )
    torn = (*odd, "\ud800 alone")
    for row, values in zip(table.rows, cells, strict=True):
        names = list(table.columns)
        for name in table.columns:
            if name not in ("key", "keep") and values[name] != row.prompt:
                values[name] = chance.choice([values[name], chance.choice(odd if row.number == 1 else torn)])
                if chance.random() < 0.1:
                    names.remove(name)
        text = json.dumps(
            {name: values[name] for name in names}, ensure_ascii=is_ascii, separators=separators
        )
        row.raw = text.encode("utf-8", "surrogatepass")
        if b"\xed\xa0\x80" in row.raw:  # JSON in UTF-8 has a lone surrogate as an escape alone
            row.raw = row.raw.replace(b"\xed\xa0\x80", b"\\ud800")
        if b"\\ud800" in row.raw:
            row.fate = "unreadable"
    end = chance.choice([b"\n", b"\r\n"])
    table.path.write_bytes(b"".join(row.raw + end for row in table.rows))


def _write_parquet(table: MadeTable, cells: list[dict[str, Any]], chance: random.Random) -> None:
    pa: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    zone = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
    typed = (
        (pa.int8(), lambda: chance.randint(-128, 127)), (pa.uint64(), lambda: 2**64 - 1),
        (pa.float32(), lambda: chance.choice([1.5, float("nan"), float("inf")])), (pa.bool_(), lambda: True),
        (pa.decimal128(20, 4), lambda: Decimal("1.2300")), (pa.date32(), lambda: date(1969, 2, 3)),
        (pa.timestamp("us", "UTC"), lambda: zone), (pa.timestamp("ns"), lambda: datetime(2001, 1, 1)),  # noqa: DTZ001
        (pa.duration("ms"), lambda: timedelta(days=3)), (pa.binary(), lambda: b"\x00\xff"),
        (pa.list_(pa.int16()), lambda: [1, None]), (pa.struct([("a", pa.string())]), lambda: {"a": None}),
        (pa.dictionary(pa.int32(), pa.string()), lambda: chance.choice(["x", "y"])),
        (pa.large_string(), lambda: "big"),
        (pa.map_(pa.string(), pa.int32()), lambda: [("k", 1)]), (pa.null(), lambda: None),
    )  # fmt: skip
    arrays, fields = [], []
    for name in table.columns:
        kind, values = pa.string(), [row[name] for row in cells]
        is_needed = name in ("key", "keep") or any(
            row.prompt and row.prompt == cell[name] for row, cell in zip(table.rows, cells, strict=True)
        )
        if not is_needed:
            kind, make = chance.choice(typed)
            values = [None if chance.random() < 0.3 else make() for _ in cells]
        arrays.append(pa.array(values, kind))
        fields.append(pa.field(name, kind, metadata={"note": "kept"} if chance.random() < 0.2 else None))
    whole = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"owner": "a test"}))
    parquet.write_table(whole, table.path, row_group_size=chance.choice([1, 3, 100]))


_WRITERS: Final = {
    "csv": _write_text, "tsv": _write_text, "jsonl": _write_jsonl, "parquet": _write_parquet,
}  # fmt: skip


def _recipe(table: MadeTable, prompt: str, chance: random.Random, *, is_filtered: bool) -> str:
    """Return a recipe; its `user` names the table in the simulator's books."""
    is_column = chance.random() < 0.5 or " " in prompt
    asked = {"text": prompt} if is_column else {"user": f"{{{{ {prompt} }}}}"}
    sections: dict[str, dict[str, Any]] = {
        "table": {"file": table.path.name},
        "prompt": {"system": "You label texts. " + "Think of each word. " * 10, **asked},
        "labels": {"mark": "text", "mood": "|".join(MOODS)},
        "body": {"user": table.name},
        "out": {"file": table.output.name, "columns": ["cost", "asks", "model", "answer"]},
    }
    if chance.random() < 0.4:
        sections["table"]["id"] = "key"
    if is_filtered:
        sections["table"]["where"] = "keep == 'y'"
    if table.prefix:
        sections["out"]["prefix"] = table.prefix
    lines = ["recipe = 1"]
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"
