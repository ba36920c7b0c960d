"""`python -m lmtune.prepare`: what it prints, where, and how it ends."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lmtune import prepare
from lmtune.datasets import ngram_floors, prepare_text
from lmtune.datasets.corpora.catalogue import CATALOGUE
from lmtune.datasets.progress import tell
from lmtune.errors import SweepError
from lmtune.progress_bars import progress_bars
from lmtune.spec.dataset import DatasetConfig

TEXT = "".join(f"Line {number} of a text.\n" for number in range(200))
SWEEP = """\
name: tokens
base:
  dataset: {corpus: {type: markov, length: 4000}, context_length: 16}
  model: {type: rnn, size: small}
  optimizer: {type: adamw}
  training: {epochs: 1, steps_per_epoch: 1}
ablate:
  dataset.tokenizer.type: [byte]
  optimizer.learning_rate: [0.1]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a text and a sweep file."""
    (tmp_path / "my.txt").write_text(TEXT)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    """What the command prints, to standard output and standard error."""
    result = CliRunner().invoke(prepare.app, arguments)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def run_json(*arguments: str) -> dict[str, Any]:
    out, err = run(*arguments, "--json")
    assert err == ""
    assert out.count("\n") == 1, "one line, and nothing else"
    facts: dict[str, Any] = json.loads(out)
    return facts


@pytest.mark.parametrize("tokenizer", ["char", "byte", "word", "bpe"])
def test_json_when_asked_for_has_the_facts_of_the_dataset(project: Path, tokenizer: str) -> None:
    facts = run_json("my.txt", "--tokenizer", tokenizer, "--context-length", "8")
    config = DatasetConfig.model_validate(
        {"corpus": {"type": "text", "train": "my.txt"}, "tokenizer": tokenizer, "context_length": 8}
    )
    dataset = prepare_text(config, project=project)
    assert facts == {
        "corpus": {"type": "text", "train": "my.txt", "validation": None, "test": None},
        "tokenizer": config.tokenizer.model_dump(),
        "fingerprint": dataset.fingerprint,
        "vocab_size": dataset.vocab_size,
        "tokens": {name: len(split.tokens) for name, split in dataset.splits.items()},
        "bytes_per_token": dataset.bytes_per_token,
        "unknown_tokens": dataset.unknown_tokens,
        "leakage": dataset.leakage,
        "ngram_floors": ngram_floors(dataset),
        "folder": str(dataset.folder),
    }


def test_json_when_the_corpus_is_of_pairs_counts_them(project: Path) -> None:
    facts = run_json("reverse")
    assert facts["pairs"] == {"train": 18_000, "validation": 1000, "test": 1000}
    assert facts["left_out"] == {"train": 0, "validation": 0, "test": 0}
    assert facts["ngram_floors"] is None
    assert Path(facts["folder"]).parent == project / "data" / "cache"


def test_json_when_a_sweep_is_given_has_each_of_its_datasets(project: Path) -> None:
    datasets = run_json("sweep.yaml")["datasets"]
    assert [facts["tokenizer"]["type"] for facts in datasets] == ["char", "byte"]
    assert len({facts["folder"] for facts in datasets}) == 2


def test_facts_when_printed_say_the_same_in_words(project: Path) -> None:
    facts = run_json("my.txt")
    out, err = run("my.txt")
    assert err == ""
    rows = dict(line.split("  ", 1) for line in out.splitlines())
    rows = {name: words.strip() for name, words in rows.items()}
    assert rows["corpus"] == "text, my.txt"
    tokens = facts["tokens"]
    assert rows["tokens"] == f"train 3,501, validation {tokens['validation']}, test 195"
    assert rows["folder"] == facts["folder"]
    assert rows["fingerprint"] == facts["fingerprint"]
    assert rows["bigram floor"].startswith(f"{facts['ngram_floors']['bigram']:.4f} nats a token, ")
    assert rows["in training, too"].endswith(": scores will flatter") is (
        max(facts["leakage"].values()) > 0.01
    )


def test_catalogue_when_its_text_was_downloaded_is_prepared_by_name(project: Path) -> None:
    path = project / "data" / "downloads" / "moby_dick-train.txt"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    facts = run_json("moby_dick")
    assert facts["corpus"] == {"type": "catalogue", "name": "moby_dick"}
    recorded = path.with_name("moby_dick-train.txt.sha256").read_text()
    assert recorded.startswith(hashlib.sha256(TEXT.encode()).hexdigest())


def test_list_when_asked_for_shows_all_names(project: Path) -> None:
    out, _ = run("--list")
    names = [line.split()[0] for line in out.splitlines()]
    built_in = [
        *("python_docs", "python_stdlib", "markov"),
        *("reverse", "latch", "number_words", "docstrings"),
    ]
    assert names == [*built_in, *CATALOGUE]
    listed = run_json("--list")
    assert list(listed["built_in"]) == built_in
    assert listed["catalogue"]["tinyshakespeare"]["size_bytes"] == 1_115_394
    assert not (project / "data").exists()


def test_name_when_unknown_says_which_there_are(project: Path) -> None:
    out, err = run("pythondocs", "--json", code=2)
    assert out == ""
    first, *_, last = err.splitlines()
    assert first == "CORPUS: `pythondocs` is neither a corpus nor a file"
    assert last == "  Fix: did you mean `python_docs`?"
    assert "no corpus is named" in run(code=2)[1]


def test_options_when_wrong_are_told_together(project: Path) -> None:
    _, err = run("my.txt", "--tokenizer", "chr", "--context-length", "3", code=2)
    assert err == (
        "prepare: tokenizer: `chr` is not a type of tokenizer\n"
        "  Expected: one of: byte, char, word, bpe\n"
        "  Fix: did you mean `char`?\n"
        "prepare: context_length: `3` is not a multiple of 2\n"
        "  Expected: a whole number that is a multiple of 2\n"
        "  Fix: write 4, or leave it out for 64\n"
    )


def test_data_when_wrong_is_told_without_a_traceback(project: Path) -> None:
    (project / "my.txt").write_bytes(b"a\0b")
    _, err = run("my.txt", code=2)
    assert err.startswith(f"dataset.corpus.train: {project}/my.txt is a binary file: NUL at byte 1")
    assert "Traceback" not in err


def test_sweep_when_wrong_is_told_with_its_line(project: Path) -> None:
    (project / "sweep.yaml").write_text(SWEEP.replace("markov", "marcov"))
    assert run("sweep.yaml", code=2)[1].startswith("sweep.yaml:3: base.dataset.corpus")
    assert "missing.yaml" in run("missing.yaml", code=2)[1]


@pytest.mark.parametrize(("error", "code"), [(SweepError("broken"), 1), (KeyboardInterrupt(), 130)])
def test_command_when_it_ends_otherwise_says_so_by_its_code(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(prepare, "prepare_dataset", fail)
    out, err = run("my.txt", "--json", code=code)
    assert out == ""
    assert err in ("broken\n", "Interrupted. The same command goes on from here.\n")


def test_command_when_run_in_a_process_prints_json_alone(project: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "lmtune.prepare", "my.txt", "--json"]
    path = str(Path(prepare.__file__).parents[1])
    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert json.loads(ended.stdout)["vocab_size"] == len(set(TEXT)) + 1
    assert ended.stderr == ""


def test_bars_when_somebody_watches_show_what_is_done() -> None:
    screen = io.StringIO()
    with progress_bars(Console(file=screen, force_terminal=True, width=80)):
        tell("downloading text.txt", 10, None)
        tell("tokenizing", 50, 200)
        tell("tokenizing", 200, 200)
    assert "tokenizing" in screen.getvalue()
    assert "100%" in screen.getvalue()


def test_bars_when_nobody_watches_show_nothing() -> None:
    screen = io.StringIO()
    with progress_bars(Console(file=screen, force_terminal=False)):
        tell("tokenizing", 200, 200)
    assert screen.getvalue() == ""
