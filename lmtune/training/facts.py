"""What is known of a trial before it runs: its model's size and cost, and how text is compared."""

from __future__ import annotations

from lmtune.datasets import Dataset, PairsDataset
from lmtune.models import count_parameters, flops_per_token, pair_flops_per_token
from lmtune.spec.result import TrialFacts
from lmtune.spec.trial import TrialConfig
from lmtune.training.generation_evaluation import tokenize_of
from lmtune.training.text_scores import signatures


def trial_facts(config: TrialConfig, dataset: Dataset | PairsDataset) -> TrialFacts:
    """Count without building the model.

    Args:
        config: of the trial.
        dataset: prepared from its section.
    """
    context_length = config.dataset.context_length
    count = count_parameters(
        config.model,
        vocab_size=dataset.vocab_size,
        num_outputs=dataset.num_outputs,
        context_length=context_length,
    )
    if isinstance(dataset, PairsDataset):
        flops = pair_flops_per_token(
            config.model,
            num_outputs=dataset.num_outputs,
            source_length=float(dataset.train.sources.lengths.mean()),
            target_length=float(dataset.train.targets.lengths.mean()) + 1,
        )
    else:
        flops = flops_per_token(
            config.model, vocab_size=dataset.vocab_size, context_length=context_length
        )
    bleu, chrf = signatures(tokenize_of(dataset)) if config.generation else (None, None)
    return TrialFacts(
        num_parameters=count.total,
        num_non_embedding_parameters=count.non_embedding,
        flops_per_token=flops,
        epochs=config.training.epochs,
        bleu_signature=bleu,
        chrf_signature=chrf,
    )
