"""Probes: how many jobs try out an unknown model, and how often an unavailable service is asked."""

from __future__ import annotations

from typing import Final

PROBES: Final = 8  # jobs of a model in flight while the latency or the cost of its answers is unknown
PROBE_WAIT_S_MAX: Final = 30.0  # an unavailable service is probed at least this often
UNAVAILABLE_AFTER: Final = 3  # failures in a row, after which a service counts as unavailable
