"""A gateway repeats the key or a proxy's password in what it replies: it is kept and shown nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_calls import run_command
from live_runner import KEY, NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

from runner.simulator.gateway_faults import ECHOES

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 40
PASSWORD = "Tr0ub4dor & three"
# Without a scheme; plain http to this machine does not use it.
PROXY = "ann:Tr0ub4dor%20%26%20three@proxy.example:3128"
SAID = "%gateway does not take this request%"
TOLD = f"SELECT DISTINCT error_code FROM attempts WHERE error_message LIKE '{SAID}'"
KEPT = f"SELECT COUNT(*) FROM unreadables WHERE CAST(last_body AS TEXT) LIKE '{SAID}'"
NAMES = "SELECT MIN(custom_id) FROM jobs GROUP BY state, error_code"


def leaks(folder: Path) -> list[Path]:
    """Return the files with the key or the password in them."""
    secrets = (KEY.encode(), PASSWORD.encode())
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
    ]


@pytest.mark.parametrize("point", ["submit", "fetch"])
def test_what_a_gateway_repeats_of_a_request_is_hidden(point: str, tmp_path: Path) -> None:
    """Database, spool, logs, output files, what commands print: the reply is there, its secrets are not."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.2") as simulator,
        LiveRunner(tmp_path, simulator, HTTPS_PROXY=PROXY) as home,
    ):
        simulator.switch(faults={f"{point}:{kind}": 0.15 for kind in ECHOES}, echo=PASSWORD)
        command = home.start()
        wait_until(lambda: set(simulator.books()["faults"]) == set(ECHOES), "each reply came")
        if point == "submit":
            wait_until(lambda: len(home.query(TOLD)) >= 3, "what it said is kept")
        else:
            wait_until(lambda: home.count(KEPT), "what it said is kept")
        simulator.switch(faults={})
        assert command.wait() in (0, 1), command.output
        wait_until(home.has_no_processes, "nobody writes its files any more")
        shown = [
            run_command(["show", "1", name, *flags], tmp_path, home.env, 0, 2).output
            for (name,) in home.query(NAMES)
            for flags in ((), ("--raw",), ("--json",))
        ]
        shown.append(command.output)
        assert not [text for text in shown if KEY in text or PASSWORD in text]
        assert leaks(tmp_path) == []
        assert home.ledger_errors(simulator) == []
