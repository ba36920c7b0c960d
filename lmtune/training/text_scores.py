"""Compare written texts with true ones, by sacreBLEU.

Texts are compared as they are, detokenized, and sacreBLEU splits both sides into words by itself:
Post 2018 shows what else goes wrong. Scores of different signatures must not be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Tokenize = Literal["13a", "char"]
"""How BLEU splits text: into the words and marks of mteval-v13a, or into characters."""

LONGEST_NGRAM = 4
"""Of BLEU: a corpus without so many words in a row scores 0, however good it is."""


@dataclass(frozen=True)
class TextScores:
    """How like the references the hypotheses are, over all texts together.

    Attributes:
        bleu: corpus BLEU, 0 to 100, of words in the right order; exponential smoothing.
        chrf: chrF2, 0 to 100, of characters in the right order.
        exact_match: share of hypotheses that are their reference, character by character.
        brevity_penalty: BLEU's factor for texts that are shorter than the references; 1 for none.
        bleu_signature: sacreBLEU's, with all that decides `bleu`.
        chrf_signature: as `bleu_signature`.
    """

    bleu: float
    chrf: float
    exact_match: float
    brevity_penalty: float
    bleu_signature: str
    chrf_signature: str

    def metrics(self, prefix: str) -> dict[str, float]:
        """The numbers, named as in the tables, such as `val_bleu`."""
        names = ("bleu", "chrf", "exact_match", "brevity_penalty")
        return {f"{prefix}{name}": getattr(self, name) for name in names}


def score_texts(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenize: Tokenize = "13a"
) -> TextScores:
    """Score hypotheses against one reference each.

    BLEU is the geometric mean over n-grams of one to four words, so it says nothing of texts that
    have fewer words than that, such as a sequence of symbols without spaces: `fitting_tokenize`.

    Args:
        hypotheses: detokenized; may be empty strings.
        references: as many, raw.
        tokenize: of BLEU alone.

    Raises:
        ValueError: there are none, or not as many of both.

    Source: Papineni et al. 2002 (BLEU); Popovic 2015 (chrF); Post 2018 (sacreBLEU).
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(
            f"{len(hypotheses)} hypotheses and {len(references)} references: "
            "as many of both are needed, and one at least"
        )
    bleu, chrf = _metrics(tokenize)
    written, true = list(hypotheses), [list(references)]
    bleu_score = bleu.corpus_score(written, true)
    return TextScores(
        bleu=bleu_score.score,
        chrf=chrf.corpus_score(written, true).score,
        exact_match=sum(a == b for a, b in zip(written, references, strict=True)) / len(written),
        brevity_penalty=bleu_score.bp,
        bleu_signature=str(bleu.get_signature()),
        chrf_signature=str(chrf.get_signature()),
    )


def signatures(tokenize: Tokenize = "13a") -> tuple[str, str]:
    """The signatures of BLEU and chrF that `score_texts` gives."""
    scores = score_texts(["a"], ["a"], tokenize=tokenize)
    return scores.bleu_signature, scores.chrf_signature


def fitting_tokenize(references: Sequence[str]) -> Tokenize:
    """Words, unless hardly a reference has enough of them for BLEU's longest n-grams.

    Depends on the references alone, so all models are compared alike.
    """
    num_long = sum(len(text.split()) >= LONGEST_NGRAM for text in references)
    return "13a" if 2 * num_long >= len(references) else "char"


def _metrics(tokenize: Tokenize) -> tuple[Any, Any]:
    """With sacreBLEU's defaults; `force`: the report warns of tokenized targets, once."""
    # Deferred: 0.15 s at the start of every process, most of which score no text.
    from sacrebleu.metrics import BLEU, CHRF

    return BLEU(tokenize=tokenize, force=True), CHRF()
