"""A text from the web, of which the user knows the hash."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from lmtune.datasets.corpora import CorpusText
from lmtune.datasets.download import Remote, downloads, fetch
from lmtune.datasets.utf8 import decode_utf8
from lmtune.errors import Problem
from lmtune.spec.dataset import UrlCorpus


def check(config: UrlCorpus, *, project: Path, where: str) -> list[Problem]:
    """Find an address that no server can have."""
    if _is_address(config.url):
        return _check_login(config.url, where)
    what = f"{config.url!r} is no address on the web"
    expected = "such as https://example.org/text.txt; spaces and special characters as %XX"
    return [Problem(f"{where}.url", what, expected, "copy the address from a browser")]


def read(config: UrlCorpus, *, project: Path, where: str) -> CorpusText:
    """Cut the text by position, downloaded first where it is not there yet.

    Raises:
        DataError: it cannot be had, is not what its hash says, or is not UTF-8.
    """
    remote = Remote(config.url, config.sha256, config.max_mib << 20)
    path = downloads(project) / config.sha256
    return CorpusText.cut(decode_utf8(fetch(remote, path, where=where), path, where))


def _check_login(url: str, where: str) -> list[Problem]:
    if "@" not in urlsplit(url).netloc:
        return []
    what = f"{url!r} holds a user name or password, which the records would keep"
    fix = "download the file yourself, and use {type: text, train: ...}"
    return [Problem(f"{where}.url", what, "an address that everybody may read", fix)]


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError:
        return False
    is_printable = url.isascii() and url.isprintable() and " " not in url
    return is_printable and bool(parts.hostname)
