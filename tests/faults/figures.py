"""Says what the tests of this folder counted, beside what pytest itself says."""

from __future__ import annotations

import pytest

FIGURES = "figures"


def show(config: pytest.Config, line: str) -> None:
    """Print a line to the terminal, whatever pytest captures; a worker of xdist hands it over."""
    if hasattr(config, "workeroutput"):  # printed by the hook in tests/conftest.py
        config.workeroutput.setdefault(FIGURES, []).append(line)
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if capture is None or reporter is None:
        return
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(line)
