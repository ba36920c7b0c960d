"""Where a sweep ran: versions, machine, commit and command, without importing what it names."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from lmtune.credentials import mask_credentials

_PACKAGES = (
    "lmtune",
    "torch",
    "ray",
    "optuna",
    "mlflow",
    "numpy",
    "pandas",
    "scipy",
    "pydantic",
    "safetensors",
)


def describe_environment(project: Path) -> dict[str, Any]:
    """What a reader of the numbers needs to know of the place that they come from.

    Environment variables are left out, and so are logins and queries of addresses in the command:
    either may hold a secret.

    Args:
        project: the folder that the command runs in; its commit is named if it is a git checkout.
    """
    return {
        "command": mask_credentials(shlex.join(sys.orig_argv)),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        **_describe_git(project),
    }


def _version(package: str) -> str | None:
    """The installed version; None for a package that is not, as lmtune itself in a plain clone."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _describe_git(project: Path) -> dict[str, Any]:
    """The commit, and whether tracked files differ from it; both None outside of a checkout."""
    try:
        commit = _git(project, "rev-parse", "HEAD")
        changes = _git(project, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return {"git_commit": None, "git_dirty": None}
    return {"git_commit": commit, "git_dirty": bool(changes)}


def _git(project: Path, *arguments: str) -> str:
    # Optional locks would disturb a git command that the user runs at the same time.
    finished = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(project), *arguments],
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )
    return finished.stdout.strip()
