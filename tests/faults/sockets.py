"""Where the processes of a session listen, as Linux says it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.e2e.command import processes

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same within IPv6, and ::1, in the kernel's notation."""

_LISTEN = "0A"


def listening(session: int) -> set[tuple[str, str]]:
    """The addresses and ports of TCP servers, in the kernel's notation.

    Args:
        session: process id of its leader.
    """
    addresses = dict(_sockets())
    return {
        addresses[socket]
        for pid in processes(session)
        for socket in _open_files(pid)
        if socket in addresses
    }


def _sockets() -> Iterator[tuple[str, tuple[str, str]]]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN:
                address, _, port = fields[1].partition(":")
                yield f"socket:[{fields[9]}]", (address, port)


def _open_files(pid: int) -> Iterator[str]:
    with suppress(OSError):  # the process, or one of its files, is gone
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield str(entry.readlink())
