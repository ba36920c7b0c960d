"""Score a model's own text: the targets that it writes, or how it goes on with prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lmtune.datasets import Dataset, PairsDataset
from lmtune.models import LanguageModel
from lmtune.spec.training import GenerationEvaluation
from lmtune.training.generation import generate, generate_targets
from lmtune.training.text_scores import TextScores, Tokenize, fitting_tokenize, score_texts

SAMPLING_SEED = 0
"""Of decoding that draws: the same for every trial and epoch."""


def score_targets(
    model: LanguageModel,
    dataset: PairsDataset,
    split: str,
    *,
    asked: GenerationEvaluation,
    context_length: int,
    device: torch.device,
) -> TextScores:
    """Let the model write the targets of a split's sources, and compare them with the true ones.

    A target may be half as long again as the longest of the training split.

    Args:
        model: on `device`; in evaluation mode meanwhile.
        dataset: the pairs.
        split: which of them.
        asked: how many examples, and how text is chosen.
        context_length: of the model.
        device: where the model is.
    """
    pairs = dataset.splits[split]
    rows = _spread(len(pairs), asked.num_examples)
    longest = int(dataset.train.targets.lengths.max())
    written = generate_targets(
        model,
        [pairs.sources[row] for row in rows],
        start_token=dataset.start_token,
        end_token=dataset.end_token,
        max_new_tokens=longest + longest // 2 + 1,
        context_length=context_length,
        decoding=asked.decoding,
        generator=_generator(device),
        device=device,
    )
    return score_texts(
        [dataset.decode_target(np.array(tokens, dtype=np.int64)) for tokens in written],
        [pairs.target_texts[row] for row in rows],
        tokenize=tokenize_of(dataset),
    )


def score_continuations(
    model: LanguageModel,
    dataset: Dataset,
    split: str,
    *,
    asked: GenerationEvaluation,
    context_length: int,
    device: torch.device,
) -> TextScores:
    """Let the model go on with prompts, and compare with how the text went on.

    Prompts lie spread evenly over the split; each has half of `context_length` tokens, and so has
    what is written. Exact matches are of the whole continuation.

    Args:
        model: on `device`; in evaluation mode meanwhile.
        dataset: the text.
        split: which part of it.
        asked: how many prompts, and how text is chosen.
        context_length: of the model.
        device: where the model is.
    """
    tokens = dataset.splits[split].tokens
    half = context_length // 2
    num_windows = len(tokens) // context_length
    starts = [row * context_length for row in _spread(num_windows, asked.num_examples)]
    written = generate(
        model,
        [np.asarray(tokens[start : start + half]) for start in starts],
        max_new_tokens=half,
        context_length=context_length,
        decoding=asked.decoding,
        generator=_generator(device),
        device=device,
    )
    decode = dataset.tokenizer.decode
    references = [decode(tokens[start + half : start + 2 * half]) for start in starts]
    hypotheses = [decode(np.array(each, dtype=np.int64)) for each in written]
    return score_texts(hypotheses, references, tokenize=tokenize_of(dataset))


def tokenize_of(dataset: Dataset | PairsDataset) -> Tokenize:
    """What BLEU counts in the texts of a dataset: words, or characters where there are no words."""
    if isinstance(dataset, PairsDataset):
        return fitting_tokenize(dataset.validation.target_texts)
    return "13a"


def _spread(available: int, wanted: int) -> Sequence[int]:
    """Numbers of so many examples, evenly spread over those there are."""
    count = min(available, wanted)
    return [index * available // count for index in range(count)]


def _generator(device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(SAMPLING_SEED)
