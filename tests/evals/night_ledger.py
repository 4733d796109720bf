"""The ledger of a night: what was asked, answered, graded, paid and written agrees.

It shares no code with runner.

jobs of the first run = items x epochs; each has one row of answers, and one grade by each grader or none
an answer         = the first result of its job that is a completion; its row has that result's sha256
a grade           = what this file finds by its own rules in the stored bytes
the report        = means, counts and money recounted from rows and bytes
items.csv         = the same sums, line by line
the books         : accepted = attempts that left; ticks fetched = ticks of the stored results
"""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def check(database: Path, stem: Path, books: dict[str, Any], *, crashed: bool = False) -> list[str]:
    """Return what is wrong with the only night of a database; `stem` is that of its files."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        return list(_wrong(connection, stem, books, crashed=crashed))


def _wrong(db: sqlite3.Connection, stem: Path, books: dict[str, Any], *, crashed: bool) -> Iterator[str]:
    report = json.loads(Path(f"{stem}.eval.json").read_text())
    items = [json.loads(line) for line in (stem.parent / "items.jsonl").read_text().splitlines()]
    targets = {item["id"]: item["target"] for item in items}
    runs = [db.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone() for run in report["runs"]]
    epochs = report["epochs"]
    sums: dict[tuple[str, str], float] = defaultdict(float)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    ticks = 0
    for run in runs:
        jobs = db.execute(
            "SELECT * FROM jobs WHERE id BETWEEN ? AND ? ORDER BY id",
            (run["id"] << 32, (run["id"] + 1 << 32) - 1),
        ).fetchall()
        if len(jobs) != len(items) * epochs:
            yield f"run {run['id']} has {len(jobs)} jobs, not {len(items)} x {epochs}"
        ids = [f"{item['id']}#{epoch}" for epoch in range(1, epochs + 1) for item in items]
        if [job["custom_id"] for job in jobs] != ids:
            yield f"run {run['id']} has other ids than its items and epochs"
        for job in jobs:
            results = db.execute(
                "SELECT body FROM results WHERE job_id = ? ORDER BY attempt", (job["id"],)
            ).fetchall()
            ticks += sum(json.loads(row["body"])["usage"]["cost_in_usd_ticks"] for row in results)
            if not results:
                continue
            item = job["custom_id"].rpartition("#")[0]
            text = json.loads(results[0]["body"])["choices"][0]["message"]["content"]
            sums["correct", item] += text.strip() == targets[item]
            sums["short", item] += len(text) <= 12
            for grader in ("correct", "short"):
                counts[grader, item] += 1
    yield from _graders(report, sums, counts, targets)
    yield from _items(Path(f"{stem}.items.csv"), sums, counts)
    fetched = sum(job["ticks"] for job in books["jobs"] if job["outcome"] == "fetched")
    if ticks != report["cost"]["ticks"] or (ticks > fetched if crashed else ticks != fetched):
        yield f"ticks: stored {ticks}, report {report['cost']['ticks']}, books {fetched}"


def _graders(
    report: dict[str, Any],
    sums: dict[tuple[str, str], float],
    counts: dict[tuple[str, str], int],
    targets: dict[str, str],
) -> Iterator[str]:
    for grader in report["graders"]:
        name = grader["grader"]
        means = [sums[name, item] / counts[name, item] for item in targets if counts[name, item]]
        mean = sum(means) / len(means)
        if abs(mean - grader["mean"]) > 1e-12:
            yield f"{name}: the report has a mean of {grader['mean']}, the answers {mean}"
        if grader["measured"] != sum(counts[name, item] for item in targets):
            yield f"{name}: {grader['measured']} measured"


def _items(
    path: Path, sums: dict[tuple[str, str], float], counts: dict[tuple[str, str], int]
) -> Iterator[str]:
    with path.open(newline="") as file:
        lines = {(line["grader"], line["id"]): line for line in csv.DictReader(file)}
    if set(lines) != set(counts):
        yield f"{path.name} has other lines than items x graders"
    for key, line in lines.items():
        if float(line["score"]) != sums[key] or int(line["measured"]) != counts[key]:
            found = f"{line['score']} of {line['measured']}"
            yield f"{path.name}: {key} has {found}, not {sums[key]} of {counts[key]}"


def file_hashes(stem: Path) -> dict[str, str]:
    """Return the sha256 of each file of a night."""
    return {
        end: hashlib.sha256(Path(f"{stem}.{end}").read_bytes()).hexdigest()
        for end in ("eval.json", "md", "junit.xml", "items.csv")
    }
