"""Bad input through the command: said with its place and its remedy, at once, without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command import Ended, run

pytestmark = pytest.mark.e2e

SWEEP = """\
name: bad
base:
  dataset: {corpus: {type: text, train: text.txt}, tokenizer: char, context_length: 16}
  model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 2}
  optimizer: {type: adamw, learning_rate: 1e-3}
  training: {epochs: 2, steps_per_epoch: 2, batch_size: 2}
"""

MANY_MISTAKES = """\
name: ../bad
base:
  dataset: {corpus: python_docs, tokenizer: char, context_length: 16}
  model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 3}
  optimizer: {type: adamw, learning_rte: 1e-3}
  training: {epochs: 2, steps_per_epoch: 2, batch_size: 2}
variants:
  a: {}
  a: {model: {dropout: 0.1}}
parameters:
  optimizer.learning_rate: {distribution: log_uniform_values, min: 0, max: 1e-2}
  model.dropout: {min: 0.3, max: 0.1}
budget: {trials: 4}
"""
HEAVY = {"torch", "ray", "mlflow", "optuna", "pandas"}


def refused(project: Path, *arguments: str, python: tuple[str, ...] = ()) -> Ended:
    """Run a command that must refuse its input, and look at what every refusal has in common."""
    before = sorted(project.rglob("*"))
    ended = run(project, *arguments, python=python)
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert "  Fix: " in ended.err
    created = [path for path in sorted(project.rglob("*")) if path not in before]
    assert not [path for path in created if path.relative_to(project).parts[0] != "data"]
    return ended


def message(ended: Ended) -> str:
    """Standard error without the interpreter's report on imports."""
    lines = ended.err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("import time:"))


def imported(ended: Ended) -> set[str]:
    """The packages that `-X importtime` reported."""
    modules = {
        line.rpartition("|")[2].strip()
        for line in ended.err.splitlines()
        if line.startswith("import time:")
    }
    assert "lmtune.errors" in modules
    return {module.partition(".")[0] for module in modules}


def write(project: Path, text: str | bytes) -> None:
    content = text.encode() if isinstance(text, str) else text
    (project / "sweep.yaml").write_bytes(content)


def test_command_when_the_file_has_many_mistakes_says_all_with_their_lines_and_imports_nothing(
    tmp_path: Path,
) -> None:
    write(tmp_path, MANY_MISTAKES)
    ended = refused(tmp_path, "sweep.yaml", python=("-X", "importtime"))
    places = [line for line in message(ended).splitlines() if line.startswith("sweep.yaml:")]
    expected = {
        "sweep.yaml:1: name: ": "the name cannot be that of a folder",
        "sweep.yaml:4: base.model.num_heads: ": "num_heads: 3 does not divide d_model: 16",
        "sweep.yaml:5: base.optimizer.learning_rte: ": "unknown key",
        "sweep.yaml:9: variants.a: ": "given twice, first at sweep.yaml:8",
        "sweep.yaml:11: parameters.optimizer.learning_rate.min: ": "no logarithm",
        "sweep.yaml:12: parameters.model.dropout.min: ": "0.3 is not below max: 0.1",
    }
    assert len(places) == len(expected), message(ended)
    for line, (place, words) in zip(places, expected.items(), strict=True):
        assert line.startswith(place)
        assert words in line
    assert not imported(ended) & HEAVY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SWEEP.replace("  model", "\tmodel"), "sweep.yaml:4: "),
        (SWEEP.replace("num_layers: 1", "num_layers: !!python/name:os.system 1"), "sweep.yaml:4: "),
        ("", "sweep.yaml: the file is empty"),
        (b"\x80\x04\x95", "sweep.yaml"),
    ],
    ids=["tab", "unknown tag", "empty", "binary"],
)
def test_command_when_the_file_is_no_sweep_says_why(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    write(tmp_path, text)
    assert words in refused(tmp_path, "sweep.yaml").err


def test_command_when_there_is_no_file_says_so(tmp_path: Path) -> None:
    assert "missing.yaml: " in refused(tmp_path, "missing.yaml").err
    (tmp_path / "folder.yaml").mkdir()
    assert "folder.yaml: " in refused(tmp_path, "folder.yaml").err


def test_command_when_an_option_is_wrong_names_the_option(tmp_path: Path) -> None:
    write(tmp_path, SWEEP)
    ended = refused(tmp_path, "sweep.yaml", "--set", "name=a/b", "--set", "base.model.hedas=2")
    assert "--set name=a/b: the name cannot be that of a folder" in ended.err
    assert "--set base.model.hedas=2: unknown key" in ended.err


def test_command_when_the_surroundings_do_not_serve_says_all_at_once(tmp_path: Path) -> None:
    write(tmp_path, SWEEP + "resources: {cpu: 4096}\n")
    (tmp_path / "file").write_text("no folder")
    uri = "sqlite:///file/mlflow.db"
    ended = refused(
        tmp_path,
        "sweep.yaml",
        *("--set", f"tracking.mlflow.uri={uri}"),
        python=("-X", "importtime"),
    )
    said = message(ended)
    assert f"{tmp_path}/text.txt cannot be read: No such file or directory" in said
    assert f"sweep.yaml: tracking.mlflow.uri: the database {tmp_path}/file/mlflow.db" in said
    assert "sweep.yaml: resources.cpu: a trial asks for 4096 CPUs" in said
    assert said.count("  Fix: ") == 3
    assert not imported(ended) & HEAVY


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "text.txt is empty"),
        (b"some text\0" * 1000, "text.txt is a binary file: NUL at byte 9"),
        ("caf\xe9 ".encode("latin-1") * 1000, "text.txt is not UTF-8: 0xe9 at byte 3"),
        (b"A text that is shorter than it looks.", "too few for context_length 16"),
    ],
    ids=["empty", "binary", "latin-1", "short"],
)
def test_command_when_the_corpus_is_no_text_says_which_file_and_why(
    tmp_path: Path, content: bytes, words: str
) -> None:
    write(tmp_path, SWEEP)
    (tmp_path / "text.txt").write_bytes(content)
    ended = refused(tmp_path, "sweep.yaml")
    assert words in ended.err
    assert "sweep.yaml:3: base.dataset.corpus" in ended.err


def test_command_when_a_searched_context_is_longer_than_the_text_says_so_before_it_starts(
    tmp_path: Path,
) -> None:
    write(tmp_path, SWEEP + "parameters: {dataset.context_length: {values: [8, 4096]}}\n")
    (tmp_path / "text.txt").write_text("All work and no play makes Jack a dull boy.\n" * 100)
    ended = refused(tmp_path, "sweep.yaml", "--set", "method=grid")
    assert "too few for context_length 4096" in ended.err
