"""Starting Ray, quietly and on this machine alone, or joining a cluster; and what fits on it."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ray

from lmtune.errors import Problem, ResourceError
from lmtune.machine import available_cpus
from lmtune.spec.sweep import Resources
from lmtune.tuning.ray_settings import OBJECT_STORE_BYTES

_QUIET: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process is connected to.

    Attributes:
        dashboard_url: None where the dashboard does not run.
        token_file: holds the token that the dashboard asks for.
        num_cpus: of all nodes.
        num_gpus: of all nodes.
    """

    dashboard_url: str | None
    token_file: Path
    num_cpus: float
    num_gpus: float

    def num_slots(self, resources: Resources) -> int:
        """Trials that run at once.

        Raises:
            ResourceError: not even one fits.
        """
        slots = int(self.num_cpus // resources.cpu)
        if resources.gpu:
            slots = min(slots, int(self.num_gpus / resources.gpu))
        if slots == 0:
            raise ResourceError(
                Problem(
                    "resources",
                    f"a trial asks for {resources.cpu} CPUs and {resources.gpu:g} GPUs, and the "
                    f"cluster has {self.num_cpus:g} and {self.num_gpus:g}",
                    "resources that fit on the cluster",
                    "lower resources.cpu or resources.gpu with --set",
                )
            )
        return min(slots, resources.max_concurrent or slots)


class ClusterConnection:
    """Starts Ray when it is first asked for, and ends it with its block.

    Args:
        address: of a running cluster (`ray://...`, `host:port` or `auto`); a Ray of its own on
            this machine, with its dashboard on 127.0.0.1, if None.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._session: Path | None = None

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster, started or joined. Ask for it in the main thread, which Ray lives with.

        Raises:
            ResourceError: no cluster answers at the address.
        """
        context = _start() if self._address is None else _join(self._address)
        if self._address is None:
            self._session = _session_folder()
        token_file = _token_file()
        if token_file.exists():
            token_file.chmod(0o600)  # Ray writes it for all users of the machine to read
        resources = ray.cluster_resources()
        return Cluster(
            dashboard_url=f"http://{context.dashboard_url}" if context.dashboard_url else None,
            token_file=token_file,
            num_cpus=resources.get("CPU", 0.0),
            num_gpus=resources.get("GPU", 0.0),
        )

    def __enter__(self) -> ClusterConnection:
        return self

    def __exit__(self, *exception: object) -> None:
        if ray.is_initialized():
            ray.shutdown()
        if self._session is not None:
            shutil.rmtree(self._session, ignore_errors=True)  # Ray never clears its sessions


def _start() -> ray._private.worker.BaseContext:
    with _process_groups_of_their_own():
        return ray.init(
            "local",
            num_cpus=available_cpus(),
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            object_store_memory=OBJECT_STORE_BYTES,
            **_QUIET,
        )


@contextmanager
def _process_groups_of_their_own() -> Iterator[None]:
    """Keep a signal to the whole job, as `timeout` sends, from the processes that start here.

    It is for the driver, which ends them in order. Ray has no setting for this.
    """
    original = subprocess.Popen.__init__

    def start(self: subprocess.Popen[Any], *args: Any, **options: Any) -> None:  # noqa: ANN401
        original(self, *args, **{"process_group": 0, **options})

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]
    try:
        yield
    finally:
        subprocess.Popen.__init__ = original  # type: ignore[method-assign]


def _join(address: str) -> ray._private.worker.BaseContext:
    try:
        return ray.init(address, **_QUIET)
    except ConnectionError as error:
        raise ResourceError(
            Problem(
                f"--address {address}",
                f"no Ray cluster answers there: {error}",
                "the address that `ray start --head` printed",
                "start the cluster, or leave --address out to use this machine",
            )
        ) from error


def _token_file() -> Path:
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH", Path.home() / ".ray" / "auth_token"))


def _session_folder() -> Path:
    context = ray.get_runtime_context()
    return Path(str(context.get_temp_dir()), str(context.get_session_name()))
