from __future__ import annotations

import threading

import pytest

from lmtune.tracking import background
from lmtune.tracking.background import BackgroundJobs

DRAIN_S = 30


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Failures that were said; pauses are short."""
    monkeypatch.setattr(background, "_GATHER_S", 0.02)
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.01)
    return []


@pytest.fixture
def jobs(errors: list[Exception]) -> BackgroundJobs:
    return BackgroundJobs("test", errors.append)


class Flaky:
    """A job that fails a number of times."""

    def __init__(self, num_failures: int) -> None:
        self.failures_left = num_failures
        self.is_done = False

    def __call__(self) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise OSError("disk full")
        self.is_done = True


def test_put_while_a_job_hangs_returns(jobs: BackgroundJobs) -> None:
    release = threading.Event()
    done: list[str] = []

    def first() -> None:
        release.wait(DRAIN_S)
        done.append("first")

    jobs.put("first", first)
    jobs.put("second", lambda: done.append("second"))
    assert done == []
    release.set()
    assert jobs.drain(DRAIN_S)
    assert done == ["first", "second"]


def test_put_of_one_name_many_times_runs_few_jobs(jobs: BackgroundJobs) -> None:
    runs: list[int] = []
    for _ in range(1000):
        jobs.put("same", lambda: runs.append(1))
    assert jobs.drain(DRAIN_S)
    assert 1 <= len(runs) < 1000


def test_put_after_the_job_was_taken_runs_it_again(jobs: BackgroundJobs) -> None:
    taken, release = threading.Event(), threading.Event()
    seen: list[str] = []

    def job() -> None:
        seen.append("run")
        taken.set()
        release.wait(DRAIN_S)

    jobs.put("same", job)
    assert taken.wait(DRAIN_S)
    jobs.put("same", job)  # what it announces may be newer than what the running job read
    release.set()
    assert jobs.drain(DRAIN_S)
    assert seen == ["run", "run"]


def test_job_that_fails_for_a_while_is_made_up_for(
    jobs: BackgroundJobs, errors: list[Exception]
) -> None:
    job = Flaky(num_failures=2)
    jobs.put("flaky", job)
    assert jobs.drain(DRAIN_S)
    assert job.is_done
    assert jobs.num_failures == 2
    assert len(errors) == 1, "said once"


def test_job_that_always_fails_does_not_keep_the_others_from_being_done(
    jobs: BackgroundJobs,
) -> None:
    hopeless, fine = Flaky(num_failures=10**9), [Flaky(num_failures=0) for _ in range(5)]
    jobs.put("hopeless", hopeless)
    for number, job in enumerate(fine):
        jobs.put(str(number), job)
    assert not jobs.drain(DRAIN_S)
    assert all(job.is_done for job in fine)
    assert str(jobs.last_error) == "disk full"


def test_drain_when_a_job_takes_longer_says_that_it_is_not_done(jobs: BackgroundJobs) -> None:
    release = threading.Event()

    def slow() -> None:
        release.wait(DRAIN_S)

    jobs.put("slow", slow)
    assert not jobs.drain(0.05)
    release.set()
    assert jobs.drain(DRAIN_S)


def test_drain_while_jobs_are_done_waits_longer_than_its_patience(jobs: BackgroundJobs) -> None:
    pace = threading.Event()
    done: list[int] = []

    def job(number: int) -> None:
        pace.wait(0.1)  # never set: all of them together take longer than the patience
        done.append(number)

    for number in range(15):
        jobs.put(str(number), lambda number=number: job(number))  # type: ignore[misc]
    assert jobs.drain(1.0)
    assert done == list(range(15))


def test_last_error_after_it_was_made_up_for_is_none(jobs: BackgroundJobs) -> None:
    jobs.put("flaky", Flaky(num_failures=1))
    assert jobs.drain(DRAIN_S)
    assert jobs.num_failures == 1
    assert jobs.last_error is None


def test_put_after_drain_runs_in_a_new_thread(jobs: BackgroundJobs) -> None:
    jobs.put("first", Flaky(0))
    jobs.drain(DRAIN_S)
    assert "test" not in [thread.name for thread in threading.enumerate()]
    late = Flaky(0)
    jobs.put("late", late)
    assert jobs.drain(DRAIN_S)
    assert late.is_done
