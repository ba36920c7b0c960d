"""Downloads from a server that breaks off, lies about lengths and sends the wrong bytes."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmtune.datasets import download, watched_by
from lmtune.datasets.download import Remote, fetch
from lmtune.errors import DataError
from tests.datasets.web_site import (
    Answer,
    Handler,
    Site,
    announcing,
    breaking_off,
    failing,
    serving,
    well,
    whole,
)

CONTENT = random.Random(0).randbytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = b"other bytes"
WHERE = "sweep.yaml:3: corpus"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSES_S", (0.0,) * 4)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(CONTENT) as site:
        yield site


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "downloads" / "text"


def bring(
    site: Site, path: Path, sha256: str | None = SHA256, max_bytes: int = len(CONTENT)
) -> bytes:
    return fetch(Remote(site.url, sha256, max_bytes), path, where=WHERE)


def refusal(site: Site, path: Path, max_bytes: int = len(CONTENT)) -> str:
    with pytest.raises(DataError) as caught:
        bring(site, path, max_bytes=max_bytes)
    return str(caught.value)


def ranges(site: Site) -> list[str | None]:
    """Which part each request asked for."""
    return [headers.get("Range") for headers in site.requests]


def left(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if each.name != ".lock")


def test_file_when_downloaded_is_kept_under_its_name(site: Site, path: Path) -> None:
    assert bring(site, path) == CONTENT
    assert path.read_bytes() == CONTENT
    assert left(path) == ["text"]
    assert bring(site, path) == CONTENT
    assert len(site.requests) == 1, "what is there is not downloaded again"


def test_connection_when_it_breaks_off_is_followed_by_one_for_the_rest(
    site: Site, path: Path
) -> None:
    site.answers += [breaking_off(30_000), breaking_off(20_000)]
    assert bring(site, path) == CONTENT
    assert ranges(site) == [None, "bytes=30000-", "bytes=50000-"]


def test_connection_when_it_breaks_off_in_a_chunk_is_followed_by_one_for_the_rest(
    site: Site, path: Path
) -> None:
    def in_chunks(handler: Handler, content: bytes) -> None:
        handler.protocol_version = "HTTP/1.1"
        body = b"4000\r\n" + content[:0x4000] + b"\r\n4000\r\n" + content[0x4000:0x5000]
        handler.send(200, body, Content_Length=None, Transfer_Encoding="chunked")

    site.answers.append(in_chunks)
    assert bring(site, path) == CONTENT
    assert len(site.requests) == 2


def test_connection_when_it_breaks_off_and_the_rest_is_not_to_be_had_begins_again(
    site: Site, path: Path
) -> None:
    site.answers += [breaking_off(30_000), whole]
    assert bring(site, path) == CONTENT
    assert ranges(site) == [None, "bytes=30000-"]


def test_connection_when_it_always_breaks_off_is_given_up_and_gone_on_with_later(
    site: Site, path: Path
) -> None:
    def breaking_off_there(handler: Handler, content: bytes) -> None:
        breaking_off(30_000 - handler.range_start())(handler, content)

    site.otherwise = breaking_off_there
    assert refusal(site, path) == (
        f"{WHERE}: {site.url} broke off 5 times at byte 30000: 30000 of 100000 bytes came\n"
        "  Expected: the whole file\n"
        "  Fix: run the same command again later: it goes on from there"
    )
    assert left(path) == ["text.part"]
    site.otherwise = well
    site.requests.clear()
    assert bring(site, path) == CONTENT
    assert ranges(site) == ["bytes=30000-"]


def test_connection_when_nothing_more_comes_is_followed_by_another(
    site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.2)
    is_over = threading.Event()

    def stalling(handler: Handler, content: bytes) -> None:
        breaking_off(1 << 15)(handler, content)
        is_over.wait(10)

    site.answers.append(stalling)
    assert bring(site, path) == CONTENT
    is_over.set()
    assert ranges(site) == [None, "bytes=32768-"]


def test_address_when_it_has_moved_is_followed(site: Site, path: Path) -> None:
    def moved(handler: Handler, content: bytes) -> None:
        handler.send(302, b"", Location=site.url)

    site.answers += [breaking_off(30_000), moved]
    assert bring(site, path) == CONTENT
    assert ranges(site) == [None, "bytes=30000-", "bytes=30000-"]


def test_part_when_it_is_of_another_file_is_thrown_away(site: Site, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.with_name("text.part").write_bytes(OTHER)
    assert bring(site, path) == CONTENT
    assert ranges(site) == [f"bytes={len(OTHER)}-", None]


def test_part_when_it_is_all_there_needs_no_more(site: Site, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.with_name("text.part").write_bytes(CONTENT)
    assert bring(site, path) == CONTENT
    assert ranges(site) == [f"bytes={len(CONTENT)}-"]


def test_server_when_it_sends_another_part_is_asked_again(site: Site, path: Path) -> None:
    def from_elsewhere(handler: Handler, content: bytes) -> None:
        handler.send(206, content[5:], Content_Range=f"bytes 5-{len(content) - 1}/{len(content)}")

    site.answers += [breaking_off(30_000), from_elsewhere]
    assert bring(site, path) == CONTENT
    assert ranges(site) == [None, "bytes=30000-", None]


@pytest.mark.parametrize("otherwise", [well, announcing(len(CONTENT) + 10)])
def test_length_when_it_is_too_large_does_not_matter(
    site: Site, path: Path, otherwise: Answer
) -> None:
    site.answers.append(announcing(len(CONTENT) + 10))
    site.otherwise = otherwise
    assert bring(site, path, max_bytes=len(CONTENT) + 10) == CONTENT


def test_length_when_none_is_said_does_not_matter(site: Site, path: Path) -> None:
    site.answers.append(announcing(None))
    assert bring(site, path) == CONTENT


def test_length_when_it_is_too_small_is_told_by_the_hash(site: Site, path: Path) -> None:
    site.answers.append(announcing(10))
    found = hashlib.sha256(CONTENT[:10]).hexdigest()
    assert f"{site.url} sent 10 bytes with the sha256 {found}" in refusal(site, path)


def test_bytes_when_they_are_wrong_are_not_kept(site: Site, path: Path) -> None:
    site.content = OTHER
    assert refusal(site, path) == (
        f"{WHERE}: {site.url} sent 11 bytes with the sha256 {hashlib.sha256(OTHER).hexdigest()}\n"
        f"  Expected: sha256 {SHA256}\n"
        "  Fix: check the address and the hash; nothing was kept"
    )
    assert left(path) == []


@pytest.mark.parametrize("answer", [well, announcing(None), breaking_off(20_000)])
def test_file_when_it_is_too_large_is_refused(site: Site, path: Path, answer: Answer) -> None:
    site.otherwise = answer
    limit = 3 << 14
    assert refusal(site, path, max_bytes=limit) == (
        f"{WHERE}: {site.url} has more than the {limit} bytes that are allowed\n"
        "  Expected: a file within the limit\n"
        "  Fix: if it is the right one, give it as {type: url, ...} with max_mib above 0"
    )
    assert left(path) == []


def test_server_when_it_has_no_such_file_is_asked_once(site: Site, path: Path) -> None:
    site.otherwise = failing(404)
    assert refusal(site, path) == (
        f"{WHERE}: {site.url} answers HTTP 404 Not Found\n"
        "  Expected: the file\n"
        f"  Fix: correct the address, or put the file at {path}"
    )
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_server_when_it_is_busy_is_asked_again(site: Site, path: Path, status: int) -> None:
    site.answers += [failing(status)] * 4
    assert bring(site, path) == CONTENT


def test_server_when_it_stays_busy_is_given_up(site: Site, path: Path) -> None:
    site.otherwise = failing(503)
    assert refusal(site, path) == (
        f"{WHERE}: {site.url} cannot be reached: HTTP 503 Service Unavailable\n"
        "  Expected: a connection to the web, the first time that the file is needed\n"
        f"  Fix: connect and run the same command again, or put the file at {path}"
    )
    assert len(site.requests) == 5


def test_server_when_nobody_listens_is_given_up(path: Path) -> None:
    with serving(CONTENT) as site:
        pass
    assert f"{site.url} cannot be reached: [Errno 111] Connection refused" in refusal(site, path)


def test_server_when_its_name_is_unknown_is_not_asked_again(
    site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def offline(*args: object, **options: object) -> None:
        tries.append(args)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    message = refusal(site, path)
    assert f"{site.url} cannot be reached: Temporary failure in name resolution" in message
    assert len(tries) == 1


def test_file_when_it_was_changed_after_its_download_is_refused(site: Site, path: Path) -> None:
    bring(site, path)
    path.write_bytes(OTHER)
    assert refusal(site, path) == (
        f"{WHERE}: {path} has the sha256 {hashlib.sha256(OTHER).hexdigest()}: "
        "it was changed after its download\n"
        f"  Expected: sha256 {SHA256}\n"
        "  Fix: remove the file: the next run downloads it anew"
    )


def test_hash_when_nobody_knows_it_is_that_of_the_first_download(site: Site, path: Path) -> None:
    assert bring(site, path, sha256=None) == CONTENT
    assert left(path) == ["text", "text.sha256"]
    assert path.with_name("text.sha256").read_text() == f"{SHA256}  text\n"
    site.content = OTHER
    assert bring(site, path, sha256=None) == CONTENT
    path.unlink()
    with pytest.raises(DataError) as caught:
        bring(site, path, sha256=None)
    assert str(caught.value) == (
        f"{WHERE}: {site.url} sent 11 bytes with the sha256 {hashlib.sha256(OTHER).hexdigest()}\n"
        f"  Expected: sha256 {SHA256}\n"
        f"  Fix: if the file was meant to change, remove {path}.sha256"
    )


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_hash_when_nobody_knows_it_resumes_the_same_version_alone(
    site: Site, path: Path, header: str
) -> None:
    version = '"v1"' if header == "ETag" else "Mon, 01 Jan 2024 00:00:00 GMT"
    site.answers += [breaking_off(30_000, **{header.replace("-", "_"): version})]
    assert bring(site, path, sha256=None) == CONTENT
    assert ranges(site) == [None, "bytes=30000-"]
    assert [headers.get("If-Range") for headers in site.requests] == [None, version]


def test_hash_when_nobody_knows_it_nor_the_version_begins_again(site: Site, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.with_name("text.part").write_bytes(OTHER)
    site.answers += [breaking_off(30_000), breaking_off(40_000, ETag='W/"weak"')]
    assert bring(site, path, sha256=None) == CONTENT
    assert ranges(site) == [None] * 3


def test_download_when_two_need_it_at_once_happens_once(site: Site, path: Path) -> None:
    contents: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: contents.append(bring(site, path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents == [CONTENT] * 4
    assert len(site.requests) == 1


def test_download_when_watched_tells_how_far_it_is(site: Site, path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    with watched_by(lambda *news: told.append(news)):
        bring(site, path)
    assert told[-1] == ("downloading text.txt", len(CONTENT), len(CONTENT))
    assert len(told) > 2
    assert sorted(told) == told


def test_folder_when_it_cannot_be_written_says_so(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    path = tmp_path / "data" / "downloads" / "text"
    assert refusal(site, path) == (
        f"{path.parent}: downloads cannot be kept: Not a directory\n"
        "  Expected: a folder with write permission and free space\n"
        "  Fix: free space or change permissions there, or run in another folder"
    )


def test_request_when_sent_asks_for_plain_bytes(site: Site, path: Path) -> None:
    bring(site, path)
    headers = site.requests[0]
    assert headers["Accept-Encoding"] == "identity"
    assert re.fullmatch("lmtune.*", headers["User-Agent"])
