"""What can be done with a model after its sweep: score it again, let it write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lmtune import evaluate, generate
from lmtune.packaged_model import open_model
from lmtune.served_model import ServedModel
from tests.e2e.command import ROOT, Ended, run
from tests.e2e.conftest import NAME
from tests.e2e.reading import Records, tracked

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAIRS = """\
name: pairs
question: Can all four write a sequence backwards, a little?
metric: {name: val_exact_match}
base:
  dataset: {corpus: {type: reverse, symbols: 5, max_length: 3, num_pairs: 150}, context_length: 8}
  model:
    {type: transformer, num_encoder_layers: 1, num_decoder_layers: 1, d_model: 16, num_heads: 2}
  optimizer: {type: adamw, learning_rate: 1e-2}
  training: {epochs: 2, steps_per_epoch: 20, batch_size: 16}
variants:
  transformer: {}
  gpt: {model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 2}}
  lstm: {model: {type: lstm, num_layers: 1, hidden_size: 16}}
  rnn: {model: {type: rnn, num_layers: 1, hidden_size: 16}}
seeds: {confirm: [1]}
tracking: {mlflow: null}
"""


APPS = {"evaluate": evaluate.app, "generate": generate.app}


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def command(project: Path, module: str, experiment: str, *arguments: str) -> Said:
    """Run a command in this process, which has torch already."""
    result = CliRunner().invoke(APPS[module], [str(project / experiment), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def as_json(project: Path, module: str, experiment: str, *arguments: str) -> dict[str, Any]:
    ended = command(project, module, experiment, *arguments, "--json")
    assert ended.code == 0, ended.err
    assert ended.err == ""
    content: dict[str, Any] = json.loads(ended.out)
    assert ended.out == json.dumps(content) + "\n"
    return content


@pytest.fixture(scope="module")
def records(project: Path, finished: Ended) -> Records:
    assert finished.code == 0
    return Records(project, NAME)


@pytest.fixture(scope="module")
def pairs(project: Path) -> Records:
    (project / "pairs.yaml").write_text(PAIRS, encoding="utf-8")
    ended = run(project, "pairs.yaml")
    assert ended.code == 0, ended.err
    return Records(project, "pairs")


def test_evaluate_when_asked_for_validation_gives_the_recorded_numbers(
    project: Path, records: Records
) -> None:
    best = records.summary["best"]["trial_id"]
    scored = as_json(project, "evaluate", f"experiments/{NAME}")
    row = records.trials.loc[best]
    assert scored["trial_id"] == best
    assert scored["split"] == "validation"
    for name in ("val_loss", "val_perplexity", "val_bits_per_byte", "val_accuracy"):
        assert scored[name] == pytest.approx(row[name], rel=1e-6)


def test_evaluate_when_asked_for_the_best_checkpoint_gives_its_loss(
    project: Path, records: Records
) -> None:
    for trial_id, row in records.trials[records.trials.phase == "confirm"].iterrows():
        if row.status == "completed" and row.best_epoch < row.epochs_done:
            options = ("--trial", str(trial_id), "--checkpoint", "best")
            scored = as_json(project, "evaluate", f"experiments/{NAME}", *options)
            assert scored["val_loss"] == pytest.approx(row.best_val_loss, rel=1e-6)
            return


def test_evaluate_when_there_is_no_test_split_says_so(project: Path, records: Records) -> None:
    ended = command(project, "evaluate", f"experiments/{NAME}", "--split", "test")
    assert ended.code == 2
    assert "this dataset has no test split" in ended.err
    assert "Traceback" not in ended.err


def test_evaluate_when_the_test_split_is_read_counts_it(project: Path, pairs: Records) -> None:
    first = as_json(project, "evaluate", "experiments/pairs", "--split", "test")
    second = as_json(project, "evaluate", "experiments/pairs", "--split", "test")
    assert (first["test_reads"], second["test_reads"]) == (1, 2)
    assert first["test_loss"] == second["test_loss"]
    ended = command(project, "evaluate", "experiments/pairs", "--split", "test")
    assert "has been read 3 times" in ended.out


def test_evaluate_when_the_task_is_pairs_gives_the_recorded_text_scores(
    project: Path, pairs: Records
) -> None:
    for trial_id, row in pairs.trials.iterrows():
        scored = as_json(project, "evaluate", "experiments/pairs", "--trial", str(trial_id))
        for name in ("val_loss", "val_bleu", "val_chrf", "val_exact_match"):
            assert scored[name] == pytest.approx(row[name], rel=1e-6)
        assert "version:" in scored["bleu_signature"]


def test_generate_when_given_a_prompt_goes_on_with_it(project: Path, records: Records) -> None:
    arguments = (f"experiments/{NAME}", "--prompt", "the cat ", "--max-new-tokens", "20")
    ended = subprocess.run(
        [sys.executable, "-m", "lmtune.generate", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("the cat ")
    text = ended.stdout.removeprefix("the cat ").removesuffix("\n")
    assert len(text) == 20
    content = as_json(project, "generate", *arguments)
    assert content["text"] == text
    other = as_json(project, "generate", *arguments, "--seed", "1")
    assert other["text"] != text


def test_generate_when_the_task_is_pairs_writes_a_target(project: Path, pairs: Records) -> None:
    content = as_json(project, "generate", "experiments/pairs", "--prompt", "ab")
    assert content["decoding"] == {"type": "greedy"}
    assert set(content["text"]) <= set("abcde")
    beam = as_json(project, "generate", "experiments/pairs", "--prompt", "ab", "--beam-size", "3")
    assert beam["decoding"]["beam_size"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trial", "zzz"], "there is no trial `zzz`"),
        (["--temperature", "0"], "--temperature: 0.0 does not do"),
        (["--decoding", "greedy", "--top-k", "3"], "--decoding greedy has no top_k"),
        (["--prompt", ""], "--prompt: a text of 0 tokens"),
    ],
)
def test_generate_when_an_argument_is_wrong_says_which(
    project: Path, records: Records, arguments: list[str], message: str
) -> None:
    ended = command(project, "generate", f"experiments/{NAME}", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_commands_when_there_is_no_experiment_say_so(project: Path) -> None:
    for module in ("evaluate", "generate"):
        ended = command(project, module, "experiments/nothing")
        assert ended.code == 2
        assert "no experiment here" in ended.err


SERVED = """\
import json, mlflow, sys
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(f"runs:/{sys.argv[2]}/model")
params = {"max_new_tokens": 20, "seed": 3}
print(json.dumps(model.predict([" a", "the "], params=params)))
"""


def test_model_in_mlflow_needs_nothing_else_and_writes_what_the_command_writes(
    project: Path, records: Records, tmp_path: Path
) -> None:
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    (parent,) = tracked(project, NAME).parents
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-c", SERVED, uri, parent.run_id],
        cwd=tmp_path,  # from where no lmtune can be imported
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    options = ("--max-new-tokens", "20", "--seed", "3")
    assert json.loads(ended.stdout.splitlines()[-1]) == [
        as_json(project, "generate", f"experiments/{NAME}", "--prompt", prompt, *options)["text"]
        for prompt in (" a", "the ")
    ]


def test_kept_model_of_pairs_writes_what_the_command_writes(
    project: Path, pairs: Records, tmp_path: Path
) -> None:
    kept = tmp_path / "elsewhere"
    shutil.copytree(pairs.path / "model", kept)
    assert ServedModel(open_model(kept)).predict("a b c") == [
        as_json(project, "generate", "experiments/pairs", "--prompt", "a b c")["text"]
    ]


def test_generate_when_the_prompt_is_new_to_the_model_says_so(
    project: Path, records: Records
) -> None:
    options = ("--prompt", "a\N{SNOWMAN}a\N{SNOWMAN}", "--max-new-tokens", "3")
    ended = command(project, "generate", f"experiments/{NAME}", *options)
    assert ended.code == 0
    assert ended.err.startswith("2 of the prompt's tokens are unknown to the model")
