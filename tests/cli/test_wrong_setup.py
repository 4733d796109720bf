"""Proxies, certificates and keys that cannot be used are settings: exit 2, by name, without secrets."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import Called, run_command
from live_runner import LiveRunner, wait_until, write_jobs

from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY: Final = "xai-canary-0123456789-wxyz"
RUNNER: Final = (sys.executable, "-m", "runner")
SECRET: Final = "s3cr3t-of-proxy"


class Nowhere:
    """Replaces a simulator where only the environment matters."""

    url = "https://127.0.0.1:9/v1"


class Place:
    """A folder with a job file, and an environment in which nothing can be reached."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        write_jobs(folder / "jobs.jsonl", 1)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RUNNER_", "XAI_", "SSL_")) and "proxy" not in name.lower()
        }
        ours = {
            "RUNNER_HOME": str(folder / "home"),
            "XAI_API_KEY": KEY,
            "XAI_BASE_URL": "https://127.0.0.1:9/v1",
        }
        self.env = kept | ours | env

    def call(self, *words: str) -> Called:
        """Run a command that ends by itself, with any exit code."""
        return run_command(words, self.folder, self.env, *ExitCode)

    def failed_checks(self) -> list[dict[str, Any]]:
        """Run doctor; return the checks that failed."""
        done = self.call("doctor", "--json")
        assert done.code != 0
        return [check for check in json.loads(done.stdout)["checks"] if check["state"] == "failed"]

    def is_refused(self, words: str) -> str:
        """Assert that `run` ends at once with exit 2 and doctor prints the same; return what `run` prints."""
        done = self.call("run", "jobs.jsonl")
        shown = " ".join(done.stderr.split())
        assert done.code == 2, shown
        assert words in shown
        assert "fix: " in shown
        (failed,) = self.failed_checks()
        assert words in failed["told"]
        assert f"error: {failed['told']}" in shown
        return shown


PROXIES: Final = {
    "socks": ({"HTTPS_PROXY": f"socks5://ann:{SECRET}@127.0.0.1:1080"}, "HTTPS_PROXY names a SOCKS proxy"),
    "no port": ({"HTTPS_PROXY": f"http://ann:{SECRET}@proxy:port"}, "HTTPS_PROXY has a port that is none"),
}


@pytest.mark.parametrize("case", PROXIES)
def test_a_proxy_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    """Not a wait without end."""
    env, words = PROXIES[case]
    assert SECRET not in Place(tmp_path, **env).is_refused(words)


def test_commands_that_do_not_talk_to_the_api_do_not_mind(tmp_path: Path) -> None:
    """Nor do runs to this machine by plain http, such as those to the simulator."""
    place = Place(tmp_path, HTTPS_PROXY="socks5://127.0.0.1:1080", SSL_CERT_FILE="/nowhere.pem")
    assert place.call("load", "jobs.jsonl").code == 0
    for words in (
        ("list",),
        ("status",),
        ("summary", "1"),
        ("write", "1", "-o", "out.jsonl"),
        ("check", "jobs.jsonl"),
    ):
        done = place.call(*words)
        assert done.code == 0, done.stderr
    for starting in (("start", "1"), ("resume", "1"), ("start", "1", "--detach")):
        done = place.call(*starting)
        assert done.code == 2
        assert "SSL_CERT_FILE" in done.stderr


@contextmanager
def socks_server() -> Iterator[str]:
    """Run a listener that replies as a SOCKS server does to what is not SOCKS; yield its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_reply, args=[listener], daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def _reply(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)
            connection.sendall(b"\x05\xff")


@pytest.mark.parametrize("form", ["http://{}", "{}"])
def test_a_proxy_that_speaks_no_http_is_told_as_its_fault(form: str, tmp_path: Path) -> None:
    """It may be repaired meanwhile, so a run waits; the proxy is named, and its variable."""
    with socks_server() as at:
        place = Place(tmp_path, HTTPS_PROXY=form.format(at))
        (failed,) = place.failed_checks()
        assert failed["told"] == f"the proxy {at} does not reply as an HTTP proxy does"
        assert "HTTPS_PROXY" in failed["fix"]
        with LiveRunner(tmp_path, Nowhere(), **place.env) as home:  # type: ignore[arg-type]
            command = home.start("run", "jobs.jsonl")
            wait_until(lambda: "continues by itself" in command.output, "the run prints why it waits")
            assert f"waiting: the proxy {at} does not reply as an HTTP proxy does" in command.output
            os.kill(command.pid, signal.SIGINT)
            assert command.wait() == 130


def test_a_proxy_without_a_scheme_is_http(tmp_path: Path) -> None:
    """It is tried; here nothing listens there."""
    (failed,) = Place(tmp_path, HTTPS_PROXY="127.0.0.1:9").failed_checks()
    assert failed["told"] == "the proxy 127.0.0.1:9 cannot be reached (connection refused)"


def test_a_file_of_certificates_that_is_not_there(tmp_path: Path) -> None:
    """OpenSSL ignores it in silence, and then no certificate of any server is accepted."""
    missing = tmp_path / "nope.pem"
    shown = Place(tmp_path, SSL_CERT_FILE=str(missing)).is_refused("what SSL_CERT_FILE names is not there")
    assert str(missing) in shown


KEYS: Final = {
    "quotes": (f'"{KEY}"', "has quotation marks around it"),
    "zero width": (f"{KEY}\u200b", "has an invisible character in it (zero width space)"),
}


@pytest.mark.parametrize(("case", "source"), [("quotes", "XAI_API_KEY"), ("zero width", "XAI_API_KEY_FILE")])
def test_a_key_that_was_copied_with_more(case: str, source: str, tmp_path: Path) -> None:
    """By an environment file of Docker, or from a web page; no part of it is shown."""
    value, words = KEYS[case]
    (tmp_path / "key").write_text(value + "\n", encoding="utf-8")
    place = Place(tmp_path, XAI_API_KEY="")
    place.env[source] = value if source == "XAI_API_KEY" else str(tmp_path / "key")
    shown = place.is_refused(words)
    assert "canary" not in shown
    assert f"{source} has" in shown


def test_white_space_around_a_key_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """In a file a last line break is as it should be."""
    place = Place(tmp_path, XAI_API_KEY=f" {KEY}\r\n")
    done = place.call("doctor", "--config", "state-folder")
    assert done.code == 0
    assert "set (…wxyz)" in done.stdout
    assert "XAI_API_KEY has white space around the key" in done.stderr
    (tmp_path / "key").write_text(KEY + "\r\n")
    del place.env["XAI_API_KEY"]
    place.env["XAI_API_KEY_FILE"] = str(tmp_path / "key")
    assert place.call("doctor", "state-folder").stderr == ""
