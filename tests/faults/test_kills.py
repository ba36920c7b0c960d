"""Kills, for real: of the driver, of workers, by Ctrl-C, at random moments of tune and confirm."""

from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.command import Command, Ended, processes, run, start
from tests.faults.disturbing import (
    EPOCHS,
    TRIALS,
    arguments,
    check_finished,
    check_whole,
    num_epochs,
    wait_for_epochs,
    write_sweep,
)

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]

DRIVER_KILLS = 20
EARLY_KILLS = 3
WORKER_KILLS = 20
INTERRUPTS = 5
ALL_EPOCHS = TRIALS * EPOCHS
SLOW_TO_NOTICE = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""Processes of Ray that see only after a minute that a driver was killed."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the sweep has run undisturbed."""
    folder = tmp_path_factory.mktemp("kills")
    write_sweep(folder)
    ended = run(folder, "sweep.yaml")
    assert ended.code == 0, ended.err
    assert num_epochs(folder, "undisturbed") == ALL_EPOCHS
    return folder


def moments(number: int, seed: int) -> list[int]:
    """Epochs after which something happens: spread over the whole sweep, the last a bit before."""
    generator = random.Random(seed)
    step = 0.9 * ALL_EPOCHS / number
    return [int(step * (each + generator.random())) for each in range(number)]


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n{line}", end=" ")  # noqa: T201 - the counts are asked for


def killed(project: Path, name: str, after_epochs: int | None, generator: random.Random) -> Ended:
    """Start the command, and kill -9 it after so many epochs; while it starts if None."""
    with start(project, *arguments(name)) as command:
        if after_epochs is None:
            time.sleep(generator.uniform(0.3, 8.0))
        else:
            wait_for_epochs(command, project, name, after_epochs)
            time.sleep(generator.uniform(0.0, 0.2))
        command.send(signal.SIGKILL)
        return command.wait()


def test_driver_when_killed_at_any_moment_is_gone_on_from_to_the_bit(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = random.Random(1)
    plan: list[int | None] = [*moments(DRIVER_KILLS, seed=1)]
    for _ in range(EARLY_KILLS):
        plan.insert(generator.randrange(len(plan)), None)
    reached = []
    for after_epochs in plan:
        ended = killed(project, "driver", after_epochs, generator)
        assert ended.code == -signal.SIGKILL
        assert set(ended.processes.values()) <= SLOW_TO_NOTICE
        check_whole(project, "driver")
        reached.append(num_epochs(project, "driver"))
    check_finished(project, "driver", run(project, *arguments("driver")))
    say(capsys, f"{len(plan)} kills -9 of the driver, after epochs {reached} of {ALL_EPOCHS}")


def find_worker(command: Command) -> int:
    """The process that trains; its title says so, but for moments."""
    found: list[int] = []

    def is_there() -> bool:
        titles = processes(command.pid)
        found[:] = [pid for pid, title in titles.items() if title.startswith("ray::lmtune ")]
        return bool(found)

    command.wait_until(is_there, "showed a process that trains")
    return found[0]


def has_noticed(command: Command, times: int) -> bool:
    """Whether a command has said so many times that it tries a trial again."""
    return command.out.count(" is tried again ") >= times


def test_workers_when_killed_are_replaced_and_trials_go_on_to_the_bit(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = random.Random(2)
    name = "workers"
    with start(project, *arguments(name, "--set", f"on_failure.retries={WORKER_KILLS}")) as command:
        for number, after_epochs in enumerate(moments(WORKER_KILLS, seed=2)):
            wait_for_epochs(command, project, name, after_epochs)
            time.sleep(generator.uniform(0.0, 0.2))
            worker = find_worker(command)
            os.kill(worker, signal.SIGKILL if number % 2 else signal.SIGSEGV)
            noticed = partial(has_noticed, command, number + 1)
            command.wait_until(noticed, f"saw its worker die {number + 1} times")
        ended = command.wait()
    check_finished(project, name, ended)
    retries = list((project / "experiments" / name).glob("trials/*/retries.jsonl"))
    noted = sum(len(path.read_text().splitlines()) for path in retries)
    assert noted == WORKER_KILLS
    say(capsys, f"{WORKER_KILLS} kills of workers, SIGKILL and SIGSEGV, of {len(retries)} trials")


def test_driver_when_interrupted_ends_in_order_and_goes_on_to_the_bit(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = random.Random(3)
    for after_epochs in moments(INTERRUPTS, seed=3):
        with start(project, *arguments("interrupted")) as command:
            wait_for_epochs(command, project, "interrupted", after_epochs)
            time.sleep(generator.uniform(0.0, 0.2))
            command.send(signal.SIGINT)
            ended = command.wait()
        assert ended.code == 130, ended.err
        assert "The same command goes on from here." in ended.out + ended.err
        assert "Traceback" not in ended.err
        assert ended.processes == {}
        check_whole(project, "interrupted")
    check_finished(project, "interrupted", run(project, *arguments("interrupted")))
    say(capsys, f"{INTERRUPTS} SIGINT to the driver")
