"""docs/errors.md: every error code of a job file or a job, with its meaning and cure."""

from __future__ import annotations

from typing import Final

from runner.rules.explain import SENTENCES

LINES: Final = {
    # the file as a whole, and the bytes of a line
    "empty-file": ("the file holds no job", "write one JSON object a line"),
    "utf16": ("the file is UTF-16", "save it as UTF-8: `iconv -f UTF-16 -t UTF-8`"),
    "utf32": ("the file is UTF-32", "save it as UTF-8: `iconv -f UTF-32 -t UTF-8`"),
    "archive": ("the file is an archive: ZIP, tar, 7-Zip, RAR", "unpack it, and give the file in it"),
    "compressed-file": (
        "the file is compressed, but not with gzip, or with gzip twice",
        "unpack it with the command of the message",
    ),
    "binary-file": (
        "the file is a workbook, Parquet, a PDF, an image or other data",
        "give the job file; `runner label` takes tables",
    ),
    "json-document": (
        "the file is a JSON array, or has objects over several lines",
        "write one object a line with the command of the message",
    ),
    "text-file": (
        "the file is text, but not JSON: CSV, a web page, Markdown, settings",
        "do as the message says; `runner label` takes tables",
    ),
    "lfs-pointer": ("the file is a pointer of Git LFS", "`git lfs pull` fetches its content"),
    "results-file": (
        "the file holds results, errors or a summary, not jobs",
        "give the file with the jobs themselves",
    ),
    "foreign-form": (
        "the file, or a line, is written for another service's batches",
        "`runner convert FILE -o jobs.jsonl`",
    ),
    "cr-line-ends": ("the lines end with carriage returns", "`tr '\\r' '\\n' < FILE > NEW`"),
    "nul-bytes": (
        "a line begins or ends with NUL bytes: it was not written whole",
        "make the file again, or remove them: `tr -d '\\000' < FILE > NEW`",
    ),
    "bad-gzip": (
        "the compressed file is broken or cut off",
        "copy or make it again; `gzip -t FILE` tests it",
    ),
    "line-too-long": ("a line of more than 64 MiB", "give large images by URL, or split the job"),
    "not-utf8": ("a byte that is not UTF-8", "save the file as UTF-8"),
    "invalid-json": ("the line is not valid JSON", "correct it at the column of the message"),
    "cut-line": ("the line ends in the middle of a value", "see whether the file was copied whole"),
    "not-an-object": (
        "the line is JSON, but not an object",
        "write one object a line, without an array around",
    ),
    "depth": ("nested more than 100 levels deep", "flatten the value, or put it into a string"),
    "duplicate-key": ("a key stands twice in one object", "remove one: readers disagree on which one counts"),
    "lone-surrogate": ("half of a surrogate pair in a string", "write both halves, or the character itself"),
    "not-finite": ("NaN, Infinity or a number too large", "write null, or a number below 1.8e308"),
    "long-number": ("a number of more than 4,000 digits", "write it as a string"),
    # the form of a line
    "duplicate-id": ("the id was used on an earlier line", "give each job an id of its own"),
    "bad-model": (
        "the model's name cannot be printed, or is too long",
        "write the name as the catalogue has it",
    ),
    "bad-id": ("the id is empty, too long or no string", "write a string of 1 to 512 characters"),
    "two-ids": ("the line has `id` and `custom_id`", "keep one"),
    "bad-type": ("a field has a value of the wrong type", "write the type that the message names"),
    "bad-value": ("a field has a value that the API refuses", "write one that the message names"),
    "wrong-method": ("the method is not POST", 'write "POST", or leave it out'),
    "wrong-url": ("the url is not /v1/chat/completions", "write that, or leave it out"),
    "host-in-url": ("the url names a host", "write the path only: where it goes is a setting"),
    "headers-in-line": (
        "the line or its body sets headers, a key or an address",
        "leave them out: these are settings",
    ),
    "missing-body": ("the line has a url or method, but no body", "put the request into `body`"),
    "misplaced-field": ("a field of the body stands beside it", "move it into the body"),
    "prompt-and-messages": ("the line has `prompt` and `messages`", "keep one"),
    "empty-prompt": ("the prompt is empty", "write what the model is to do"),
    "missing-messages": ("messages is missing", "give a prompt, or a list of messages"),
    "empty-messages": ("messages is an empty list", "give at least one message"),
    "unknown-role": ("a message has a role that does not exist", "use system, user, assistant or tool"),
    "missing-content": ("a message has no content", "give a text, or a list of parts"),
    "unknown-part": ("a part of a type that chat completions do not take", "use text or image_url"),
    "bad-tool-call": (
        "a tool call without a function, or whose arguments are no JSON in a string",
        "write them as the model gave them",
    ),
    "bad-image-url": (
        "no address of an image, base64 that cannot be decoded, or another type than PNG and JPEG",
        "give an https:// address or a data: URL in base64",
    ),
    "image-too-large": ("an image above 20 MiB", "make it smaller"),
    # what the API or the model does not take
    "deferred-in-body": ("the body says `deferred` or `stream`", "leave it out: runner says it"),
    "several-choices": ("n is more than 1", "write the job as several lines"),
    "search-parameters": ("Live Search was removed by xAI", "leave it out"),
    "penalty-rejected": ("the model rejects penalties", "remove the field"),
    "stop-rejected": ("the model rejects stop", "remove the field"),
    "effort-rejected": ("the model rejects this reasoning_effort", "remove it, or give one that it takes"),
    "too-many-tools": ("more than 350 tools", "give fewer tools"),
    "bad-tool": ("a tool that is none", "give it a type, and a function a name"),
    "unknown-tool": ("a tool of another type than function", "remove it: chat completions take functions"),
    "tool-choice": ("tool_choice asks for a tool that is not there", "name one of the tools, or remove it"),
    "bad-schema": ("a JSON schema that is none", "correct the schema"),
    "schema-rejected": ("a JSON schema with something that the API refuses", "write it as the message says"),
    "prompt-above-context": (
        "the prompt is longer than the model's window",
        "shorten it, or name a larger model",
    ),
    "prompt-above-tpm": (
        "the prompt has more tokens than a minute allows",
        "shorten it, raise --tpm, or set that of your team: runner set --team --tpm N",
    ),
    # what `runner convert` cannot make a job line of
    "unknown-form": (
        "the line has the form of no batch service that is known",
        "see `runner convert --help`",
    ),
    "foreign-model": ("the model is not one of xAI", "give one for all lines: `--model NAME`"),
    "stored-elsewhere": (
        "a field names something that is stored at another service: an earlier response, a file, a prompt",
        "write its content into the line",
    ),
    "built-in-tool": (
        "a tool that the other service runs itself, as a search of the web",
        "remove the tool: the model then answers from what it knows",
    ),
    "no-counterpart": ("chat completions of xAI do not have this: sound, PDF, other tools", "remove it"),
    "missing-call": ("the result of a function that no message before it calls", "add that message"),
    "prompt-template": (
        "the prompt is written in the template of another model",
        "write it as messages, without the marks of the template",
    ),
    "document-too-large": (
        "a JSON document of more than 64 MiB",
        "write each request on a line: `jq -c '.requests[]'`",
    ),
    "bad-document": (
        "the file is neither lines of JSON nor one JSON document",
        "`jq . FILE` shows where it is broken",
    ),
    # warnings
    "unknown-field": (
        "warning: the API does not know the field and ignores it",
        "see whether it is a typing error",
    ),
    "ignored-field": ("warning: the API ignores the field", "remove it"),
    "deprecated-field": ("warning: the field is deprecated", "write the one that the message names"),
    "priority-price": ("warning: service_tier priority costs twice", "remove it if nobody waits"),
    "schema-differs": (
        "warning: the API reads a part of the JSON schema otherwise",
        "write it as the message says, or check the answers for it",
    ),
    "blank-content": ("warning: a message of nothing or white space", "see whether a column was empty"),
    "secret-in-tool": (
        "warning: the headers or the authorization of a tool are stored and sent",
        "give a token that opens this tool alone",
    ),
    "unknown-model": (
        "warning: the model is not in the catalogue",
        "check the name; it is sent as written, unless `--model-for-all NAME` replaces it on every line",
    ),
    "retired-model": (
        "warning: the model is retired, another one answers",
        "write the one that the message names",
    ),
    "prompt-near-context": ("warning: the prompt may not fit into the model's window", "shorten it"),
}


def markdown() -> str:
    """Return the text of docs/errors.md."""
    lines = [
        "# Errors",
        "",
        "Generated from `runner/rules` by `make docs`; do not edit. Codes are only ever added.",
        "",
        "## Of a job file",
        "",
        "`runner check` prints them with line and column. With any but a warning nothing is loaded",
        "(exit code 3), unless `--skip-bad` leaves such lines out.",
        "",
        "| code | meaning | cure |",
        "|---|---|---|",
        *(f"| `{code}` | {meaning} | {cure} |" for code, (meaning, cure) in LINES.items()),
        "",
        "## Of a job",
        "",
        "They stand in the errors file, in `runner show` and in the summary; `runner retry RUN --code CODE`",
        "sends such jobs again. A held job has its code with `held-` before it. What every reply of the API",
        "leads to is in [replies.md](replies.md).",
        "",
        "| code | meaning and cure |",
        "|---|---|",
        *(f"| `{code}` | {sentence} |" for code, sentence in SENTENCES.items()),
        "",
    ]
    return "\n".join(lines)
