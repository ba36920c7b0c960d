"""`--set PATH=VALUE` changes the file's tree and is checked and recorded like the file's own."""

from __future__ import annotations

import pytest

from lmtune.spec.search import Categorical
from tests.spec.conftest import BASE, Read, Refusal


def test_override_changes_a_value_and_is_recorded(extended: Read) -> None:
    sweep = extended("", "base.model.size=default", "base.optimizer.learning_rate=3e-3")

    config = sweep.variants[0].config
    assert config.model.size == "default"
    assert config.optimizer.learning_rate == 0.003
    assert sweep.overrides == ("base.model.size=default", "base.optimizer.learning_rate=3e-3")


def test_last_override_of_a_path_wins(extended: Read) -> None:
    sweep = extended("", "base.training.epochs=3", "base.training.epochs=4")

    assert sweep.variants[0].config.training.epochs == 4


def test_override_may_add_a_section(extended: Read) -> None:
    assert extended("", "resources.cpu=2").resources.cpu == 2


def test_override_may_be_a_list_or_a_mapping(extended: Read) -> None:
    sweep = extended("", "seeds.confirm=[4, 5]", "tracking={mlflow: null}")

    assert sweep.seeds.confirm == (4, 5)
    assert sweep.tracking.mlflow is None


def test_override_may_go_into_a_key_that_is_a_path(extended: Read) -> None:
    more = "parameters: {optimizer.beta1: {min: 0.1, max: 0.2}}\nablate: {model.dropout: [0.0]}"

    sweep = extended(
        more,
        "parameters.optimizer.beta1.max=0.7",
        "parameters.optimizer.beta2={values: [0.9, 0.99]}",
        "ablate.model.num_layers=[2]",
    )

    assert [variant.name for variant in sweep.variants] == ["base", "dropout=0.0", "num_layers=2"]
    parameters = sweep.variants[0].parameters
    assert parameters["optimizer.beta1"].corners() == (0.1, 0.7)
    assert isinstance(parameters["optimizer.beta2"], Categorical)


def test_override_may_go_into_a_corpus_given_by_name(read: Read) -> None:
    sweep = read(BASE.replace("python_docs", "markov"), "base.dataset.corpus.order=2")

    assert sweep.variants[0].config.dataset.corpus.model_dump()["order"] == 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "base.model.sizee=small",
            (
                "--set base.model.sizee=small: unknown key\n"
                "  Expected: one of: type, size, dropout, d_model, num_heads, num_kv_heads, d_ff, "
                "norm, norm_position, position, activation, qk_norm, bias, tie_embeddings, "
                "attention_dropout, residual_dropout, embedding_dropout, num_layers\n"
                "  Fix: did you mean `size`?"
            ),
        ),
        (
            "base.modl.size=small",
            (
                "--set base.modl.size=small: base.modl: unknown key\n"
                "  Expected: one of: dataset, model, optimizer, schedule, training\n"
                "  Fix: did you mean `model`?"
            ),
        ),
        (
            "base.model.num_heads=5",
            (
                "--set base.model.num_heads=5: num_heads: 5 does not divide d_model: 64\n"
                "  Expected: num_heads one of 1, 2, 4, 8, 16, 32, 64\n"
                "  Fix: set num_heads to one of them, or d_model to a multiple of 5"
            ),
        ),
        (
            "base.model.size",
            (
                "--set base.model.size: no path and value\n"
                "  Expected: PATH=VALUE\n"
                "  Fix: --set base.model.size=small"
            ),
        ),
        (
            "base.model.size=",
            (
                "--set base.model.size=: no value\n"
                "  Expected: PATH=VALUE\n"
                "  Fix: write null for no value"
            ),
        ),
        (
            "base..size=1",
            (
                "--set base..size=1: no path and value\n"
                "  Expected: PATH=VALUE\n"
                "  Fix: --set base.model.size=small"
            ),
        ),
        (
            "base.training.epochs=[1",
            (
                "--set base.training.epochs=[1: not YAML: did not find expected ',' or ']' while "
                "parsing a flow sequence\n"
                "  Fix: look for a missing colon, quote, bracket or indent on this line or the one "
                "before"
            ),
        ),
        (
            "base.training.epochs.deep=1",
            (
                "--set base.training.epochs.deep=1: `8` at base.training.epochs is no mapping\n"
                "  Fix: set the whole of it instead"
            ),
        ),
    ],
)
def test_mistake_in_an_override_is_told_with_the_option(
    refusal_of: Refusal, option: str, message: str
) -> None:
    assert refusal_of("", option) == message


def test_mistakes_of_options_follow_those_of_the_file(refusal_of: Refusal) -> None:
    message = refusal_of("foo: 1\n", "bar=2", "base.training.epochs=0", "baz=[")

    starts = [line.split(": ")[0] for line in message.splitlines() if line[0] != " "]
    assert starts == ["sweep.yaml:8", "--set bar=2", "--set base.training.epochs=0", "--set baz=["]
