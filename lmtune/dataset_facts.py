"""What the records say of the data that a sweep's numbers are measured on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lmtune.datasets import Dataset, PairsDataset, PreparedDatasets, ngram_floors
from lmtune.datasets.corpora import read_corpus
from lmtune.records import DatasetFacts
from lmtune.spec.dataset import DatasetConfig
from lmtune.spec.sweep import SweepSpec


def dataset_facts(
    sweep: SweepSpec, prepared: PreparedDatasets, project: Path
) -> dict[str, DatasetFacts]:
    """The facts of each variant's data, by the variant's name.

    The validation texts are hashed where variants differ in their data, for then their numbers
    compare only if these are the same; reading them again costs as much as preparing them.

    Args:
        sweep: as understood.
        prepared: the data of all variants.
        project: the folder that relative paths start from.

    Raises:
        DataError: a text is not there any more.
    """
    configs = {variant.name: variant.config.dataset for variant in sweep.variants}
    datasets = {name: prepared.get(config) for name, config in configs.items()}
    differ = len({dataset.fingerprint for dataset in datasets.values()}) > 1
    known: dict[str, DatasetFacts] = {}
    facts = {}
    for name, config in configs.items():
        key = config.model_dump_json()
        if key not in known:
            text_hash = _text_hash(config, datasets[name], project) if differ else None
            known[key] = _facts(datasets[name], text_hash)
        facts[name] = known[key]
    return facts


def _facts(dataset: Dataset | PairsDataset, text_hash: str | None) -> DatasetFacts:
    facts = DatasetFacts(
        fingerprint=dataset.fingerprint,
        vocab_size=dataset.vocab_size,
        train_tokens=_num_tokens(dataset, "train"),
        validation_tokens=_num_tokens(dataset, "validation"),
        bytes_per_token=dataset.bytes_per_token,
        entropy_rate=dataset.entropy_rate,
        validation_text_sha256=text_hash,
        unknown_validation_tokens=dataset.unknown_tokens.get("validation", 0),
        leakage=dataset.leakage,
    )
    if isinstance(dataset, PairsDataset):
        pairs = dataset.validation
        update = {
            "validation_pairs": len(pairs),
            "left_out": dataset.left_out,
            "tokenized_targets": sum(text.endswith(" .") for text in pairs.target_texts),
        }
        return facts.model_copy(update=update)
    return facts.model_copy(update={"ngram_floors": ngram_floors(dataset)})


def _num_tokens(dataset: Dataset | PairsDataset, split: str) -> int:
    """Tokens of a text; of pairs, those that are scored."""
    if isinstance(dataset, PairsDataset):
        return dataset.splits[split].num_scored_tokens
    return len(dataset.splits[split].tokens)


def _text_hash(config: DatasetConfig, dataset: Dataset | PairsDataset, project: Path) -> str:
    """A hash of the validation text, whatever it was cut into."""
    digest = hashlib.sha256()
    if isinstance(dataset, PairsDataset):
        pairs = dataset.validation
        for source, target in zip(pairs.source_texts, pairs.target_texts, strict=True):
            for text in (source, target):
                digest.update(f"{len(text)}:{text}".encode())
    else:
        corpus = read_corpus(config.corpus, project=project, where="dataset.corpus")
        digest.update(corpus.validation.encode())
    return digest.hexdigest()
