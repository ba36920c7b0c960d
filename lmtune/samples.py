"""What a model of each variant writes from the same prompts, kept for the report.

At the end of a sweep, where the checkpoints are; the report itself reads records alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from lmtune.analysis.confirmed import best_trial
from lmtune.analysis.experiment import Experiment
from lmtune.datasets import PairsDataset
from lmtune.errors import LmtuneError
from lmtune.records import ExperimentFolder, TrialRecord
from lmtune.records.samples import Prompt, Samples, VariantSamples, write_samples
from lmtune.spec.decoding import DecodingConfig, GreedyDecoding, SampleDecoding
from lmtune.trained_trial import TrainedTrial, open_recorded_trial
from lmtune.training.generation import generate, generate_targets

NUM_PROMPTS = 3
MAX_NEW_TOKENS = 120
SEED = 0
_SAMPLED = SampleDecoding(type="sample", temperature=0.8)

MAX_TIME_S = 60.0
"""Models whose turn comes later than this after the first are left out, and that is told."""


def keep_samples(experiment: Experiment) -> None:
    """Let the best confirmed trial of each variant write, and keep what it wrote.

    What cannot be written, since a checkpoint or the data is not there any more, is told in its
    place. Nothing is done where the best trials are those that wrote before.

    Args:
        experiment: its records.
    """
    folder, best = experiment.folder, _best_trials(experiment)
    trial_ids = {variant: record.spec.trial_id for variant, record in best.items()}
    known = experiment.samples
    if not best or (
        known and {each.variant: each.trial_id for each in known.variants} == trial_ids
    ):
        return
    first = next(_opened(folder, best), None)
    if first is None:
        return
    is_pairs = first.record.spec.config.dataset.is_pairs
    decoding: DecodingConfig = GreedyDecoding(type="greedy") if is_pairs else _SAMPLED
    prompts = tuple(_prompts(first))
    started = time.monotonic()
    variants = []
    for variant, record in best.items():
        texts: tuple[str, ...] = ()
        problem = ""
        if time.monotonic() - started > MAX_TIME_S:
            problem = "left out, to save time"
        else:
            try:
                texts = _written(folder, record, prompts, decoding)
            except LmtuneError as error:
                problem = str(error).splitlines()[0]
        variants.append(
            VariantSamples(
                variant=variant, trial_id=trial_ids[variant], texts=texts, problem=problem
            )
        )
    samples = Samples(
        is_pairs=is_pairs,
        decoding=decoding.model_dump(mode="json", exclude_none=True),
        seed=SEED,
        prompts=prompts,
        variants=tuple(variants),
    )
    write_samples(folder.samples_json, samples)


def _best_trials(experiment: Experiment) -> dict[str, TrialRecord]:
    """The best confirmed trial of each variant, if all read the same kind of data."""
    found = {}
    summary = experiment.summary
    records = {record.spec.trial_id: record for record in experiment.records}
    kinds = {each.variant.config.dataset.is_pairs for each in summary.variants}
    for each in summary.variants:
        best = best_trial([each.answer] if each.answer else [], summary.sweep.metric)
        if best is not None and len(kinds) == 1:
            found[each.variant.name] = records[best.trial_id]
    return found


def _opened(folder: ExperimentFolder, best: dict[str, TrialRecord]) -> Iterator[TrainedTrial]:
    """The trials whose checkpoints and data are there."""
    for record in best.values():
        try:
            yield open_recorded_trial(folder, record, "last")
        except LmtuneError:
            continue


def _prompts(opened: TrainedTrial) -> Iterator[Prompt]:
    """Evenly spaced in the validation split, with what stands there."""
    dataset = opened.dataset
    if isinstance(dataset, PairsDataset):
        pairs = dataset.validation
        for row in np.linspace(0, len(pairs) - 1, min(NUM_PROMPTS, len(pairs))).astype(int):
            yield Prompt(text=pairs.source_texts[row], expected=pairs.target_texts[row])
        return
    tokens = dataset.validation.tokens
    length = opened.record.spec.config.dataset.context_length // 2
    last = max(0, len(tokens) - length - MAX_NEW_TOKENS)
    for start in np.linspace(0, last, NUM_PROMPTS).astype(int):
        middle = start + length
        yield Prompt(
            text=dataset.tokenizer.decode(tokens[start:middle]),
            expected=dataset.tokenizer.decode(tokens[middle : middle + MAX_NEW_TOKENS]),
        )


def _written(
    folder: ExperimentFolder,
    record: TrialRecord,
    prompts: Sequence[Prompt],
    decoding: DecodingConfig,
) -> tuple[str, ...]:
    """What a trial's model writes.

    Raises:
        LmtuneError: its checkpoint or its data is not there any more.
    """
    opened = open_recorded_trial(folder, record, "last")
    dataset, context_length = opened.dataset, opened.record.spec.config.dataset.context_length
    generator = torch.Generator(opened.device).manual_seed(SEED)
    if isinstance(dataset, PairsDataset):
        written = generate_targets(
            opened.model,
            [dataset.encode_source(prompt.text) for prompt in prompts],
            start_token=dataset.start_token,
            end_token=dataset.end_token,
            max_new_tokens=MAX_NEW_TOKENS,
            decoding=decoding,
            context_length=context_length,
            generator=generator,
            device=opened.device,
        )
        return tuple(dataset.decode_target(tokens) for tokens in written)
    written = generate(
        opened.model,
        [dataset.tokenizer.encode(prompt.text) for prompt in prompts],
        max_new_tokens=MAX_NEW_TOKENS,
        decoding=decoding,
        context_length=context_length,
        generator=generator,
        device=opened.device,
    )
    return tuple(dataset.tokenizer.decode(np.array(tokens, dtype=np.int64)) for tokens in written)
