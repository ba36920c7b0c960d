"""What is found wrong around a sweep before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lmtune import machine, preflight
from lmtune.errors import DataError, SpecError
from lmtune.preflight import check_resources, check_surroundings, prepare_datasets
from lmtune.spec import read_sweep
from lmtune.spec.sweep import Resources, SweepSpec

SPEC = Path("sweep.yaml")
SWEEP = """\
name: checked
base:
  dataset: {corpus: {type: text, train: a.txt}, tokenizer: char, context_length: 8}
  model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 2}
  optimizer: {type: adamw}
  training: {epochs: 2, steps_per_epoch: 2}
variants:
  one: {}
  same: {model: {dropout: 0.1}}
  other: {dataset: {corpus: {type: text, train: b.txt}}}
"""


def load(folder: Path, more: str = "") -> SweepSpec:
    path = folder / SPEC
    path.write_text(SWEEP + more, encoding="utf-8")
    return read_sweep(path)


def write_texts(folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"{name}: all work and no play. " * 50, encoding="utf-8")


def test_surroundings_when_all_is_well_pass(tmp_path: Path) -> None:
    sweep = load(tmp_path)
    write_texts(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    check_surroundings(sweep, SPEC, tmp_path, is_local=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_surroundings_when_much_is_wrong_are_told_all_at_once_each_corpus_once(
    tmp_path: Path,
) -> None:
    sweep = load(
        tmp_path,
        "resources: {cpu: 4096}\ntracking: {mlflow: {uri: 'sqlite:///sweep.yaml/mlflow.db'}}\n",
    )
    with pytest.raises(SpecError) as refused:
        check_surroundings(sweep, SPEC, tmp_path, is_local=True)
    assert [problem.where for problem in refused.value.problems] == [
        "sweep.yaml: variant one: dataset.corpus.train",
        "sweep.yaml: variant other: dataset.corpus.train",
        "sweep.yaml: tracking.mlflow.uri",
        "sweep.yaml: resources.cpu",
    ]
    assert all(problem.fix for problem in refused.value.problems)


def test_surroundings_when_a_corpus_is_wrong_name_the_line_that_says_it(tmp_path: Path) -> None:
    sweep = load(tmp_path)
    with pytest.raises(SpecError) as refused:
        check_surroundings(sweep, tmp_path / SPEC, tmp_path, is_local=True)
    assert [problem.where.replace(f"{tmp_path}/", "") for problem in refused.value.problems] == [
        "sweep.yaml:3: base.dataset.corpus.train",
        "sweep.yaml:10: variants.other.dataset.corpus.train",
    ]


def test_surroundings_when_an_option_names_the_corpus_name_the_option(tmp_path: Path) -> None:
    load(tmp_path)
    option = "base.dataset.corpus.train=c.txt"
    sweep = read_sweep(tmp_path / SPEC, [option])
    with pytest.raises(SpecError) as refused:
        check_surroundings(sweep, tmp_path / SPEC, tmp_path, is_local=True)
    assert refused.value.problems[0].where == f"--set {option}"


def test_surroundings_when_trials_run_on_a_cluster_are_not_this_machines(tmp_path: Path) -> None:
    sweep = load(tmp_path, "resources: {cpu: 4096}\n")
    write_texts(tmp_path)
    check_surroundings(sweep, SPEC, tmp_path, is_local=False)


def test_resources_when_beyond_the_machine_say_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "available_cpus", lambda: 2)
    monkeypatch.setattr(preflight, "available_gpus", lambda: 1)
    problems = check_resources(Resources(cpu=3, gpu=2), SPEC)
    assert [str(problem) for problem in problems] == [
        f"sweep.yaml: resources.{kind}: a trial asks for {asked} {kind.upper()}s, and this machine "
        f"has {there}\n  Expected: at most {there}\n  Fix: --set resources.{kind}={there}"
        for kind, asked, there in (("cpu", 3, 2), ("gpu", 2, 1))
    ]
    assert check_resources(Resources(cpu=2, gpu=0.5), SPEC) == []


def test_resources_when_no_gpu_is_asked_for_never_look_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "available_gpus", lambda: pytest.fail("torch was imported"))
    assert check_resources(Resources(), SPEC) == []


def test_cpus_when_the_process_is_bound_to_some_are_those(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7})
    assert machine.available_cpus() == 3


def test_datasets_when_prepared_are_there_for_each_variant(tmp_path: Path) -> None:
    sweep = load(tmp_path)
    write_texts(tmp_path)
    prepared = prepare_datasets(sweep, SPEC, tmp_path)
    one, same, other = (prepared.get(variant.config.dataset) for variant in sweep.variants)
    assert one is same
    assert one.fingerprint != other.fingerprint


def test_datasets_when_unreadable_are_told_all_at_once_each_once(tmp_path: Path) -> None:
    sweep = load(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\0" * 100)
    (tmp_path / "b.txt").write_bytes(b"\xff" * 100)
    with pytest.raises(DataError) as refused:
        prepare_datasets(sweep, SPEC, tmp_path)
    assert [str(problem).partition(" is ")[0] for problem in refused.value.problems] == [
        f"sweep.yaml: variant one: dataset.corpus.train: {tmp_path}/a.txt",
        f"sweep.yaml: variant other: dataset.corpus.train: {tmp_path}/b.txt",
    ]
    assert not (tmp_path / "data").exists()


def test_datasets_when_unreadable_name_the_line_and_the_file(tmp_path: Path) -> None:
    sweep = load(tmp_path)
    write_texts(tmp_path)
    (tmp_path / "b.txt").write_bytes(b"\xff" * 100)
    with pytest.raises(DataError) as refused:
        prepare_datasets(sweep, tmp_path / SPEC, tmp_path)
    (problem,) = refused.value.problems
    assert str(problem).startswith(
        f"{tmp_path}/sweep.yaml:10: variants.other.dataset.corpus.train: {tmp_path}/b.txt is "
    )


def test_datasets_when_a_context_is_searched_must_be_long_enough_for_the_longest(
    tmp_path: Path,
) -> None:
    write_texts(tmp_path)
    more = "parameters: {dataset.context_length: {values: [8, 16, 2048]}}\nmethod: grid\n"
    sweep = load(tmp_path, more)
    with pytest.raises(DataError, match="too few for context_length 2048"):
        prepare_datasets(sweep, SPEC, tmp_path)
    sweep = load(tmp_path, more.replace("2048", "32"))
    prepare_datasets(sweep, SPEC, tmp_path)
