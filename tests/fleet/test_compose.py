"""The compose file is valid, and its services work together with the environment that it gives.

No container engine is needed: each service's command runs as a process here, PostgreSQL and Redis from the
system's packages. Service names are replaced by loopback addresses, container paths by temporary folders.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ledger
import pytest
from live_runner import KEY, WITHIN_S, wait_until, write_jobs
from ruamel.yaml import YAML
from servers import Postgres, free_port, redis_program

from runner.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable).parent
FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return the parsed compose file."""
    content: dict[str, Any] = YAML(typ="safe").load(FILE.read_text())
    return content


def test_the_file_is_what_the_specification_asks_for() -> None:
    """It is valid by the published schema of the Compose specification."""
    words = [str(PYTHON / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_kept_alive_and_looked_after(compose: dict[str, Any]) -> None:
    """Restarts, health checks, no open ports, secrets by file, data on named volumes, time to drain."""
    services = compose["services"]
    assert set(services) == {"postgres", "redis", "migrate", "worker", "beat", "simulate"}
    for name, service in services.items():
        assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
        assert ("healthcheck" in service) == (name != "migrate")
        assert "ports" not in service
        assert "container_name" not in service, "it could not be scaled"
        for variable, value in service.get("environment", {}).items():
            assert not re.search("KEY$|PASSWORD$|DATABASE_URL$", variable), f"{variable} is to come by a file"
            assert "secret" not in str(value) or str(value).startswith("/run/secrets/")
        for mount in service.get("volumes", []):
            assert mount.split(":")[0] in compose["volumes"]
    for secret in compose["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    worker = services["worker"]
    grace_s = int(worker["stop_grace_period"].removesuffix("s"))
    assert grace_s > load({"HOME": "/"}, Path("/")).drain_s
    assert any(mount.endswith(":/var/lib/runner") for mount in worker["volumes"])
    assert services["simulate"]["profiles"] == ["simulate"]


def test_the_image_is_small_and_has_no_rights() -> None:
    """Two stages, the last without sources; its own user without rights; all copied paths exist."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    stages = [n for n, (word, _) in enumerate(steps) if word == "FROM"]
    last = steps[stages[-1] :]
    assert len(stages) == 2
    assert ["USER", "runner"] in last
    assert not any(word == "COPY" and "--from=build" not in rest for word, rest in last)
    assert "--uid 10001" in " ".join(rest for _, rest in last)
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for word, rest in steps[: stages[-1]]:
        for source in shlex.split(rest)[:-1] if word == "COPY" else []:
            assert (ROOT / source).exists()
            assert f"!{source}" in allowed


class ComposeServices:
    """Runs the services of the compose file as processes.

    `places` maps service addresses and container paths to local ones.
    """

    def __init__(self, compose: dict[str, Any], folder: Path, env: Mapping[str, str]) -> None:
        self.services, self.folder, self._env = compose["services"], folder, env
        self.places: dict[str, str] = {"/run/secrets": str(folder / "secrets")}
        self.places["/var/lib/runner"] = str(folder / "spool")
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []
        for name in ("secrets", "spool", "spool/output", "logs"):
            (folder / name).mkdir(mode=0o700)

    def substitute(self, word: str) -> str:
        """Return a word with its variables and places replaced."""
        word = VARIABLE.sub(lambda found: self._env.get(found[1], "") or found[2], word)
        for inside, local in self.places.items():
            word = word.replace(inside, local)
        return word

    def environment(self, service: str) -> dict[str, str]:
        """Return a service's environment; PATH and RUNNER_HOME come from the image."""
        given = self.services[service].get("environment", {})
        image = {"PATH": f"{PYTHON}:{os.environ['PATH']}", "RUNNER_HOME": self.substitute("/var/lib/runner")}
        return image | {name: self.substitute(str(value)) for name, value in given.items()}

    def start(self, service: str, *more: str) -> subprocess.Popen[bytes]:
        """Start a service's command."""
        words = [self.substitute(word) for word in self.services[service]["command"]]
        number = len(self._started)
        with (self.folder / "logs" / f"{service}-{number}").open("wb") as log:
            process = subprocess.Popen(
                [*words, *more], env=self.environment(service), cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._started.append((service, process))
        return process

    def run(self, service: str, *words: str) -> str:
        """Run a command with a service's environment, as `docker compose run` would; return its stdout."""
        done = subprocess.run(
            words, env=self.environment(service), cwd=self.folder, capture_output=True, text=True,
            check=False, timeout=WITHIN_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def is_healthy(self, service: str, *more: str) -> bool:
        """Return whether the service's health check passes; `more`: the server's local address."""
        kind, program, *words = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            [program, *more, *map(self.substitute, words)],
            env=self.environment(service),
            capture_output=True,
            check=False, timeout=WITHIN_S,
        )  # fmt: skip
        return done.returncode == 0

    def stop(self, service: str) -> Iterator[int]:
        """Stop a service's processes as compose does; yield their exit codes."""
        for name, process in self._started:
            if name == service and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                yield process.wait(WITHIN_S)

    def end(self) -> None:
        """Kill all processes that still run."""
        for _, process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_its_services_work_together(compose: dict[str, Any], tmp_path: Path) -> None:
    """From an empty database to written files, with two workers; then all services end by SIGTERM."""
    port, redis_port = free_port(), free_port()
    env = {"XAI_BASE_URL": "http://simulate:8000/v1", "RUNNER_ALLOW_HTTP_HOST": "simulate"}
    stack = ComposeServices(compose, tmp_path, env)
    with Postgres() as postgres, contextlib.ExitStack() as at_end:
        at_end.callback(stack.end)
        (tmp_path / "secrets" / "xai_api_key").write_text(KEY + "\n")
        (tmp_path / "secrets" / "database_url").write_text(postgres.url + "\n")
        stack.places |= {"simulate:8000": f"127.0.0.1:{port}", "8000": str(port)}
        stack.places |= {"redis:6379": f"127.0.0.1:{redis_port}", "redis-server": str(redis_program())}
        stack.start("simulate")
        stack.start("redis", "--port", str(redis_port), "--dir", str(tmp_path))
        health = stack.services["postgres"]["healthcheck"]["test"][1]
        server = ["--host=127.0.0.1", f"--port={postgres.port}"]
        wait_until(lambda: not subprocess.run([health, *server], check=False, capture_output=True).returncode,
                   "PostgreSQL is healthy")  # fmt: skip
        wait_until(lambda: stack.is_healthy("redis", "-p", str(redis_port)), "redis is healthy")
        wait_until(lambda: stack.is_healthy("simulate"), "the simulator is healthy")
        assert stack.start("migrate").wait(WITHIN_S) == 0
        workers = [stack.start("worker") for _ in range(2)]
        beat = stack.start("beat")
        jobs = write_jobs(tmp_path / "jobs.jsonl", 150)
        run = stack.run("worker", "runner", "load", str(jobs)).strip()
        stack.run("worker", "runner", "start", run, "--detach")
        stack.run("worker", "runner", "watch", run, "--exit-status", "--quiet")
        wait_until(lambda: stack.is_healthy("worker"), "the worker is healthy")
        wait_until(lambda: stack.is_healthy("beat"), "the beat is healthy")
        out = tmp_path / "spool" / "output" / f"jobs-{run}.results.jsonl"
        wait_until(
            lambda: out.with_suffix("").with_suffix(".results.summary.json").exists(), "files are written"
        )

        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_books?jobs=1", timeout=WITHIN_S) as reply:
            books = json.load(reply)
        assert ledger.check(postgres.url, out, jobs, books) == []
        assert all(process.poll() is None for process in (*workers, beat))
        for service, codes in (("worker", {143}), ("beat", {0, 143, -signal.SIGTERM})):
            ends = list(stack.stop(service))
            assert ends
            assert {*ends} <= codes, (tmp_path / "logs").glob("*")
