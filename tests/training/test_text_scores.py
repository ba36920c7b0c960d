"""Text scores against identities and against BLEU computed by hand."""

from __future__ import annotations

import logging
import math

import pytest
import sacrebleu

from lmtune.training.text_scores import fitting_tokenize, score_texts, signatures

SENTENCES = [
    "the cat sat on the warm mat",
    "a small model learns to count well",
    "nobody knows why it rained all day",
    "she sells sea shells by the shore",
    "we walked home along the old river",
    "he gave the book to his sister",
    "they found seven coins under the floor",
    "birds sing early in the morning",
    "the train was late once more",
    "our house stands near a wood",
    "old ships rust in quiet harbours",
]
NUM_WORDS = 73
"""7 sentences of 7 words and 4 of 6."""


@pytest.mark.science
def test_score_texts_of_identical_texts_is_perfect() -> None:
    scores = score_texts(SENTENCES, SENTENCES)
    assert scores.bleu == pytest.approx(100, abs=1e-6)
    assert scores.chrf == pytest.approx(100, abs=1e-6)
    assert scores.exact_match == 1
    assert scores.brevity_penalty == 1


@pytest.mark.science
def test_score_texts_of_empty_hypotheses_is_zero() -> None:
    scores = score_texts([""] * len(SENTENCES), SENTENCES)
    assert scores.bleu == 0
    assert scores.chrf == 0
    assert scores.exact_match == 0
    assert scores.brevity_penalty == 0


@pytest.mark.science
def test_score_texts_without_each_last_word_is_the_brevity_penalty_alone() -> None:
    """What is left is all right, so that BLEU is 100 exp(1 - words / words left)."""
    assert sum(len(sentence.split()) for sentence in SENTENCES) == NUM_WORDS
    scores = score_texts([sentence.rsplit(" ", 1)[0] for sentence in SENTENCES], SENTENCES)
    penalty = math.exp(1 - NUM_WORDS / (NUM_WORDS - len(SENTENCES)))
    assert scores.brevity_penalty == pytest.approx(penalty, rel=1e-9)
    assert scores.bleu == pytest.approx(100 * penalty, rel=1e-9)
    assert f"{scores.bleu:.2f} {scores.brevity_penalty:.3f}" == "83.74 0.837"
    assert scores.exact_match == 0


def test_score_texts_is_of_the_corpus_and_not_a_mean_of_sentences() -> None:
    """Six words, all right, and eight, half of them right: precisions by hand."""
    hypotheses = ["a b c d e f", "a b c d w x y z"]
    references = ["a b c d e f", "a b c d e f g h"]
    precisions = [10 / 14, 8 / 12, 6 / 10, 4 / 8]
    expected = 100 * math.prod(precisions) ** (1 / 4)
    scores = score_texts(hypotheses, references)
    assert scores.bleu == pytest.approx(expected, rel=1e-9)
    assert scores.exact_match == 0.5


def test_score_texts_splits_marks_from_words_and_keeps_case() -> None:
    scores = score_texts(["It works, at last."], ["It works , at last ."])
    assert scores.bleu == pytest.approx(100)
    assert scores.exact_match == 0
    assert score_texts(["it works, at last."], ["It works, at last."]).bleu < 90


def test_score_texts_stores_what_decides_the_numbers() -> None:
    scores = score_texts(SENTENCES, SENTENCES)
    version = sacrebleu.__version__
    assert scores.bleu_signature == (
        f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    )
    assert scores.chrf_signature == (
        f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}"
    )
    assert signatures() == (scores.bleu_signature, scores.chrf_signature)
    assert "tok:char" in signatures("char")[0]


def test_score_texts_of_short_answers_needs_characters() -> None:
    """One word each: BLEU of words is 0 even where all are right."""
    numbers = ["305", "1024", "77", "90210"]
    assert score_texts(numbers, numbers).bleu == 0
    assert fitting_tokenize(numbers) == "char"
    assert score_texts(numbers, numbers, tokenize="char").bleu == pytest.approx(100)
    assert fitting_tokenize(SENTENCES) == "13a"
    assert fitting_tokenize(["a b c d", "a b c"]) == "13a"
    assert fitting_tokenize(["a b c d", "a b c", "a"]) == "char"


def test_score_texts_where_periods_stand_apart_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = ["it is so ."] * 300
    with caplog.at_level(logging.DEBUG):
        score_texts(texts, texts)
    assert not caplog.records


@pytest.mark.parametrize("hypotheses", [[], ["a"]], ids=len)
def test_score_texts_of_another_number_than_references_is_refused(hypotheses: list[str]) -> None:
    with pytest.raises(ValueError, match=f"{len(hypotheses)} hypotheses and 2 references"):
        score_texts(hypotheses, ["a", "b"])


def test_score_texts_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="one at least"):
        score_texts([], [])
