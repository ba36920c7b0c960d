"""Corpora with something wrong in them: each is prepared, or refused with words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.admission import Admission, Tally, admission, fault
from tests.faults.figures import show
from tests.faults.hostile_corpora import CORPORA, TOKENIZERS

SWEEP = """\
name: corpus
base:
  dataset: {{corpus: {corpus}, tokenizer: {tokenizer}, context_length: 32}}
  model: {{type: gpt, size: small}}
  optimizer: {{type: adamw}}
  training: {{epochs: 1, steps_per_epoch: 1}}
"""
QUICK = (
    *("noise", "CRLF", "BOM", "one token only", "a FIFO", "a device", "a terabyte"),
    *("no UTF-8 at the start", "tsv: torn in a line", "tsv: a million wrong lines"),
    *("jsonl: deeply nested", "jsonl: 50 MB in one line", "two files: an empty side"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Admission]:
    with admission() as running:
        yield running


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    counted = Tally()
    yield counted
    show(request.config, f"hostile corpora {counted}")


def admit(server: Admission, folder: Path, tally: Tally, name: str) -> None:
    corpus = CORPORA[name]
    project = folder / "project"
    project.mkdir()
    given = corpus.build(project)
    tokenizer = corpus.tokenizer or TOKENIZERS[[*CORPORA].index(name) % len(TOKENIZERS)]
    spec = project / "sweep.yaml"
    spec.write_text(SWEEP.format(corpus=given, tokenizer=tokenizer), encoding="utf-8")
    before = set(folder.rglob("*"))
    outcome = server.admit(spec, project)
    tally.add(outcome)
    assert fault(outcome) == ""
    if corpus.is_refused is not None:
        assert outcome.is_refused == corpus.is_refused, outcome
    for created in set(folder.rglob("*")) - before:
        assert created.is_relative_to(project / "data"), created
    shutil.rmtree(folder)  # some are large, and pytest keeps what tests leave


@pytest.mark.parametrize("name", QUICK)
def test_corpus_when_hostile_is_prepared_or_refused(
    server: Admission, tmp_path: Path, tally: Tally, name: str
) -> None:
    admit(server, tmp_path, tally, name)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("name", CORPORA)
def test_corpora_when_hostile_in_bulk_are_prepared_or_refused(
    server: Admission, tmp_path: Path, tally: Tally, name: str
) -> None:
    admit(server, tmp_path, tally, name)
