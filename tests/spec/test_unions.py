"""Places that take several kinds of values: one mistake there is told once, where it is."""

from __future__ import annotations

import pytest

from tests.spec.conftest import BASE, Refusal


def _corpus(written: str) -> str:
    return BASE.replace("python_docs", written)


def _generation(written: str) -> str:
    return BASE.replace("batch_size: 16", f"evaluate_generation: {written}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            _generation("{whn: last_epoch}"),
            (
                "sweep.yaml:7: base.training.evaluate_generation.whn: unknown key\n"
                "  Expected: one of: when, num_examples, decoding\n"
                "  Fix: did you mean `when`?"
            ),
        ),
        (
            _generation("{num_examples: 0}"),
            (
                "sweep.yaml:7: base.training.evaluate_generation.num_examples: `0` is out of "
                "range\n"
                "  Expected: a whole number above 0\n"
                "  Fix: write a value above 0, or leave it out for 200"
            ),
        ),
        (
            _generation("often"),
            (
                "sweep.yaml:7: base.training.evaluate_generation: `often` is not a mapping or "
                "one of: false\n"
                "  Fix: write a mapping or one of: false"
            ),
        ),
        (
            _corpus("{type: pairs, train: 3}"),
            (
                "sweep.yaml:3: base.dataset.corpus.train: `3` is not a mapping or a text\n"
                '  Fix: write it in quotes: "3"'
            ),
        ),
        (
            _corpus("{type: pairs, train: {source: a}}"),
            (
                "sweep.yaml:3: base.dataset.corpus.train.target: missing key\n"
                "  Expected: a text (path of the targets)\n"
                "  Fix: add `target:`"
            ),
        ),
        (
            _corpus(f"{{type: url, sha256: {'a' * 64}}}"),
            (
                "sweep.yaml:3: base.dataset.corpus.url: missing key\n"
                "  Expected: a text (http or https)\n"
                "  Fix: add `url:`"
            ),
        ),
        (
            _corpus("{type: url, url: 'http://x'}"),
            (
                "sweep.yaml:3: base.dataset.corpus.sha256: missing key\n"
                "  Expected: a text (of the whole file, in lower-case hexadecimal digits)\n"
                "  Fix: add `sha256:`"
            ),
        ),
    ],
)
def test_mistake_where_several_kinds_may_stand_is_told_once(
    refusal: Refusal, text: str, message: str
) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("dropout: 1.5", "dropout"),
        ("d_model: -4", "d_model"),
        ("num_heads: 0", "num_heads"),
    ],
)
def test_value_that_others_follow_from_is_told_alone(
    refusal: Refusal, field: str, path: str
) -> None:
    message = refusal(BASE.replace("dropout: 0.1", field))

    places = [line for line in message.splitlines() if line[0] != " "]
    assert [place.split(": ")[1] for place in places] == [f"base.model.{path}"]
