"""`python -m runner` is the same as `runner`."""

from __future__ import annotations

from runner.cli.main import main

main()
