"""All samples of the package evals 3.0.1.post1 are read: no crash, and each row that is refused is named."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Final

import orjson
import pytest

from runner.embedded.gc_pause import gc_paused
from runner.evals.items.read_items import read_items
from runner.rules.evaluation.suite.suite_items import ItemForm, SuiteItems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE: Final = "evals==3.0.1.post1"
BYTES_MAX: Final = 20_000_000  # of a file that is read


def samples(folder: Path) -> Iterator[bytes]:
    """Yield the files of the package whose first row has input and ideal."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), PACKAGE]
    subprocess.run(command, check=True, timeout=500)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for file in archive.infolist():
            if not file.filename.endswith(".jsonl") or file.file_size >= BYTES_MAX:
                continue
            content = archive.read(file)
            first = orjson.loads(content.splitlines()[0])
            if isinstance(first, dict) and {"input", "ideal"} <= first.keys():
                yield content


@pytest.mark.soak
def test_all_samples_of_openai_evals_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every row becomes an item or is named with its line; repeated inputs have ids of their own."""
    files = rows = repeated = 0
    refused: Counter[str] = Counter()
    spent_s = 0.0
    for content in samples(tmp_path):
        path = tmp_path / "items.jsonl"
        path.write_bytes(content)
        began = time.process_time()
        with gc_paused():  # as the commands do
            found = read_items(SuiteItems(file=path.name), tmp_path)
        spent_s += time.process_time() - began
        assert found.form is ItemForm.OPENAI_EVALS
        assert len({item.id for item in found.items}) == len(found.items) == found.rows - found.fault_count
        assert all(fault.line and fault.reason and fault.fix for fault in found.faults)
        files, rows = files + 1, rows + found.rows
        repeated += sum("-" in item.id for item in found.items)
        refused.update(fault.code for fault in found.faults)
    with capsys.disabled():
        speed = f"{rows / spent_s:,.0f} rows a second"
        sys.stdout.write(
            f"\n{rows:,} rows, {speed}; refused: {dict(refused)}; {repeated:,} repeated inputs\n"
        )

    assert (files, rows) == (552, 434_889)
    assert refused == {"empty-target": 17, "empty-prompt": 15}
    assert repeated == 10_799
