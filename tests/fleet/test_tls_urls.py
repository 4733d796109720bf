"""PostgreSQL and Redis over TLS, selected by their URLs."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from hosts import Host
from live_runner import NO_LIMITS, RUN, Simulator, write_jobs
from servers import NOBODY, Postgres, RedisServer, free_port

if TYPE_CHECKING:
    from pathlib import Path


def certificates(folder: Path) -> None:
    """Create an authority, and a certificate for localhost that it signed."""
    folder.mkdir()
    (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile san -out cert.pem",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True, timeout=60)


def test_a_run_over_tls(tmp_path: Path) -> None:
    """`sslmode=verify-full` and `rediss://`: certificates are verified, and a wrong authority is refused."""
    folder = tmp_path / "tls"
    certificates(folder)
    tls_port = free_port()
    redis_flags = [
        *("--tls-port", str(tls_port), "--tls-cert-file", str(folder / "cert.pem")),
        *("--tls-key-file", str(folder / "key.pem"), "--tls-ca-cert-file", str(folder / "ca.pem")),
        *("--tls-auth-clients", "no"),
    ]
    with (
        Postgres() as postgres,
        RedisServer(*redis_flags),
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.3") as simulator,
    ):
        data = postgres.folder / "data"
        for name, target in (("cert.pem", "server.crt"), ("key.pem", "server.key")):
            (data / target).write_bytes((folder / name).read_bytes())
            (data / target).chmod(0o600)
            if os.getuid() == 0:
                os.chown(data / target, NOBODY, NOBODY)
        postgres.stop()
        postgres.settings += ("ssl=on",)
        postgres.start()
        database_url = f"{postgres.url}?sslmode=verify-full&sslrootcert={folder / 'ca.pem'}"
        redis_url = f"rediss://localhost:{tls_port}/0?ssl_ca_certs={folder / 'ca.pem'}"
        with Host(tmp_path / "a", simulator, database_url, redis_url) as host:
            write_jobs(host.folder / "jobs.jsonl", 60)
            upgraded = host.start("db", "upgrade")
            assert upgraded.wait() == 0, upgraded.output
            host.worker("--beat")
            command = host.start(*RUN)
            assert command.wait() == 0, command.output
            assert host.ledger_errors(simulator) == []
            doctor = host.start("doctor", "redis", "database")
            assert doctor.wait() == 0, doctor.output
            used = postgres.execute("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                                " WHERE datname = 'fleet' AND client_port IS NOT NULL")  # fmt: skip
            assert (True,) in used

        wrong_authority = redis_url.replace("ca.pem", "cert.pem")
        with Host(tmp_path / "b", simulator, database_url, wrong_authority) as host:
            doctor = host.start("doctor", "redis")
            assert doctor.wait() == 5
            assert "certificate" in doctor.output
