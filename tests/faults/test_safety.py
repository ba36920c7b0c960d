"""What comes from elsewhere runs no code and leaves the project alone; secrets stay secret."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmtune import ui
from lmtune.datasets import prepare_dataset
from lmtune.errors import CheckpointError, DataError, Problem, SpecError
from lmtune.preflight import check_surroundings
from lmtune.records import ExperimentFolder
from lmtune.spec import read_sweep
from lmtune.spec.dataset import DatasetConfig
from lmtune.training import Checkpoint, CheckpointFolder, Progress
from lmtune.training.checkpoint import _State
from tests.e2e.command import ROOT, run, start
from tests.e2e.test_bad_input import SWEEP
from tests.faults.sockets import LOOPBACK, listening

SECRET = "hunter2"
SENTINELS = {
    "MLFLOW_TRACKING_USERNAME": "sentinel-user",
    "MLFLOW_TRACKING_PASSWORD": "sentinel-password",
    "MLFLOW_TRACKING_TOKEN": "sentinel-token",
    "HF_TOKEN": "sentinel-hub",
    "AWS_SECRET_ACCESS_KEY": "sentinel-cloud",
    "LMTUNE_ANYTHING": "sentinel-anything",
}


def write_project(project: Path, sweep: str) -> None:
    """A sweep file, and the text that it reads."""
    project.joinpath("text.txt").write_text("".join(f"{number} " for number in range(2000)))
    project.joinpath("sweep.yaml").write_text(sweep, encoding="utf-8")


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return _touch, (str(self.path),)


def _touch(path: str) -> None:
    Path(path).touch()


def as_pickle(path: Path) -> bytes:
    return pickle.dumps(Touch(path))


def as_torch_save(path: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(Touch(path), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("payload", [as_pickle, as_torch_save])
@pytest.mark.parametrize("name", ["model.safetensors", "state.safetensors"])
def test_pickle_when_in_the_place_of_a_checkpoint_is_refused_by_name_and_never_read(
    tmp_path: Path, name: str, payload: Callable[[Path], bytes]
) -> None:
    made = tmp_path / "made"
    content = payload(made)
    if payload is as_pickle:
        pickle.loads(content)  # noqa: S301 - to see that it would make the file
        made.unlink()
    folder = CheckpointFolder(tmp_path / "checkpoints")
    weights = {"weight": torch.zeros(2)}
    folder.save(Checkpoint("mine", Progress(), weights, weights), is_best=True)
    last = folder.path / "last"
    (last / name).write_bytes(content)
    # Whoever hands over a checkpoint can make its checksums agree.
    state = _State.model_validate_json((last / "state.json").read_bytes())
    sha256 = {**state.sha256, name: hashlib.sha256(content).hexdigest()}
    forged = state.model_copy(update={"sha256": sha256}).seal()
    (last / "state.json").write_text(forged.model_dump_json())
    with pytest.raises(CheckpointError) as refused:
        folder.load("mine")
    assert f"{last / name}: " in str(refused.value)
    assert "it is no safetensors file but a pickle" in str(refused.value)
    assert not made.exists()


def test_pickle_when_in_the_place_of_a_checkpoints_state_is_refused(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints")
    folder.save(Checkpoint("mine", Progress(), {}, {}), is_best=False)
    (folder.path / "last" / "state.json").write_bytes(as_pickle(tmp_path / "made"))
    with pytest.raises(CheckpointError, match=r"state\.json"):
        folder.load("mine")
    assert not (tmp_path / "made").exists()


@given(name=st.text(min_size=1) | st.sampled_from(["..", ".", "a/b", "/a", "..\\a", "a\n", "~"]))
def test_sweep_name_when_it_is_accepted_is_that_of_a_folder_of_the_experiments(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    spec = tmp_path_factory.getbasetemp() / "named.yaml"
    spec.write_text(SWEEP.replace("name: bad", f"name: {json.dumps(name)}"), encoding="utf-8")
    try:
        sweep = read_sweep(spec)
    except SpecError:
        return
    experiments = tmp_path_factory.getbasetemp() / "experiments"
    assert (experiments / sweep.name).resolve().parent == experiments.resolve()


@pytest.mark.parametrize(
    "dataset",
    [
        {"corpus": {"type": "catalogue", "name": "../../../escaped"}},
        {"corpus": "../../escaped"},
        {"corpus": "markov", "tokenizer": "../../escaped"},
        {"corpus": {"type": "url", "url": "http://h/x", "sha256": "../" * 21 + "x"}},
        {"corpus": {"type": "url", "url": "file:///etc/passwd", "sha256": "0" * 64}},
    ],
)
def test_names_of_data_when_they_are_paths_are_refused(
    tmp_path: Path, dataset: dict[str, object]
) -> None:
    spec = tmp_path / "sweep.yaml"
    given = {**dataset, "context_length": 16}
    begin, end = SWEEP.index("  dataset:"), SWEEP.index("  model:")
    spec.write_text(SWEEP[:begin] + f"  dataset: {json.dumps(given)}\n" + SWEEP[end:])
    with pytest.raises((SpecError, DataError)):
        prepare_dataset(read_sweep(spec).variants[0].config.dataset, project=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.yaml"]


@pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="lmtune[huggingface] is not installed"
)
def test_archive_when_its_members_lead_elsewhere_is_unpacked_in_the_project_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    project, outside = tmp_path / "a" / "project", tmp_path / "outside"
    (project / "folder").mkdir(parents=True)
    outside.mkdir()
    line = json.dumps({"text": "one two three " * 100}).encode() + b"\n"
    with tarfile.open(project / "folder" / "train.jsonl.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
        for name in ("good.jsonl", "../../../../../../escaped.jsonl", f"{outside}/escaped.jsonl"):
            member = tarfile.TarInfo(name)
            member.size = len(line)
            archive.addfile(member, io.BytesIO(line))
    config = DatasetConfig.model_validate(
        {"corpus": {"type": "huggingface", "path": "folder"}, "context_length": 16}
    )
    prepare_dataset(config, project=project)
    assert not list(outside.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"a", "outside"}
    assert {path.name for path in project.iterdir()} == {"folder", "data"}


URI = f"http://me:{SECRET}@127.0.0.1:9"
QUERY = f"postgresql://127.0.0.1:9/runs?password={SECRET}"


LINES = [
    (f'tracking: {{mlflow: {{uri: "{URI}"}}}}', ()),
    (f'tracking: {{mlflow: {{uri: "http://{SECRET}@127.0.0.1:9"}}}}', ()),
    (f'tracking: {{mlflow: {{uri: "http://me:pa/{SECRET}@127.0.0.1:9"}}}}', ()),
    (f'tracking: {{mlflow: {{uri: "postgresql://me:{SECRET}@127.0.0.1:9/runs"}}}}', ()),
    (f'tracking: {{mlflow: {{uri: "{QUERY}"}}}}', ()),
    (f'tracking: {{mlflow: "{URI}"}}', ()),
    (f'tracking: {{mlflow: {{uri: ["{URI}"]}}}}', ()),
    (f'trakcing: "{URI}"', ()),
    (f'? "{URI}"\n: 1', ()),
    ("", (f"tracking.mlflow.uri={URI}",)),
    ("", (f"tracking.mlflow.url={URI}",)),
    ("", (f"tracking.mlflow={URI}",)),
]


@pytest.mark.parametrize(("line", "options"), LINES)
def test_password_when_in_a_sweep_file_or_option_is_refused_and_not_shown(
    tmp_path: Path, line: str, options: tuple[str, ...]
) -> None:
    write_project(tmp_path, f"{SWEEP}{line}\n")
    spec = tmp_path / "sweep.yaml"
    with pytest.raises(SpecError) as refused:
        check_surroundings(read_sweep(spec, options), spec, tmp_path, is_local=True)
    assert "  Fix: " in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("line", "options"), [LINES[0], LINES[-3]])
def test_password_when_refused_by_the_command_is_nowhere(
    tmp_path: Path, line: str, options: tuple[str, ...]
) -> None:
    write_project(tmp_path, f"{SWEEP}{line}\n")
    ended = run(tmp_path, "sweep.yaml", *(word for each in options for word in ("--set", each)))
    assert ended.code == 2
    assert "'http://***@127.0.0.1:9' holds a password or token" in ended.err
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in ended.err
    assert SECRET not in ended.out + ended.err
    assert {path.name for path in tmp_path.iterdir()} == {"sweep.yaml", "text.txt"}


def test_password_when_in_the_address_of_a_corpus_is_refused(tmp_path: Path) -> None:
    corpus = {"type": "url", "url": URI, "sha256": "0" * 64}
    config = DatasetConfig.model_validate({"corpus": corpus})
    with pytest.raises(DataError, match="holds a user name or password") as refused:
        prepare_dataset(config, project=tmp_path)
    assert SECRET not in str(refused.value)


def test_copy_of_the_sweep_file_when_a_comment_holds_a_password_has_it_not(tmp_path: Path) -> None:
    folder = ExperimentFolder(tmp_path)
    folder.write_sweep_yaml(f'# uri: "{URI}"\nname: a\nurl: "https://h/x?y=1"  # mail me@h\n')
    kept = folder.sweep_yaml.read_text()
    assert kept == (
        '# uri: "http://***@127.0.0.1:9"\nname: a\nurl: "https://h/x?y=1"  # mail me@h\n'
    )


def test_problem_when_printed_disturbs_no_terminal() -> None:
    said = str(Problem("f\x1b[31m", "a\x07\u202e", fix="b\nc"))
    assert said == "f\\x1b[31m: a\\x07\\u202e\n  Fix: b\nc"


def test_mlflow_ui_when_nothing_is_said_listens_on_this_machine_alone() -> None:
    assert signature(ui.main).parameters["host"].default == "127.0.0.1"


TINY = SWEEP.replace("name: bad", "name: tiny")


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.e2e
def test_run_when_the_environment_holds_secrets_keeps_them_out_of_all_that_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SENTINELS.items():
        monkeypatch.setenv(name, value)
    write_project(tmp_path, TINY)
    ended = run(tmp_path, "sweep.yaml")
    assert ended.code == 0, ended.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"summary.json", "environment.json", "report.md", "mlflow.db"} <= {p.name for p in files}
    for path in files:
        assert b"sentinel-" not in path.read_bytes(), path
    assert "sentinel-" not in ended.out + ended.err


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.e2e
def test_run_when_under_way_listens_on_this_machine_alone(tmp_path: Path) -> None:
    write_project(tmp_path, TINY.replace("epochs: 2", "epochs: 1000"))
    with start(tmp_path, "sweep.yaml") as command:
        curves = tmp_path / "experiments" / "tiny" / "trials"
        command.wait_until(lambda: bool([*curves.glob("*/curve.jsonl")]), "trained")
        addresses = listening(command.pid)
        command.send(signal.SIGINT)
        command.wait()
    assert len(addresses) >= 5, "Ray has a handful of servers"
    assert {address for address, _ in addresses} <= LOOPBACK


_TOLD = """
import os, sys
import lmtune.tuning
from ray._common.usage.usage_lib import usage_stats_enabled
from lmtune.tracking.mlflow_observer import _load_mlflow_runs
_load_mlflow_runs()
from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
print(usage_stats_enabled(), MLFLOW_DISABLE_TELEMETRY.get())
"""


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({}, "False True"),
        ({"RAY_USAGE_STATS_ENABLED": "1", "MLFLOW_DISABLE_TELEMETRY": "false"}, "True False"),
    ],
)
@pytest.mark.slow
@pytest.mark.faults
def test_telemetry_is_off_unless_the_user_turns_it_on(
    tmp_path: Path, chosen: dict[str, str], told: str
) -> None:
    settings = ("RAY_USAGE_STATS_ENABLED", "MLFLOW_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TOLD],
        env={**environment, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **chosen},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split("\n")[-2] == told
