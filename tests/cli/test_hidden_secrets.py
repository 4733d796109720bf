"""No output shows a secret of a URL: doctor with all settings, list, run, worker, logs, bug reports."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.cli.main import call
from runner.embedded import bug_report, log_redaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASES: Final = (
    "postgresql://ann:{secret}@127.0.0.1:9/app",
    "postgresql+psycopg://ann:{secret}@127.0.0.1:9/app?sslmode=require",
    "postgresql:///app1?host=/nowhere/pg&user=app&password={secret}",
    "postgresql://127.0.0.1:9/app?sslpassword={secret}",
    "postgresql://127.0.0.1:9/app?no_such_option={secret}",
    "postgresql://ann:{secret}@127.0.0.1:{secret}/app",
    "mysql://ann:{secret}@127.0.0.1/app",
    "{secret}",
)
REDISES: Final = (
    "redis://:{secret}@127.0.0.1:9/0",
    "redis://{secret}@127.0.0.1:9/0",
    "rediss://u:{secret}@127.0.0.1:9/0",
    "redis://127.0.0.1:9/0?password={secret}",
    "redis://127.0.0.1:9/0?whatever={secret}",
    "redis://:{secret}@127.0.0.1:port/0",
    "{secret}",
)
COMMANDS: Final = (
    ["doctor", "--config", "database", "redis"],
    ["doctor", "--config", "--json", "redis"],
    ["list"],
)
SECRETS: Final = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=8, max_size=24
)


@pytest.fixture
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Run in an empty folder, with no setting of this machine."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("RUNNER_", "XAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XAI_API_KEY", "xai-any-key")
    yield
    logging.setLogRecordFactory(logging.LogRecord)


def is_leaked(secret: str, written: str, shown: str) -> bool:
    """Return whether an output has a secret in it; the boxes of `doctor` break lines anywhere."""
    flat = "".join(shown.split())
    return any(text in flat for text in ("canary-" + secret, "canary-" + written))


@pytest.mark.usefixtures("_clean")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=SECRETS,
    is_quoted=st.booleans(),
    database=st.sampled_from(DATABASES),
    redis=st.sampled_from(REDISES),
    words=st.sampled_from(COMMANDS),
)
def test_no_command_shows_a_secret(
    secret: str,
    is_quoted: bool,
    database: str,
    redis: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Servers that cannot be reached, and settings that are wrong."""
    written = quote(secret, safe="") if is_quoted else secret
    monkeypatch.setenv("RUNNER_DATABASE_URL", database.format(secret="canary-" + written))
    monkeypatch.setenv("RUNNER_REDIS_URL", redis.format(secret="canary-" + written))

    assert call(words) in (2, 5)

    captured = capfd.readouterr()
    assert not is_leaked(secret, written, captured.out + captured.err)


@pytest.mark.usefixtures("_clean")
@pytest.mark.parametrize("url", [*DATABASES, *REDISES])
def test_logs_and_bug_reports_hide_what_drivers_repeat(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also the traceback of an exception that has the URL or the password in its text."""
    written = url.format(secret="hunter2-of-mine")
    name = "RUNNER_DATABASE_URL" if url in DATABASES else "RUNNER_REDIS_URL"
    monkeypatch.setenv(name, written)
    from runner.settings import known_secrets

    log_redaction.install(known_secrets())
    message, path = _log_and_report(written)
    assert path is not None
    assert "hunter2-of-mine" not in caplog.text + message + path.read_text()
    assert "failed at" in caplog.text


def _log_and_report(url: str) -> tuple[str, Path | None]:
    try:
        _fail(url)
    except RuntimeError as error:
        logging.getLogger("runner.test").exception("failed at %s", url)
        return bug_report.write(error)
    raise AssertionError


def _fail(url: str) -> None:
    raise RuntimeError(f"cannot use {url} with hunter2-of-mine")


def test_a_log_record_with_wrong_arguments_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """Its handler reports it, as without redaction."""
    log_redaction.install(["secret-word"])
    try:
        logging.getLogger("runner.test").makeRecord("n", 10, "f", 1, "%d of %d", ("one",), None)
        logging.getLogger("runner.test").warning("all %s", "secret-words")
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert caplog.messages == ["all ***s"]
