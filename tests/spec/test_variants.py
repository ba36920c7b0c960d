"""`variants`, `ablate` and `grid` become complete, differing variants, or are refused."""

from __future__ import annotations

import pytest

from lmtune.spec.model import GPTConfig, LSTMConfig
from tests.spec.conftest import BASE, Read, Refusal


def test_override_is_merged_into_its_section(extended: Read) -> None:
    sweep = extended("variants: {a: {model: {num_layers: 3}}, b: {training: {epochs: 9}}}")

    first, second = sweep.variants
    assert isinstance(first.config.model, GPTConfig)
    assert (first.config.model.num_layers, first.config.model.dropout) == (3, 0.1)
    assert first.overrides == {"model.num_layers": 3}
    assert (second.config.training.epochs, second.config.training.batch_size) == (9, 16)


def test_override_of_the_type_replaces_the_section(extended: Read) -> None:
    sweep = extended("variants: {gpt: {}, lstm: {model: {type: lstm, hidden_size: 24}}}")

    lstm = sweep.variants[1]
    assert isinstance(lstm.config.model, LSTMConfig)
    assert lstm.config.model.dropout == 0.0
    assert lstm.config.model.size == "default"
    assert lstm.overrides == {"model.type": "lstm", "model.hidden_size": 24}


@pytest.mark.parametrize(
    "change", ["{corpus: python_stdlib}", "{corpus: {type: python_stdlib}}"], ids=["name", "type"]
)
def test_corpus_is_changed_by_name_or_by_type(extended: Read, change: str) -> None:
    variant = extended(f"variants: {{a: {{}}, b: {{dataset: {change}}}}}").variants[1]

    assert variant.config.dataset.corpus.type == "python_stdlib"
    assert variant.config.dataset.context_length == 64
    assert variant.overrides == {"dataset.corpus.type": "python_stdlib"}


def test_field_of_a_corpus_given_by_name_is_merged(read: Read) -> None:
    sweep = read(BASE.replace("python_docs", "markov") + "ablate: {dataset.corpus.order: [2]}\n")

    assert [variant.name for variant in sweep.variants] == ["base", "order=2"]
    assert sweep.variants[1].config.dataset.corpus.model_dump()["order"] == 2


def test_empty_variant_is_the_base(extended: Read) -> None:
    sweep = extended("variants:\n  plain:\n  deep: {model: {num_layers: 8}}\n")

    assert sweep.variants[0].config == extended().variants[0].config


def test_section_left_out_of_the_base_can_be_ablated(read: Read) -> None:
    text = BASE.replace("  schedule: {type: wsd, warmup_steps: 100}\n", "")

    sweep = read(text + "ablate: {schedule.warmup_steps: [10]}\n")

    assert sweep.variants[1].config.schedule.model_dump() == {
        "type": "constant",
        "warmup_steps": 10,
    }


def test_what_follows_from_an_ablated_field_follows_it(extended: Read) -> None:
    wide = extended("ablate: {model.d_model: [128]}").variants[1].config.model

    assert isinstance(wide, GPTConfig)
    assert (wide.d_model, wide.d_ff) == (128, 512)


def test_ablated_value_of_the_base_is_not_a_variant_of_its_own(extended: Read) -> None:
    sweep = extended("ablate: {model.num_layers: [2, 4], dataset.tokenizer: [byte, char]}")

    names = [variant.name for variant in sweep.variants]
    assert names == ["base", "num_layers=2", "tokenizer=byte"]


def test_ablated_sections_have_readable_names(extended: Read) -> None:
    sweep = extended(
        """\
        ablate:
          dataset.corpus: [python_stdlib, {type: markov, order: 2}, {type: text, train: a/b.txt}]
          training.gradient_clip: [null]
        """
    )

    assert [variant.name for variant in sweep.variants[1:]] == [
        "corpus=python_stdlib",
        "corpus=markov+order=2",
        "corpus=text+train=a_b.txt",
        "gradient_clip=null",
    ]
    assert sweep.variants[2].overrides == {
        "dataset.corpus.type": "markov",
        "dataset.corpus.order": 2,
    }


def test_paths_that_end_alike_are_told_apart(extended: Read) -> None:
    sweep = extended(
        "ablate: {dataset.tokenizer.type: [byte], optimizer.type: [sgd], model.dropout: [0.0]}"
    )

    assert [variant.name for variant in sweep.variants] == [
        "base",
        "tokenizer.type=byte",
        "optimizer.type=sgd",
        "model.dropout=0.0",
    ]


def test_grid_is_the_full_product(extended: Read) -> None:
    sweep = extended("grid: {model.num_layers: [1, 2], model.dropout: [0.0, 0.5]}")

    assert [variant.name for variant in sweep.variants] == [
        "num_layers=1,dropout=0.0",
        "num_layers=1,dropout=0.5",
        "num_layers=2,dropout=0.0",
        "num_layers=2,dropout=0.5",
    ]
    assert sweep.variants[3].overrides == {"model.num_layers": 2, "model.dropout": 0.5}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "variants: {a: {}}\nablate: {model.dropout: [0.2]}",
            (
                "sweep.yaml:9: ablate: stands beside variants\n"
                "  Expected: one of variants, ablate, grid\n"
                "  Fix: remove one of the two, or write all as variants"
            ),
        ),
        (
            "variants: {a: {}, b: {model: {dropout: 0.1}}}",
            (
                "sweep.yaml:8: variants.b: variant `b` is the same as variant `a`\n"
                "  Expected: variants that differ in what is trained or searched\n"
                "  Fix: remove one of the two"
            ),
        ),
        (
            "variants:\n  a: {}\n  a: {model: {dropout: 0.2}}",
            (
                "sweep.yaml:10: variants.a: the key is given twice, first at sweep.yaml:9\n"
                "  Fix: keep one of the two"
            ),
        ),
        (
            "variants: {a/b: {}}",
            (
                "sweep.yaml:8: variants.a/b: cannot be the name of a variant\n"
                "  Expected: up to 64 letters, digits and `_ - . = , +`, not beginning with `.`\n"
                "  Fix: write a_b"
            ),
        ),
        (
            "variants: {}",
            (
                "sweep.yaml:8: variants: nothing is given\n"
                "  Expected: at least one entry\n"
                "  Fix: add an entry, or remove the key"
            ),
        ),
        (
            "variants: {a: {modle: {}}}",
            (
                "sweep.yaml:8: variants.a.modle: unknown key\n"
                "  Expected: one of: dataset, model, optimizer, schedule, training, parameters\n"
                "  Fix: did you mean `model`?"
            ),
        ),
        (
            "variants: {a: {model: lstm}}",
            "sweep.yaml:8: variants.a.model: `lstm` is not a mapping\n  Fix: write a mapping",
        ),
        (
            "variants: {a: {model: {type: lstm, num_heads: 4}}}",
            (
                "sweep.yaml:8: variants.a.model.num_heads: unknown key\n"
                "  Expected: one of: type, size, dropout, num_layers, embedding_dim, hidden_size, "
                "tie_embeddings, carry_state, forget_bias\n"
                "  Fix: remove it"
            ),
        ),
        (
            "ablate:\n  model.num_headz: [1]",
            (
                "sweep.yaml:9: ablate.model.num_headz: `model.num_headz` names nothing in the "
                "base\n"
                "  Expected: one of: model.size, model.dropout, model.d_model, model.num_heads, "
                "model.num_kv_heads, model.d_ff, model.norm, model.norm_position, model.position, "
                "model.activation, model.qk_norm, model.bias, model.tie_embeddings, "
                "model.attention_dropout, model.residual_dropout, model.embedding_dropout, "
                "model.type, model.num_layers\n"
                "  Fix: did you mean `model.num_heads`?"
            ),
        ),
        (
            "ablate:\n  model.num_heads: [1,\n    5]",
            (
                "sweep.yaml:10: ablate.model.num_heads[1]: num_heads: 5 does not divide d_model: "
                "64\n"
                "  Expected: num_heads one of 1, 2, 4, 8, 16, 32, 64\n"
                "  Fix: set num_heads to one of them, or d_model to a multiple of 5"
            ),
        ),
        (
            "ablate: {model.d_model: [66]}",
            (
                "sweep.yaml:8: ablate.model.d_model[0]: num_heads: 4 does not divide d_model: 66\n"
                "  Expected: num_heads one of 1, 2, 3, 6, 11, 22, 33\n"
                "  Fix: set num_heads to one of them, or d_model to a multiple of 4"
            ),
        ),
        (
            "ablate: {model.num_layers: 2}",
            "sweep.yaml:8: ablate.model.num_layers: `2` is not a list\n  Fix: write [2]",
        ),
        (
            "ablate: {model.num_layers: [1, 1]}",
            (
                "sweep.yaml:8: ablate.model.num_layers[1]: `1` is given twice\n"
                "  Fix: list each value once"
            ),
        ),
        (
            "ablate: {model.num_layers: [4]}",
            (
                "sweep.yaml:8: ablate.model.num_layers: the base has this model.num_layers "
                "already\n"
                "  Expected: values that differ from the base's\n"
                "  Fix: list other values, or remove the path"
            ),
        ),
        (
            "ablate: {model.dropout: [0.2, 0.20]}",
            (
                "sweep.yaml:8: ablate.model.dropout[1]: `0.20` is given twice\n"
                "  Fix: list each value once"
            ),
        ),
        (
            "grid: {model.dropout: [0, 0.0]}",
            (
                "sweep.yaml:8: grid.model.dropout[1]: variant `dropout=0.0` is the same as variant "
                "`dropout=0`\n"
                "  Expected: variants that differ in what is trained or searched\n"
                "  Fix: remove one of the two"
            ),
        ),
        (
            "grid: {model: [{type: lstm}], model.dropout: [0.2]}",
            (
                "sweep.yaml:8: grid.model.dropout: is a part of `model`, which the grid sets too\n"
                "  Fix: remove one of the two"
            ),
        ),
        (
            "ablate: {dataset.corpus: [{type: text, train: a/b}, {type: text, train: a_b}]}",
            (
                "sweep.yaml:8: ablate.dataset.corpus[1]: a second variant is named "
                "`corpus=text+train=a_b`\n"
                "  Fix: write them as variants: with names of your own"
            ),
        ),
    ],
)
def test_variants_that_cannot_be_are_refused(refusal_of: Refusal, more: str, message: str) -> None:
    assert refusal_of(more) == message


def test_grid_of_wrong_paths_alone_is_refused_for_its_paths(refusal_of: Refusal) -> None:
    said = refusal_of("grid: {model.hedas: [1, 2], seed: [3]}")
    assert said.count("names nothing in the base") == 2


def test_more_variants_than_anyone_trains_are_refused_unbuilt(refusal_of: Refusal) -> None:
    values = ", ".join(map(str, range(1, 101)))
    paths = ["model.num_layers", "training.batch_size", "training.epochs", "schedule.warmup_steps"]
    lines = "\n".join(f"  {path}: [{values}]" for path in paths)

    assert refusal_of(f"grid:\n{lines}\n").startswith(
        "sweep.yaml:8: grid: makes 100000000 variants\n  Expected: at most 1000\n"
    )


def test_variants_that_differ_in_their_search_alone_are_two(extended: Read) -> None:
    sweep = extended(
        """\
        variants:
          low: {parameters: {optimizer.learning_rate: {min: 1e-4, max: 1e-3}}}
          high: {parameters: {optimizer.learning_rate: {min: 1e-3, max: 1e-2}}}
        """
    )

    assert len(sweep.variants) == 2


def test_size_that_changes_nothing_is_the_same_trial(refusal_of: Refusal) -> None:
    message = refusal_of(
        """\
        variants:
          named: {model: {type: rnn, size: small}}
          spelled: {model: {type: rnn, num_layers: 2, hidden_size: 208}}
        """
    )

    assert "variant `spelled` is the same as variant `named`" in message
