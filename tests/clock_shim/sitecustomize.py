"""Read by every Python that is started with this folder in PYTHONPATH: its wall clock is as a file says.

The steady clocks stay the machine's. libfaketime cannot do that here: with it, every sleep fails.
"""

import os
import time
from pathlib import Path

_TOLD = os.environ.get("TEST_CLOCK_FILE")
_time, _time_ns = time.time, time.time_ns


def _ahead_s() -> float:
    return float(Path(str(_TOLD)).read_text(encoding="ascii"))


if _TOLD:
    time.time = lambda: _time() + _ahead_s()
    time.time_ns = lambda: _time_ns() + int(_ahead_s() * 1e9)
