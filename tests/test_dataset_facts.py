"""What the records are told of a sweep's data."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lmtune.dataset_facts import dataset_facts
from lmtune.datasets import ngram_floors, prepare_text
from lmtune.preflight import prepare_datasets
from lmtune.records import DatasetFacts
from lmtune.spec import read_sweep

BASE = """\
name: facts
base:
  dataset: {corpus: {type: text, train: a.txt, validation: b.txt}, context_length: 8}
  model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 2}
  optimizer: {type: adamw}
  training: {epochs: 2, steps_per_epoch: 2}
"""
TRAIN = "She sells sea shells by the sea shore. " * 40
VALIDATION = "The shells that she sells are sea shells. " * 10


def facts(project: Path, more: str = "", base: str = BASE) -> dict[str, DatasetFacts]:
    path = project / "sweep.yaml"
    path.write_text(base + more)
    (project / "a.txt").write_text(TRAIN)
    (project / "b.txt").write_text(VALIDATION)
    sweep = read_sweep(path)
    return dataset_facts(sweep, prepare_datasets(sweep, path, project), project)


def test_facts_of_a_text_hold_its_sizes_floors_and_leakage(tmp_path: Path) -> None:
    (found,) = facts(tmp_path).values()
    config = read_sweep(tmp_path / "sweep.yaml").variants[0].config.dataset
    dataset = prepare_text(config, project=tmp_path)
    assert (found.train_tokens, found.validation_tokens) == (len(TRAIN), len(VALIDATION))
    assert found.ngram_floors == ngram_floors(dataset)
    assert found.leakage == dataset.leakage
    assert found.unknown_validation_tokens == VALIDATION.count("T")
    assert (found.validation_pairs, found.left_out) == (None, {})


def test_facts_of_variants_that_share_their_data_need_no_hash_of_the_text(tmp_path: Path) -> None:
    found = facts(tmp_path, "ablate: {model.num_layers: [2], dataset.context_length: [16]}\n")
    assert {each.validation_text_sha256 for each in found.values()} == {None}


def test_facts_of_variants_that_differ_in_their_tokens_hash_the_text_itself(
    tmp_path: Path,
) -> None:
    found = facts(tmp_path, "ablate: {dataset.tokenizer: [byte, word]}\n")
    assert len({each.fingerprint for each in found.values()}) == 3
    expected = hashlib.sha256(VALIDATION.encode()).hexdigest()
    assert {each.validation_text_sha256 for each in found.values()} == {expected}


def test_facts_of_variants_that_differ_in_their_text_have_other_hashes(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(VALIDATION[:-1])
    found = facts(tmp_path, "ablate: {dataset.corpus.validation: [c.txt]}\n")
    assert len({each.validation_text_sha256 for each in found.values()}) == 2


def test_facts_of_pairs_count_what_is_scored(tmp_path: Path) -> None:
    base = BASE.replace(
        "{type: text, train: a.txt, validation: b.txt}", "{type: reverse, num_pairs: 200}"
    )
    found = facts(tmp_path, "ablate: {dataset.context_length: [16, 64]}\n", base)
    short, long = found["base"], found["context_length=64"]
    assert short.ngram_floors is None
    assert short.left_out["validation"] > long.left_out["validation"] == 0
    assert short.validation_pairs is not None
    assert long.validation_pairs == short.validation_pairs + short.left_out["validation"]
    assert long.validation_tokens > long.validation_pairs
    assert short.validation_text_sha256 != long.validation_text_sha256
