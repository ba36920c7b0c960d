"""Files from the web: streamed to the disk, resumed where they broke off, believed by their hash.

What has come of a file lies beside it as `.part`, so that a later run goes on from there. A file
gets its name when it is whole, and its hash is looked at whenever it is read.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from lmtune.datasets.progress import tell
from lmtune.errors import DataError, Problem

_TIMEOUT_S = 30.0
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Before each new try that follows one which brought nothing."""
_CHUNK_BYTES = 1 << 14
_BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_HEADERS = {"User-Agent": "lmtune", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Remote:
    """A file on the web.

    Attributes:
        url: http or https.
        sha256: of its content. None where nobody knows it: that of the first download is then kept
            beside the file and holds from then on.
        max_bytes: a larger file is refused.
    """

    url: str
    sha256: str | None
    max_bytes: int


def downloads(project: Path) -> Path:
    """The folder of a project that downloaded files lie in."""
    return project / "data" / "downloads"


def fetch(remote: Remote, path: Path, *, where: str) -> bytes:
    """Return the content of a file, downloaded first where it is not there yet.

    Args:
        remote: where it comes from.
        path: where it is kept.
        where: place in the sweep file, for the messages.

    Raises:
        DataError: it cannot be had, is too large, or is not what its hash says.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            known = remote.sha256 or _recorded(path)
            if not path.exists():
                _Download(remote, path, known, where).run()
            content = path.read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if known is None:
                _record(path, found)
    except OSError as error:
        what = f"downloads cannot be kept: {error.strerror}"
        expected = "a folder with write permission and free space"
        fix = "free space or change permissions there, or run in another folder"
        raise DataError(Problem(str(path.parent), what, expected, fix)) from error
    if known not in (None, found):
        what = f"{path} has the sha256 {found}: it was changed after its download"
        fix = "remove the file: the next run downloads it anew"
        raise DataError(Problem(where, what, f"sha256 {known}", fix))
    return content


class _BrokenOff(Exception):
    """A connection ended before its file did; another may bring the rest."""


class _Download:
    """One file on its way to the disk, over as many connections as it takes.

    Args:
        remote: where it comes from.
        path: the name that it gets when it is whole.
        known: its hash, if it is known.
        where: place in the sweep file, for the messages.
    """

    def __init__(self, remote: Remote, path: Path, known: str | None, where: str) -> None:
        self._remote = remote
        self._path = path
        self._known = known
        self._where = where
        self._part = path.with_name(f"{path.name}.part")
        self._version: str | None = None

    def run(self) -> None:
        """Bring the file.

        Raises:
            DataError: as `fetch`.
        """
        if self._known is None:
            # It may be the beginning of another version, and no hash would tell.
            self._part.unlink(missing_ok=True)
        is_resumed = self._size > 0
        self._bring()
        if is_resumed and not self._is_whole():
            self._part.unlink()
            self._bring()
        if self._known is not None and not self._is_whole():
            raise self._wrong_content()
        self._part.rename(self._path)

    @property
    def _size(self) -> int:
        """How many bytes have come."""
        return self._part.stat().st_size if self._part.exists() else 0

    def _is_whole(self) -> bool:
        if self._known is None or not self._part.exists():
            return False
        with self._part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self._known

    def _bring(self) -> None:
        """Connect until all is there, and give up where new tries bring nothing new."""
        most, num_failed = self._size, 0
        while True:
            try:
                self._connect()
            except _BrokenOff as error:
                if self._is_whole():  # only its announced length was wrong
                    return
                num_failed = 0 if self._size > most else num_failed + 1
                most = max(most, self._size)
                if num_failed > len(_PAUSES_S):
                    raise self._given_up(str(error)) from error
            else:
                return
            time.sleep(_PAUSES_S[max(0, num_failed - 1)])

    def _connect(self) -> None:
        """Add to the part what one connection brings.

        Raises:
            _BrokenOff: that was not all.
            DataError: there is no use in trying again.
        """
        start = self._size if self._known or self._version else 0
        with self._open(start) as response:
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                start = 0  # the server sends all of it, whatever was asked for
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                self._part.unlink()
                raise _BrokenOff("the server sent another part of the file than was asked for")
            self._version = _version(response)
            announced = response.headers.get("Content-Length", "")
            size = start + int(announced) if announced.isdecimal() else None
            self._refuse_large(size or 0)
            self._write(response, start, size)

    def _open(self, start: int) -> http.client.HTTPResponse:
        headers = dict(_HEADERS)
        if start:
            headers["Range"] = f"bytes={start}-"
        if start and not self._known and self._version:
            headers["If-Range"] = self._version
        request = urllib.request.Request(self._remote.url, headers=headers)
        try:
            response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            with error:
                raise self._answered(error) from error
        except urllib.error.URLError as error:
            reason = error.reason
            if isinstance(reason, (socket.gaierror, ssl.SSLCertVerificationError)):
                raise self._unreachable(reason.strerror or str(reason)) from error
            raise _BrokenOff(str(reason)) from error
        except (http.client.HTTPException, OSError) as error:
            raise _BrokenOff(_said(error)) from error
        return response

    def _write(self, response: http.client.HTTPResponse, start: int, size: int | None) -> None:
        """Write a response behind the first `start` bytes of the part."""
        done = start
        what = f"downloading {self._remote.url.rstrip('/').rsplit('/', 1)[-1]}"
        with self._part.open("ab" if start else "wb") as file:
            for chunk in _chunks(response):
                done += len(chunk)
                self._refuse_large(done)
                file.write(chunk)
                tell(what, done, size)
        if size is not None and done < size:
            raise _BrokenOff(f"{done} of {size} bytes came")

    def _refuse_large(self, size: int) -> None:
        limit = self._remote.max_bytes
        if size <= limit:
            return
        self._part.unlink(missing_ok=True)
        raise self._error(
            f"{self._remote.url} has more than the {limit} bytes that are allowed",
            "a file within the limit",
            f"if it is the right one, give it as {{type: url, ...}} with max_mib above "
            f"{limit >> 20}",
        )

    def _answered(self, error: urllib.error.HTTPError) -> Exception:
        """What to raise where the server did not send the file."""
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._part.exists():
            # Nothing is left to be sent. If a hash is known, it decides whether all is there.
            if not self._is_whole():
                self._part.unlink()
            return _BrokenOff("the server has no more of the file")
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _BUSY:
            return _BrokenOff(f"HTTP {error.code} {error.reason}")
        return self._error(
            f"{self._remote.url} answers HTTP {error.code} {error.reason}",
            "the file",
            f"correct the address, or put the file at {self._path}",
        )

    def _unreachable(self, reason: str) -> DataError:
        return self._error(
            f"{self._remote.url} cannot be reached: {reason}",
            "a connection to the web, the first time that the file is needed",
            f"connect and run the same command again, or put the file at {self._path}",
        )

    def _given_up(self, reason: str) -> DataError:
        if self._size == 0:
            return self._unreachable(reason)
        return self._error(
            f"{self._remote.url} broke off {len(_PAUSES_S) + 1} times at byte {self._size}: "
            f"{reason}",
            "the whole file",
            "run the same command again later: it goes on from there",
        )

    def _wrong_content(self) -> DataError:
        with self._part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        size = self._size
        self._part.unlink()
        fix = "check the address and the hash; nothing was kept"
        if self._remote.sha256 is None:
            fix = f"if the file was meant to change, remove {_hash_file(self._path)}"
        return self._error(
            f"{self._remote.url} sent {size} bytes with the sha256 {found}",
            f"sha256 {self._known}",
            fix,
        )

    def _error(self, what: str, expected: str, fix: str) -> DataError:
        return DataError(Problem(self._where, what, expected, fix))


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """What a connection brings, to its last byte.

    Raises:
        _BrokenOff: it ended too early, as far as the connection itself can tell.
    """
    try:
        while chunk := response.read(_CHUNK_BYTES):
            yield chunk
    except http.client.IncompleteRead as error:
        yield error.partial
        raise _BrokenOff(_said(error)) from error
    except (http.client.HTTPException, OSError) as error:
        raise _BrokenOff(_said(error)) from error


def _said(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error) or type(error).__name__


def _version(response: http.client.HTTPResponse) -> str | None:
    """What tells this content of the address from a later one; None where nothing does."""
    tag: str = response.headers.get("ETag", "")
    is_strong = tag.startswith('"')
    return tag if is_strong else response.headers.get("Last-Modified")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from downloading into a folder at the same time."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another process to download", 0, None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _hash_file(path: Path) -> Path:
    """Where the hash of a first download is kept, in the form that `sha256sum --check` reads."""
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    hash_file = _hash_file(path)
    words = hash_file.read_text(encoding="utf-8").split() if hash_file.exists() else []
    return words[0] if words else None


def _record(path: Path, sha256: str) -> None:
    hash_file = _hash_file(path)
    aside = hash_file.with_name(f"{hash_file.name}.part")
    aside.write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
    aside.rename(hash_file)
