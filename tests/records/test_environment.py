from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from lmtune.records import describe_environment

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with one commit of one file."""
    (tmp_path / "model.py").write_text("a = 1\n")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=tmp_path, check=True)
    return tmp_path


def test_environment_names_versions_and_machine(tmp_path: Path) -> None:
    environment = describe_environment(tmp_path)
    assert environment["python"] == platform.python_version()
    assert environment["packages"]["torch"] == metadata.version("torch")
    assert environment["cpu_count"] >= 1
    assert json.loads(json.dumps(environment)) == environment


def test_environment_of_a_checkout_names_commit_and_whether_it_was_changed(
    checkout: Path,
) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = describe_environment(checkout)
    assert (environment["git_commit"], environment["git_dirty"]) == (commit, False)
    (checkout / "trials.csv").write_text("what a sweep writes is no change of the code")
    assert describe_environment(checkout)["git_dirty"] is False
    (checkout / "model.py").write_text("a = 2\n")
    assert describe_environment(checkout)["git_dirty"] is True


def test_environment_outside_of_a_checkout_names_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    environment = describe_environment(tmp_path)
    assert (environment["git_commit"], environment["git_dirty"]) == (None, None)


def test_environment_without_git_names_no_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert describe_environment(checkout)["git_commit"] is None


def test_environment_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hush-env")
    uri = "tracking.mlflow.uri=https://me:hush-uri@example.org/x"
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "lmtune.run", "a b.yaml", "--set", uri])
    environment = describe_environment(tmp_path)
    assert "hush" not in json.dumps(environment)
    assert environment["command"] == (
        "python -m lmtune.run 'a b.yaml' --set tracking.mlflow.uri=https://***@example.org/x"
    )
