"""Whatever a path turns out to be, it is a message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lmtune.errors import SpecError
from lmtune.spec import read_sweep


def refusal(path: Path) -> str:
    with pytest.raises(SpecError) as refused:
        read_sweep(path)
    return str(refused.value).replace(f"{path.parent}/", "")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.yaml") == (
        "no.yaml: cannot be read: No such file or directory\n"
        "  Fix: check the path; sweeps/ has examples"
    )


def test_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    assert refusal(tmp_path / "folder") == (
        "folder: is a directory\n  Fix: give the path of a sweep file (.yaml)"
    )


def test_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert "is not a regular file" in refusal(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"", b"# a comment\n", b"\xef\xbb\xbf"])
def test_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)

    assert refusal(tmp_path / "a.yaml") == (
        "a.yaml: the file is empty\n"
        "  Expected: a mapping that begins with name: and base:\n"
        "  Fix: sweeps/ has examples to copy"
    )


@pytest.mark.parametrize(("content", "what"), [(b"- a", "a list"), (b"hello", "`hello`")])
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)

    assert refusal(tmp_path / "a.yaml").startswith(f"a.yaml:1: the file holds {what}\n")


def test_text_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"name: a\nquestion: caf\xe9\n")

    assert refusal(tmp_path / "a.yaml") == (
        "a.yaml:2: the byte 0xE9 is not UTF-8\n  Fix: save the file as UTF-8"
    )


def test_large_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(10 * 2**30)  # sparse: it takes no room

    assert "is larger than 1048576 bytes" in refusal(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_impossible_path_is_refused(tmp_path: Path, name: str) -> None:
    assert "Fix: check the path" in refusal(tmp_path / name)
