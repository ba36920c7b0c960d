"""Says what the tests of this folder counted, beside what pytest itself says."""

from __future__ import annotations

import pytest


def show(config: pytest.Config, line: str) -> None:
    """Print a line to the terminal, whatever pytest captures; to nowhere in a worker of xdist."""
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if capture is None or reporter is None:
        return
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(line)
