"""A file that is no job file is named for what it is, once, with a cure that works when it is typed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from runner.cli.main import call

if TYPE_CHECKING:
    from pathlib import Path

JOBS: Final = (
    b'{"id": "a", "model": "grok-4.3", "prompt": "hi"}\n{"id": "b", "model": "grok-4.3", "prompt": "ho"}\n'
)
OBJECTS: Final = [json.loads(line) for line in JOBS.splitlines()]
ANTHROPIC: Final = {
    "custom_id": "x",
    "params": {"max_tokens": 9, "messages": [{"role": "user", "content": "A"}]},
}
MESSAGES: Final = [[{"role": "user", "content": "hi"}], [{"role": "user", "content": "ho"}]]
WIDE: Final = JOBS.decode()


class Wrong(NamedTuple):
    """A file: what it is said to be, and the command of its cure; `mends`: it then is a good job file."""

    content: bytes
    code: str
    what: str
    cure: str
    mends: bool = False
    name: str = "in.jsonl"


def zipped(*members: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def tarred(data: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        member = tarfile.TarInfo("in.jsonl")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def document(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent).encode()


def packed(program: str, data: bytes) -> bytes:
    """Return what a program makes of data; b"" where it is not installed, and the test is skipped."""
    if shutil.which(program) is None:
        return b""
    return subprocess.run([program, "-c"], input=data, capture_output=True, check=True, timeout=60).stdout


BINARY: Final = {
    "zip": Wrong(
        zipped(("batch.jsonl", JOBS)), "archive", "a ZIP archive", "unzip -p in.jsonl batch.jsonl", True
    ),
    "zip of a Mac": Wrong(
        zipped(("batch.jsonl", JOBS), ("__MACOSX/._batch.jsonl", b"x")),
        "archive",
        "a ZIP archive",
        "unzip -p in.jsonl batch.jsonl",
        True,
    ),
    "zip with two files": Wrong(
        zipped(("a.jsonl", JOBS), ("b.jsonl", JOBS)), "archive", "a ZIP archive", ": unzip in.jsonl"
    ),
    "zip with a strange name": Wrong(
        zipped(("$(x).jsonl", JOBS)), "archive", "a ZIP archive", "unzip in.jsonl"
    ),
    "xlsx": Wrong(
        zipped(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")),
        "binary-file",
        "an Excel workbook (.xlsx)",
        "CSV UTF-8",
    ),
    "docx": Wrong(
        zipped(("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")),
        "binary-file",
        "a Word document",
        "one JSON object a line",
    ),
    "tar": Wrong(tarred(JOBS), "archive", "a tar archive", "tar -xkf in.jsonl"),
    "tar in gzip": Wrong(gzip.compress(tarred(JOBS)), "archive", "a tar archive", "tar -xkf in.jsonl"),
    "7z": Wrong(b"7z\xbc\xaf\x27\x1c\0\4" + bytes(40), "archive", "a 7-Zip archive", "7z x in.jsonl"),
    "rar": Wrong(b"Rar!\x1a\x07\x01\0" + bytes(40), "archive", "a RAR archive", "unrar x in.jsonl"),
    "gzip twice": Wrong(
        gzip.compress(gzip.compress(JOBS)),
        "compressed-file",
        "compressed with gzip twice",
        "gzip -dc < in",
        True,
        "in.jsonl.gz",
    ),
    "bzip2": Wrong(bz2.compress(JOBS), "compressed-file", "with bzip2", "bzip2 -dc < in.jsonl", True),
    "xz": Wrong(lzma.compress(JOBS), "compressed-file", "with xz", "xz -dc < in.jsonl", True),
    "zstd": Wrong(packed("zstd", JOBS), "compressed-file", "with Zstandard", "zstd -dc < in.jsonl", True),
    "lz4": Wrong(packed("lz4", JOBS), "compressed-file", "with LZ4", "lz4 -dc < in.jsonl", True),
    "parquet": Wrong(b"PAR1" + bytes(40) + b"PAR1", "binary-file", "Parquet", "runner label"),
    "arrow": Wrong(
        b"ARROW1\0\0" + bytes(40), "binary-file", "an Arrow (Feather) file", "CSV, JSONL or Parquet"
    ),
    "orc": Wrong(b"ORC" + bytes(40), "binary-file", "ORC", "CSV, JSONL or Parquet"),
    "avro": Wrong(b"Obj\x01" + bytes(40), "binary-file", "Avro", "CSV, JSONL or Parquet"),
    "sqlite": Wrong(
        b"SQLite format 3\0" + bytes(40), "binary-file", "an SQLite database", "sqlite3 -header -csv in.j"
    ),
    "pdf": Wrong(b"%PDF-1.7\n%\xe2\xe3\n", "binary-file", "a PDF", "one JSON object a line"),
    "pickle": Wrong(b"\x80\x04\x95\x0b\0\0\0\0\0\0\0]\x94.", "binary-file", "a Python pickle", "CSV, JSONL"),
    "png": Wrong(b"\x89PNG\r\n\x1a\n" + bytes(40), "binary-file", "a PNG image", "image_url"),
    "jpeg": Wrong(b"\xff\xd8\xff\xe0" + bytes(40), "binary-file", "a JPEG image", "image_url"),
    "webp": Wrong(b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20), "binary-file", "a WebP image", "image_url"),
    "unknown": Wrong(b"\x01\x02model\0\0\xff\n" * 9, "binary-file", "binary, not text", "one JSON object"),
    "a shortcut": Wrong(b"L\0\0\0\x01\x14\x02\0" + bytes(40), "binary-file", "a shortcut", "it leads to"),
    "beside a file": Wrong(b"\0\5\x16\7" + bytes(40), "binary-file", "macOS keeps", "without ._"),
    "weights in zip": Wrong(
        zipped(("archive/data.pkl", b"\x80")), "archive", "a ZIP archive", "unzip in.jsonl"
    ),
    "UTF-16 with a mark": Wrong(WIDE.encode("utf-16"), "utf16", "UTF-16 text", "iconv -f UTF-16 ", True),
    "UTF-16 of Windows": Wrong(
        WIDE.encode("utf-16-le"), "utf16", "UTF-16LE text", "iconv -f UTF-16LE ", True
    ),
    "UTF-16 of networks": Wrong(
        WIDE.encode("utf-16-be"), "utf16", "UTF-16BE text", "iconv -f UTF-16BE ", True
    ),
    "UTF-32 with a mark": Wrong(WIDE.encode("utf-32"), "utf32", "UTF-32 text", "iconv -f UTF-32 ", True),
    "UTF-32 without a mark": Wrong(
        WIDE.encode("utf-32-le"), "utf32", "UTF-32LE text", "iconv -f UTF-32LE ", True
    ),
}

JSON_FILES: Final = {
    "an array": Wrong(document(OBJECTS), "json-document", "one JSON array", "jq -c '.[]' in.jsonl", True),
    "a pretty array": Wrong(document(OBJECTS, 2), "json-document", "one JSON array", "jq -c '.[]' ", True),
    "an array longer than the beginning": Wrong(
        document(
            OBJECTS + [{"id": f"c{n}", "model": "grok-4.3", "prompt": "x" * 999} for n in range(200)], 1
        ),
        "json-document",
        "one JSON array",
        "jq -c '.[]' ",
        True,
    ),
    "objects over several lines": Wrong(
        b"\n".join(document(one, 2) for one in OBJECTS),
        "json-document",
        "over several lines",
        "jq -c . ",
        True,
    ),
    "a pretty object": Wrong(
        document(OBJECTS[0], 2), "json-document", "over several lines", "jq -c . ", True
    ),
    "jobs in an object": Wrong(
        document({"requests": OBJECTS}),
        "json-document",
        "its jobs in .requests",
        "jq -c '.requests[]' ",
        True,
    ),
    "jobs deep in an object": Wrong(
        document({"name": "n", "data": {"my items": OBJECTS}}, 4),
        "json-document",
        'its jobs in .data["my items"]',
        "jq -c ",
        True,
    ),
    "prompts in an array": Wrong(
        document(["hi", "ho"]), "json-document", "one JSON array", "jq -c '.[] | {prompt: .}' ", True
    ),
    "lists of messages in an array": Wrong(
        document(MESSAGES, 1), "json-document", "one JSON array", "jq -c '.[] | {messages: .}' ", True
    ),
    "a list of messages a line": Wrong(
        b"\n".join(map(document, MESSAGES)),
        "json-document",
        "a list of messages",
        "jq -c '{messages: .}' ",
        True,
    ),
    "commas at the ends": Wrong(
        JOBS.replace(b"}\n", b"},\n"), "json-document", "ends with a comma", "sed 's/,", True
    ),
    "JSON texts": Wrong(b'"hi"\n"ho"\n', "text-file", "JSON texts", "jq -c '{prompt: .}' ", True),
    "results": Wrong(
        document({"id": "batch_req_1", "custom_id": "r-1", "response": {"status_code": 200}, "error": None}),
        "results-file",
        "the results of a batch",
        "the jobs themselves",
    ),
    "errors of a run": Wrong(
        document({"id": "1", "custom_id": "r", "response": None, "error": {"code": "x", "attempts": 1}}),
        "results-file",
        "the errors file of a run",
        "runner retry RUN --failed",
    ),
    "a summary": Wrong(
        document({"schema": 1, "run": 7, "counts": {}, "cost": {}, "attempts": {}}, 2),
        "results-file",
        "the summary of a run",
        "runner list",
    ),
    "results of Anthropic": Wrong(
        document({"custom_id": "x", "result": {"type": "succeeded", "message": {}}}),
        "results-file",
        "answers",
        "",
    ),
    "results of Bedrock": Wrong(
        document({"recordId": "x", "modelInput": {}, "modelOutput": {}}), "results-file", "answers", ""
    ),
    "an error": Wrong(document({"error": {"message": "no"}}), "results-file", "an error of an API", "again"),
    "a batch": Wrong(
        document({"id": "b", "object": "batch", "input_file_id": "f"}, 2),
        "results-file",
        "the description of a batch",
        "was made from",
    ),
    "a notebook": Wrong(
        document({"cells": [{"cell_type": "code"}], "nbformat": 4}, 1),
        "json-document",
        "with a list in .cells",
        "jq -c '.cells[]' ",
    ),
    "answers": Wrong(
        document({"id": "x", "object": "chat.completion", "choices": []}), "results-file", "answers", ""
    ),
    "Anthropic": Wrong(
        document(ANTHROPIC), "foreign-form", "Anthropic's", "runner convert in.jsonl -o in.new.jsonl"
    ),
    "Responses": Wrong(
        document({"custom_id": "x", "url": "/v1/responses", "body": {"input": "hi"}}),
        "foreign-form",
        "the Responses API",
        "runner convert in.jsonl -o in.new.jsonl",
    ),
    "Anthropic in an array": Wrong(
        document([ANTHROPIC], 1),
        "json-document",
        "for Anthropic's",
        "runner convert in.jsonl -o in.new.jsonl",
    ),
    "Anthropic over several lines": Wrong(
        document(ANTHROPIC, 1), "json-document", "for Anthropic's", "| runner convert - -o in.new.jsonl"
    ),
    "Anthropic deep in an object": Wrong(
        document({"batch": {"requests": [ANTHROPIC]}}),
        "json-document",
        "for Anthropic's",
        "'.batch.requests[]' ",
    ),
}

TEXTS: Final = {
    "CSV of prompts": Wrong(
        b"id,prompt\na,hello\nb,there\n", "text-file", "CSV, a table", "python3 -c ", True
    ),
    "CSV": Wrong(b"name,review\n1,good\n2,bad\n", "text-file", "CSV, a table", "runner label"),
    "CSV in quotes": Wrong(b'"name","review"\n"1","{good"\n', "text-file", "CSV, a table", "runner label"),
    "TSV": Wrong(b"name\treview\n1\tgood\n", "text-file", "TSV, a table", "runner label"),
    "a login page": Wrong(
        b"<!DOCTYPE html>\n<html><head><title>Sign in</title>", "text-file", 'a web page ("Sign in")', "login"
    ),
    "a page on one line": Wrong(b"<html><body>no</body></html>", "text-file", "a web page", "login"),
    "XML": Wrong(b'<?xml version="1.0"?>\n<a/>', "text-file", "XML", "one JSON object a line"),
    "a pointer": Wrong(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n",
        "lfs-pointer",
        "Git LFS",
        "git lfs pull",
    ),
    "Markdown": Wrong(
        b"# Jobs\n\n{x} stands for a row\n"[:7], "text-file", "Markdown", "one JSON object a line"
    ),
    "fences": Wrong(
        b"```json\n" + JOBS + b"```\n", "text-file", "Markdown, with fences", "sed '/^```/d' ", True
    ),
    "YAML": Wrong(b"---\nid: a\nprompt: hi\n", "text-file", "YAML", "one JSON object a line"),
    "YAML with a list": Wrong(
        b"# jobs\n- id: a\n  prompt: hi\n", "text-file", "YAML", "one JSON object a line"
    ),
    "TOML": Wrong(b'# a recipe\n[prompt]\nuser = "{{ a }}"\n', "text-file", "TOML", "end with .toml"),
    "prompts": Wrong(b"Say hi\r\n\r\nSay, \\ ho\r\n", "text-file", "plain text", "| {prompt: rtrimstr", True),
    "encoded twice": Wrong(
        document(document({"prompt": "a, b"}).decode()) * 2,
        "text-file",
        "encoded twice",
        "jq -c fromjson ",
        True,
    ),
    "a log": Wrong(
        b'2026-11-30 INFO {"prompt": "a"}\n2026-11-30 INFO {"prompt": "{b}, c"}\n',
        "text-file",
        "JSON behind other words",
        "sed 's/",
        True,
    ),
    "a stream": Wrong(b'data: {"id": 1}\n\ndata: [DONE]\n', "text-file", "a stream of answers", ""),
    "carriage returns": Wrong(
        JOBS.replace(b"\n", b"\r"), "cr-line-ends", "carriage returns", "tr '\\r' '\\n' < ", True
    ),
}
PACKED: Final = {
    f"{name}, in gzip": wrong._replace(content=gzip.compress(wrong.content), name="in.jsonl.gz")
    for name, wrong in (JSON_FILES | TEXTS | BINARY).items()
    if wrong.mends and wrong.code not in ("archive", "compressed-file")
}
ALL: Final = BINARY | JSON_FILES | TEXTS | PACKED


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder of the commands, beside their state folder."""
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_file_is_named_once_with_a_cure_that_works(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """`check` and `load` say the same; the command of the cure is typed, and its file is good."""
    wrong = ALL[name]
    if not wrong.content:
        pytest.skip("the program that makes such files is not installed")
    (folder / wrong.name).write_bytes(wrong.content)

    assert call(["check", wrong.name, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)["bad"]
    first = found["shown"][0]
    assert (found["total"], first["code"]) == (1, wrong.code), found
    assert wrong.what in first["reason"]
    assert wrong.cure in first["fix"] or name in PACKED
    assert call(["load", wrong.name]) == 3
    told = capsys.readouterr().err
    assert "nothing was loaded" in told
    assert told.count(f"[{wrong.code}]") == 1
    assert call(["check", wrong.name]) == 3
    assert first["fix"] in capsys.readouterr().out  # on one line, to be copied
    if wrong.mends:
        assert typed(first["fix"], folder) == 0
        (new,) = [path for path in folder.iterdir() if path.name != wrong.name]
        assert call(["check", new.name]) == 0, new.read_bytes()
    assert (folder / wrong.name).read_bytes() == wrong.content


def typed(cure: str, folder: Path) -> int:
    """Run the command of a cure in a shell as a user would; return its exit code."""
    command = cure.partition(": ")[2]
    program = command.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run(command, shell=True, cwd=folder, check=False, timeout=60).returncode
