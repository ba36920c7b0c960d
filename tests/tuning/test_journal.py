"""Optuna's journal, as lmtune writes it."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from lmtune.tuning.journal import Journal


def test_journal_when_read_by_optuna_holds_what_was_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=JournalStorage(Journal(path)), study_name="s")
    for number in range(3):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, float(number))
    read = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="s")
    assert [trial.value for trial in read.trials] == [0.0, 1.0, 2.0]
    assert [trial.params for trial in read.trials] == [trial.params for trial in study.trials]


def test_journal_when_a_crash_tore_its_last_line_goes_on_without_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=JournalStorage(Journal(path)), study_name="s")
    study.tell(study.ask(), 1.0)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    study = optuna.load_study(storage=JournalStorage(Journal(path)), study_name="s")
    study.tell(study.ask(), 2.0)
    read = optuna.load_study(storage=JournalStorage(Journal(path)), study_name="s")
    assert [trial.value for trial in read.trials] == [1.0, 2.0]


def test_journal_when_many_lines_come_at_once_waits_for_the_disk_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    now = [0.0]
    monkeypatch.setattr("os.fsync", synced.append)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    backend = Journal(tmp_path / "journal.log")
    for _ in range(10):
        backend.append_logs([{"a": 1}, {"b": 2}])
    assert not synced
    now[0] = 1.5
    backend.append_logs([{"c": 3}])
    backend.append_logs([{"d": 4}])
    assert len(synced) == 1
    assert [*backend.read_logs(20)] == [{"c": 3}, {"d": 4}]
