"""Keys that stand where nothing reads them: the message says where they belong."""

from __future__ import annotations

import pytest

from tests.spec.conftest import BASE, Refusal


def _fix(message: str) -> str:
    return message.rpartition("  Fix: ")[2]


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        (
            "base:\n",
            "base:\n  parameters: {optimizer.beta1: {min: 0.1, max: 0.2}}\n",
            "move it to the top of the file, beside base",
        ),
        ("base:\n", "base:\n  seeds: 3\n", "move it to the top of the file, beside base"),
        ("base:\n", "training: {epochs: 3}\nbase:\n", "move it into base"),
        ("base:\n", "model: {type: gpt}\nbase:\n", "move it into base"),
        ("base:\n", "epochs: 3\nbase:\n", "move it into base.training"),
        ("base:\n", "model.size: small\nbase:\n", "write it nested in base: model: {size: small}"),
        (
            "base:\n",
            "base:\n  model.num_layers: 2\n",
            "write it nested: model: {num_layers: 2}",
        ),
        (
            "base:\n",
            "base:\n  dataset.corpus.order: 2\n",
            "write it nested: dataset: {corpus: {order: 2}}",
        ),
        ("dropout: 0.1", "context_length: 32", "move it into base.dataset"),
        ("batch_size: 16", "learning_rate: 1e-3", "move it into base.optimizer"),
        ("batch_size: 16", "colour: red", "remove it"),
    ],
)
def test_misplaced_key_is_told_where_it_belongs(
    refusal: Refusal, old: str, new: str, fix: str
) -> None:
    message = refusal(BASE.replace(old, new, 1))

    assert ": unknown key\n" in message
    assert _fix(message) == fix


@pytest.mark.parametrize(
    ("entry", "fix"),
    [
        ("{model.num_layers: 2}", "write it nested: model: {num_layers: 2}"),
        ("{training.epochs: {a: 1}}", "write it nested: training: {epochs: ...}"),
        ("{seeds: 3}", "move it to the top of the file, beside variants"),
        ("{epochs: 3}", "move it into variants.b.training"),
        ("{model: {batch_size: 3}}", "move it into training"),
    ],
)
def test_misplaced_key_of_a_variant_is_told_where_it_belongs(
    refusal_of: Refusal, entry: str, fix: str
) -> None:
    assert _fix(refusal_of(f"variants: {{a: {{}}, b: {entry}}}")) == fix


@pytest.mark.parametrize(
    ("option", "fix"),
    [
        ("model.size=small", "write --set base.model.size=small"),
        ("training.epochs=3", "write --set base.training.epochs=3"),
        ("epochs=3", "write --set base.training.epochs=3"),
        ("base.seeds=3", "write --set seeds=3"),
        (
            "base.parameters.optimizer.beta1.max=0.3",
            "write --set parameters.optimizer.beta1.max=0.3",
        ),
        ("base.model.epochs=3", "write --set base.training.epochs=3"),
    ],
)
def test_misplaced_option_is_told_as_it_should_be(
    refusal_of: Refusal, option: str, fix: str
) -> None:
    message = refusal_of("", option)

    assert message.startswith(f"--set {option}: ")
    assert _fix(message) == fix
