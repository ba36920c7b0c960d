"""When what begins and ends inside the processes of a measured command.

Nothing in lmtune is written for this: a measured command runs with a `sitecustomize` that calls
`install`, which wraps the functions of `WATCHED` as their modules are imported. Each costs a line
in a file, a few times an epoch. Ray's workers inherit the environment, and so do the same.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

FOLDER_VARIABLE = "LMTUNE_BENCH_EVENTS"

WATCHED = {
    "lmtune.driver": ("drive",),
    "lmtune.terminal": ("LiveTable._render",),
    "lmtune.tuning": (),
    "lmtune.tuning.conductor": ("Conductor.resume", "Conductor.ended"),
    "lmtune.tuning.runner": ("run_sweep", "prepare_conductor"),
    "lmtune.training.checkpoint": ("CheckpointFolder.save",),
    "lmtune.training.loop": ("train", "TrainingRun.__init__", "TrainingRun.train_epoch"),
}
"""Modules whose import is timed, and the functions in them whose calls are."""

Edge = Literal["begin", "end"]


@dataclass(frozen=True)
class Event:
    """Something began or ended.

    Attributes:
        name: of the function, or `import` and the module.
        edge: which of the two.
        at_s: by the machine's monotonic clock, which all processes share.
        cpu_s: that the process has used so far, all of its threads together.
        pid: of the process.
    """

    name: str
    edge: Edge
    at_s: float
    cpu_s: float
    pid: int


def read_events(folder: Path) -> list[Event]:
    """All events that processes noted in a folder, in the order of time."""
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
    return sorted((Event(**json.loads(line)) for line in lines), key=lambda event: event.at_s)


def install() -> None:
    """Note, from now on, what this process does. Called before it imports anything else."""
    if FOLDER_VARIABLE in os.environ:
        sys.meta_path.insert(0, _Finder())


def _note(name: str, edge: Edge) -> None:
    event = Event(name, edge, time.monotonic(), time.process_time(), os.getpid())
    path = Path(os.environ[FOLDER_VARIABLE], f"{event.pid}.jsonl")
    with path.open("a") as file:
        file.write(json.dumps(asdict(event)) + "\n")


class _Finder(MetaPathFinder):
    """Finds watched modules as Python does, and has them watched."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in WATCHED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Wraps the watched functions of a module before anyone else can have imported them."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        _note(f"import {module.__name__}", "begin")
        self._loader.exec_module(module)
        for path in WATCHED[module.__name__]:
            *owners, name = path.split(".")
            owner = functools.reduce(getattr, owners, module)
            setattr(owner, name, _watched(path, getattr(owner, name)))
        _note(f"import {module.__name__}", "end")


def _watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, or generator, with its begin and end noted."""

    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        _note(name, "begin")
        try:
            return function(*args, **kwargs)
        finally:
            _note(name, "end")

    @functools.wraps(function)
    def generate(*args: object, **kwargs: object) -> Iterator[object]:
        _note(name, "begin")
        try:
            yield from function(*args, **kwargs)
        finally:
            _note(name, "end")

    return generate if inspect.isgeneratorfunction(function) else call
