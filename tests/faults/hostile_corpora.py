"""Corpora with something wrong in them: what the files hold, and what stands in their place."""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PROSE = "".join(
    f"{number}: the quick brown fox, jumps over the lazy dog.\n" for number in range(300)
)
PAIRS = [(f"source {number}", f"target {number}") for number in range(60)]
TOKENIZERS = ("char", "byte", "word", "{type: bpe, vocab_size: 300}")
_LARGE_BYTES = 50 << 20

Build = Callable[[Path], str]
"""Writes files into a project, and returns the `corpus` section that names them."""


@dataclass(frozen=True)
class Hostile:
    """A corpus.

    Attributes:
        build: puts it into a project.
        is_refused: whether it must be; None where either will do.
        tokenizer: None for any.
    """

    build: Build
    is_refused: bool | None = True
    tokenizer: str | None = None


def text(content: bytes, validation: bytes | None = None) -> Build:
    """A corpus of one running text."""

    def build(project: Path) -> str:
        (project / "text.txt").write_bytes(content)
        if validation is None:
            return "{type: text, train: text.txt}"
        (project / "validation.txt").write_bytes(validation)
        return "{type: text, train: text.txt, validation: validation.txt}"

    return build


def tsv(content: bytes) -> Build:
    """A corpus of pairs in one file, with a tab between source and target."""
    return _one_file("pairs.tsv", content)


def jsonl(content: bytes) -> Build:
    """A corpus of pairs in one file, an object of JSON a line."""
    return _one_file("pairs.jsonl", content)


def two_files(source: bytes, target: bytes) -> Build:
    """A corpus of pairs in two files."""

    def build(project: Path) -> str:
        (project / "sources.txt").write_bytes(source)
        (project / "targets.txt").write_bytes(target)
        return "{type: pairs, train: {source: sources.txt, target: targets.txt}}"

    return build


def hub_folder(name: str, content: bytes) -> Build:
    """A folder of one file, for the `datasets` library to read."""

    def build(project: Path) -> str:
        (project / "folder").mkdir()
        (project / "folder" / name).write_bytes(content)
        return "{type: huggingface, path: folder}"

    return build


def many_files(project: Path) -> str:
    """A folder that holds more than a dataset has, as the whole disk would."""
    return f"{{type: huggingface, path: {sys.prefix}}}"


def _one_file(name: str, content: bytes) -> Build:
    def build(project: Path) -> str:
        (project / name).write_bytes(content)
        return f"{{type: pairs, train: {name}}}"

    return build


def special(make: Callable[[Path], object], name: str = "text.txt", kind: str = "text") -> Build:
    """Something that is no regular file where one is expected."""

    def build(project: Path) -> str:
        path = project / name
        make(path)
        return f"{{type: {kind}, train: {name}}}"

    return build


def later(make: Callable[[], bytes], form: Callable[[bytes], Build]) -> Build:
    """A corpus whose content is made when it is needed: it is large."""
    return lambda project: form(make())(project)


def lines(pairs: Sequence[tuple[str, str]], form: str) -> bytes:
    """Pairs as a file of one form holds them; `source` and `target` are the halves of two files."""
    if form == "tsv":
        return "".join(f"{source}\t{target}\n" for source, target in pairs).encode()
    if form == "jsonl":
        return "".join(
            json.dumps({"source": source, "target": target}) + "\n" for source, target in pairs
        ).encode()
    return "".join(f"{pair[form == 'target']}\n" for pair in pairs).encode()


def with_line(content: bytes, line: bytes, at: int = 20) -> bytes:
    """A file with a line put between the others."""
    parts = content.split(b"\n")
    return b"\n".join([*parts[:at], line, *parts[at:]])


def noise(size: int, *, seed: int = 0) -> bytes:
    """Bytes that mean nothing."""
    return random.Random(seed).randbytes(size)


def one_line(unit: str, end: str = "") -> Callable[[], bytes]:
    """What makes 50 MB in one line."""
    return lambda: (unit * (_LARGE_BYTES // len(unit.encode())) + end).encode()


def words(size: int) -> bytes:
    """Many different words, in one line that does not repeat itself."""
    return noise(size // 2).hex(" ", 3).encode()[:size]


def sparse(path: Path) -> None:
    """Make a file that says it has a tebibyte, and takes no room on the disk."""
    path.touch()
    os.truncate(path, 1 << 40)


_PROSE, _TSV, _JSONL = PROSE.encode(), lines(PAIRS, "tsv"), lines(PAIRS, "jsonl")
_SOURCE, _TARGET = lines(PAIRS, "source"), lines(PAIRS, "target")
_BOM = "\ufeff".encode()
_DEEP = b'{"source": ' + b"[" * 100_000 + b"]" * 100_000 + b', "target": "x"}'

CORPORA: dict[str, Hostile] = {
    # one running text
    "empty": Hostile(text(b"")),
    "noise": Hostile(text(noise(100_000))),
    "nothing but NUL": Hostile(text(b"\0" * 100_000)),
    "a NUL at the end": Hostile(text(_PROSE + b"\0")),
    "CRLF": Hostile(text(PROSE.replace("\n", "\r\n").encode()), is_refused=False),
    "CR alone": Hostile(text(PROSE.replace("\n", "\r").encode()), is_refused=False),
    "BOM": Hostile(text(_BOM + _PROSE), is_refused=False),
    "BOM and nothing else": Hostile(text(_BOM)),
    "BOMs everywhere": Hostile(text(_PROSE.replace(b" ", _BOM)), is_refused=False),
    "50 MB in one line": Hostile(later(one_line("word "), text)),
    "50 MB of words in one line": Hostile(later(lambda: words(_LARGE_BYTES), text), False, "byte"),
    "50 MB of noise": Hostile(later(lambda: noise(_LARGE_BYTES), text)),
    "50 MB that end in no UTF-8": Hostile(later(lambda: one_line("ab")() + b"\xff", text)),
    "no UTF-8 at the start": Hostile(text(b"\xff\xfe\xfa" + _PROSE)),
    "half a character at the end": Hostile(text(_PROSE + "\u20ac".encode()[:2])),
    "a surrogate": Hostile(text(_PROSE + b"\xed\xa0\x80")),
    "overlong NUL": Hostile(text(_PROSE + b"\xc0\x80")),
    "latin-1": Hostile(text("caf\xe9 ".encode("latin-1") * 5000)),
    "UTF-16": Hostile(text(PROSE.encode("utf-16"))),
    "UTF-32": Hostile(text(PROSE.encode("utf-32"))),
    "gzip": Hostile(text(gzip.compress(_PROSE * 10, mtime=0))),
    "a pickle": Hostile(text(b"\x80\x04\x95" + noise(5000))),
    "one token only": Hostile(text(b"a" * 20_000), is_refused=None),
    "one word only": Hostile(text(b"word " * 20_000), is_refused=None),
    "blanks only": Hostile(text(b" " * 20_000), is_refused=None),
    "line ends only": Hostile(text(b"\n" * 20_000), is_refused=None),
    "one character": Hostile(text(b"a")),
    "too short": Hostile(text(b"The end.")),
    "control characters": Hostile(text(bytes(range(1, 32)) * 500), is_refused=None),
    "every code point": Hostile(
        text("".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x30000)])).encode()), None
    ),
    "odd line ends": Hostile(text("a\u2028b\u2029c\x85d\x0be\x0c".encode() * 3000), None),
    "the same text twice": Hostile(text(_PROSE, _PROSE)),
    "an empty validation text": Hostile(text(_PROSE, b"")),
    "a FIFO": Hostile(special(os.mkfifo)),
    "a directory": Hostile(special(Path.mkdir)),
    "a link to itself": Hostile(special(lambda path: path.symlink_to(path))),
    "a link to nothing": Hostile(special(lambda path: path.symlink_to("nowhere"))),
    "a device": Hostile(special(lambda path: path.symlink_to("/dev/zero"))),
    "a terabyte": Hostile(special(sparse)),
    # pairs
    "tsv: empty": Hostile(tsv(b"")),
    "tsv: noise": Hostile(tsv(noise(100_000))),
    "tsv: CRLF and BOM": Hostile(tsv(_BOM + _TSV.replace(b"\n", b"\r\n")), is_refused=False),
    "tsv: torn in a line": Hostile(tsv(with_line(_TSV, b"sour"))),
    "tsv: torn at the end": Hostile(tsv(_TSV[:-11])),
    "tsv: three columns": Hostile(tsv(with_line(_TSV, b"a\tb\tc"))),
    "tsv: an empty source": Hostile(tsv(with_line(_TSV, b"\ttarget"))),
    "tsv: an empty target": Hostile(tsv(with_line(_TSV, b"source\t "))),
    "tsv: an empty line": Hostile(tsv(with_line(_TSV, b""))),
    "tsv: no UTF-8": Hostile(tsv(with_line(_TSV, b"caf\xe9\tx"))),
    "tsv: one pair": Hostile(tsv(b"source\ttarget\n")),
    "tsv: one pair a thousand times": Hostile(tsv(b"source\ttarget\n" * 1000), is_refused=None),
    "tsv: a million wrong lines": Hostile(tsv(b"no tab\n" * 1_000_000)),
    "tsv: 50 MB in one line": Hostile(later(one_line("word "), tsv)),
    "tsv: 50 MB in one source": Hostile(
        later(lambda: with_line(_TSV, one_line("word ", "\ttarget")()), tsv), is_refused=None
    ),
    "tsv: a FIFO": Hostile(special(os.mkfifo, "pipe.tsv", "pairs")),
    "tsv: a terabyte": Hostile(special(sparse, "large.tsv", "pairs")),
    "jsonl: noise": Hostile(jsonl(noise(100_000))),
    "jsonl: torn": Hostile(jsonl(_JSONL[:-20])),
    "jsonl: an array": Hostile(jsonl(b"[" + _JSONL.replace(b"\n", b",") + b"1]")),
    "jsonl: deeply nested": Hostile(jsonl(with_line(_JSONL, _DEEP))),
    "jsonl: a number of a million digits": Hostile(
        jsonl(with_line(_JSONL, b'{"source": ' + b"9" * 1_000_000 + b', "target": "x"}'))
    ),
    "jsonl: NaN": Hostile(jsonl(with_line(_JSONL, b'{"source": NaN, "target": Infinity}'))),
    "jsonl: null": Hostile(jsonl(with_line(_JSONL, b'{"source": null, "target": "x"}'))),
    "jsonl: half a surrogate pair": Hostile(
        jsonl(with_line(_JSONL, b'{"source": "\\ud800", "target": "x"}'))
    ),
    "jsonl: keys given twice": Hostile(
        jsonl(with_line(_JSONL, b'{"source": "a", "source": "", "target": "x"}'))
    ),
    "jsonl: 50 MB in one line": Hostile(later(one_line('{"source": "'), jsonl)),
    "two files: unequal": Hostile(two_files(_SOURCE, _TARGET[:-10])),
    "two files: an empty side": Hostile(two_files(_SOURCE, b"")),
    "two files: blank targets": Hostile(two_files(_SOURCE, b"\n" * 60)),
    "two files: torn by CR": Hostile(two_files(_SOURCE.replace(b"\n", b"\r"), _TARGET)),
    "two files: a BOM in one": Hostile(two_files(_BOM + _SOURCE, _TARGET), is_refused=False),
    "two files: noise": Hostile(two_files(noise(100_000), _TARGET)),
    "two files: 50 MB in one line": Hostile(
        later(one_line("word "), lambda content: two_files(_SOURCE, content))
    ),
    # what the `datasets` library reads
    "hub: torn": Hostile(hub_folder("train.jsonl", _JSONL[:-20])),
    "hub: deeply nested": Hostile(hub_folder("train.jsonl", b"[" * 100_000)),
    "hub: no tar": Hostile(hub_folder("train.tar", noise(5000))),
    "hub: no zip": Hostile(hub_folder("train.zip", noise(5000))),
    "hub: no parquet": Hostile(hub_folder("train.parquet", noise(5000))),
    "hub: a script": Hostile(hub_folder("folder.py", b"raise SystemExit")),
    "hub: a tag": Hostile(
        hub_folder("README.md", b"---\nconfigs: !!python/object/apply:os.system [x]\n---\n")
    ),
    "hub: too many files": Hostile(many_files),
}
