"""Stall detection: a worker without new heartbeats is found, by the engine's monotonic clock alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from runner.embedded.children import ChildProcesses
from runner.embedded.stall_detection import STALLED_S, StallDetector


def test_only_who_gives_no_new_sign_for_long_is_silent() -> None:
    """Only changes of a heartbeat count, not its value; a process without one is still starting."""
    now_s = [0.0]
    detector = StallDetector(lambda: now_s[0])
    assert detector.stalled({1: 1_000, 2: 1_000}, [1, 2, 3]) == []
    now_s[0] = STALLED_S
    assert detector.stalled({1: 1_000, 2: 5}, [1, 2, 3]) == []
    now_s[0] = STALLED_S + 1
    assert detector.stalled({1: 1_000, 2: 5}, [1, 2, 3]) == [1]
    assert detector.stalled({1: 1_001, 2: 5}, [1, 2, 3]) == []
    now_s[0] = 3 * STALLED_S
    assert detector.stalled({1: 1_001, 2: 6, 3: 1}, [1, 2, 3]) == [1]


def test_a_frozen_worker_can_be_killed() -> None:
    """SIGKILL ends what SIGSTOP has stopped."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    os.kill(child.pid, signal.SIGSTOP)
    ChildProcesses.kill_workers([child], [child.pid])
    assert child.wait() == -signal.SIGKILL
