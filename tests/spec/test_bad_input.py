"""Each mistake has its message: where, what with the value, what was expected, how to fix it."""

from __future__ import annotations

import pytest

from lmtune.errors import SpecError
from tests.spec.conftest import BASE, Read, Refusal


def test_unknown_key_is_refused_with_the_known_ones(refusal: Refusal) -> None:
    assert refusal(BASE.replace("learning_rate", "learning_rte")) == (
        "sweep.yaml:5: base.optimizer.learning_rte: unknown key\n"
        "  Expected: one of: type, learning_rate, weight_decay, beta1, beta2, epsilon\n"
        "  Fix: did you mean `learning_rate`?"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "type: gpt",
            "type: gtp",
            (
                "sweep.yaml:4: base.model: `gtp` is not a type of model\n"
                "  Expected: one of: gpt, transformer, rnn, lstm, gru, instant\n"
                "  Fix: did you mean `gpt`?"
            ),
        ),
        (
            "{type: gpt, size: small, dropout: 0.1}",
            "gpt",
            "sweep.yaml:4: base.model: `gpt` is not a mapping\n  Fix: write {type: gpt}",
        ),
        (
            "type: wsd, ",
            "",
            (
                "sweep.yaml:6: base.schedule: the key `type` is missing\n"
                "  Expected: one of: constant, cosine, wsd\n"
                "  Fix: add `type: constant`, say"
            ),
        ),
        (
            "python_docs",
            "python_dox",
            (
                "sweep.yaml:3: base.dataset.corpus: `python_dox` is not a type of corpus\n"
                "  Expected: one of: python_docs, python_stdlib, text, markov, url, catalogue, "
                "huggingface, pairs, reverse, latch, number_words, docstrings\n"
                "  Fix: did you mean `python_docs`?"
            ),
        ),
        (
            "python_docs",
            "text",
            (
                "sweep.yaml:3: base.dataset.corpus.train: missing key\n"
                "  Expected: a text (path of the training text)\n"
                "  Fix: add `train:`"
            ),
        ),
        (
            "epochs: 8, ",
            "",
            (
                "sweep.yaml:7: base.training.epochs: missing key\n"
                "  Expected: a whole number (evaluations; each follows one epoch)\n"
                "  Fix: add `epochs:`"
            ),
        ),
        (
            "epochs: 8",
            "epochs: eight",
            (
                "sweep.yaml:7: base.training.epochs: `eight` is not a whole number\n"
                "  Fix: write a whole number"
            ),
        ),
        (
            "epochs: 8",
            "epochs: '8'",
            (
                "sweep.yaml:7: base.training.epochs: `8` is not a whole number\n"
                "  Fix: write 8 without quotes"
            ),
        ),
        (
            "batch_size: 16",
            "batch_size: 1e2",
            "sweep.yaml:7: base.training.batch_size: `1e2` is not a whole number\n  Fix: write 100",
        ),
        (
            "batch_size: 16",
            "batch_size: true",
            (
                "sweep.yaml:7: base.training.batch_size: `true` is not a whole number\n"
                "  Fix: write a whole number, or leave it out for 16"
            ),
        ),
        (
            "batch_size: 16",
            "batch_size: 0",
            (
                "sweep.yaml:7: base.training.batch_size: `0` is out of range\n"
                "  Expected: a whole number above 0\n"
                "  Fix: write a value above 0, or leave it out for 16"
            ),
        ),
        (
            "dropout: 0.1",
            "dropout: 1.0",
            (
                "sweep.yaml:4: base.model.dropout: `1.0` is out of range\n"
                "  Expected: a number below 1.0\n"
                "  Fix: write a value below 1.0, or leave it out for 0.0"
            ),
        ),
        (
            "context_length: 64",
            "context_length: -3",
            (
                "sweep.yaml:3: base.dataset.context_length: `-3` is not a multiple of 2\n"
                "  Expected: a whole number that is a multiple of 2\n"
                "  Fix: write 2, or leave it out for 64"
            ),
        ),
        (
            "context_length: 64",
            "context_length: 61",
            (
                "sweep.yaml:3: base.dataset.context_length: `61` is not a multiple of 2\n"
                "  Expected: a whole number that is a multiple of 2\n"
                "  Fix: write 62, or leave it out for 64"
            ),
        ),
        (
            "size: small",
            "size: smal",
            (
                "sweep.yaml:4: base.model.size: `smal` is not known here\n"
                "  Expected: one of: small, default, large\n"
                "  Fix: did you mean `small`?"
            ),
        ),
        (
            "dropout: 0.1",
            "num_heads: 5",
            (
                "sweep.yaml:4: base.model.num_heads: num_heads: 5 does not divide d_model: 64\n"
                "  Expected: num_heads one of 1, 2, 4, 8, 16, 32, 64\n"
                "  Fix: set num_heads to one of them, or d_model to a multiple of 5"
            ),
        ),
        (
            "warmup_steps: 100",
            "warmup_steps: 2000",
            (
                "sweep.yaml:6: base.schedule.warmup_steps: schedule.warmup_steps: 2000 is not "
                "below "
                "the 2000 steps of the whole training\n"
                "  Expected: fewer than epochs x steps_per_epoch\n"
                "  Fix: shorten the warm-up or train longer"
            ),
        ),
        (
            "name: tiny\n",
            "name: 2024\n",
            'sweep.yaml:1: name: `2024` is not a text\n  Fix: write it in quotes: "2024"',
        ),
        (
            "name: tiny\n",
            "\n",
            (
                "sweep.yaml:2: name: missing key\n"
                "  Expected: a text (of the experiment's folder)\n"
                "  Fix: add `name:`"
            ),
        ),
    ],
)
def test_mistake_in_the_base_is_told_in_full(
    refusal: Refusal, old: str, new: str, message: str
) -> None:
    assert old in BASE
    assert refusal(BASE.replace(old, new, 1)) == message


@pytest.mark.parametrize(
    "name", ["a/b", "../up", "..", ".hidden", "", "two words", "a\\b", "x" * 65, "caf\u00e9"]
)
def test_name_that_is_no_folder_of_its_own_is_refused(refusal: Refusal, name: str) -> None:
    message = refusal(BASE.replace("name: tiny", f"name: '{name}'"))

    assert message.startswith(
        "sweep.yaml:1: name: the name cannot be that of a folder, which it becomes\n"
        "  Expected: up to 64 letters, digits, `_`, `-` and `.`, not beginning with `.`\n"
        "  Fix: write "
    )


def test_suggested_name_is_accepted(refusal: Refusal, read: Read) -> None:
    message = refusal(BASE.replace("name: tiny", "name: ../my sweeps/a"))

    suggestion = message.rsplit(" ", 1)[1]
    assert read(BASE.replace("name: tiny", f"name: {suggestion}")).name == suggestion


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "match: {by: size}",
            (
                "sweep.yaml:8: match.by: `size` is not known here\n"
                "  Expected: one of: params, non_embedding_params, flops_per_token\n"
                "  Fix: take one of these"
            ),
        ),
        (
            "metric: {name: val_loss, goal: maximize}",
            (
                "sweep.yaml:8: metric.goal: goal: maximize would look for the worst val_loss\n"
                "  Expected: goal: minimize\n"
                "  Fix: write goal: minimize, or leave goal out"
            ),
        ),
        (
            "metric: {name: loss}",
            (
                "sweep.yaml:8: metric.name: `loss` is not known here\n"
                "  Expected: one of: val_loss, val_perplexity, val_bits_per_byte, val_accuracy, "
                "val_bleu, val_chrf, val_exact_match\n"
                "  Fix: did you mean `val_loss`?"
            ),
        ),
        (
            "budget: {time: soon}",
            (
                "sweep.yaml:8: budget.time: the duration cannot be read\n"
                "  Expected: days, hours, minutes and seconds (1h30m, 90s), or a number of "
                "seconds\n"
                "  Fix: write 30m, say"
            ),
        ),
        (
            "resources: {gpu: 1.5}",
            (
                "sweep.yaml:8: resources.gpu: gpu: 1.5 is neither a share of one GPU nor a number "
                "of "
                "GPUs\n  Expected: at most 1, or a whole number\n  Fix: write 1 or 2"
            ),
        ),
        (
            "resources: {cpu: 0}",
            (
                "sweep.yaml:8: resources.cpu: `0` is out of range\n"
                "  Expected: a whole number above 0\n"
                "  Fix: write a value above 0, or leave it out for 1"
            ),
        ),
        (
            "tracking: {mlflow: {url: x}}",
            (
                "sweep.yaml:8: tracking.mlflow.url: unknown key\n"
                "  Expected: one of: uri\n"
                "  Fix: did you mean `uri`?"
            ),
        ),
        (
            "seeds: 0",
            (
                "sweep.yaml:8: seeds: 0 seeds cannot be run\n"
                "  Expected: a number from 1 to 1000, or {tune, confirm, top_k}\n"
                "  Fix: write seeds: 3, say"
            ),
        ),
        (
            "seeds: {confirm: [1, 1]}",
            "sweep.yaml:8: seeds.confirm: a seed is given twice\n  Fix: give each seed once",
        ),
        (
            "early_terminat: {type: asha}",
            (
                "sweep.yaml:8: early_terminat: unknown key\n"
                "  Expected: one of: name, question, metric, base, variants, ablate, grid, match, "
                "parameters, method, early_terminate, budget, seeds, resources, on_failure, keep, "
                "tracking\n"
                "  Fix: did you mean `early_terminate`?"
            ),
        ),
    ],
)
def test_mistake_beside_the_base_is_told_in_full(
    refusal_of: Refusal, more: str, message: str
) -> None:
    assert refusal_of(more) == message


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(refusal: Refusal) -> None:
    message = refusal(
        """\
        name: a/b
        base:
          dataset: {corpus: python_docs, tokenizer: charr, context_length: 63}
          model: {type: gpt, size: small, dropout: 1.0, n_layers: 3}
          optimizer: {type: adamw, learning_rte: 1e-3}
          training: {epochs: eight, batch_size: 16, batch_size: 17}
        ablate:
          model.num_headz: [1, 3]
          model.d_model: [66]
        parameters:
          optimizer.beta1: {min: 0.9, max: 0.8}
          optimizer.learning_rate: {distribution: log_uniform_values, min: 0, max: 1}
          training.batch_size: {min: 0.5, max: 12}
        method: bayes
        seeds: {tune: [0, 1], confirm: [1]}
        resources: {cpus: 1}
        """
    )

    places = [line.split(": ")[:2] for line in message.splitlines() if line[0] != " "]
    assert [f"{file}: {path}" for file, path in places] == [
        "sweep.yaml:1: name",
        "sweep.yaml:3: base.dataset.tokenizer",
        "sweep.yaml:3: base.dataset.context_length",
        "sweep.yaml:4: base.model.dropout",
        "sweep.yaml:4: base.model.n_layers",
        "sweep.yaml:5: base.optimizer.learning_rte",
        "sweep.yaml:6: base.training.epochs",
        "sweep.yaml:6: base.training.batch_size",
        "sweep.yaml:8: ablate.model.num_headz",
        "sweep.yaml:9: ablate.model.d_model[0]",
        "sweep.yaml:11: parameters.optimizer.beta1.min",
        "sweep.yaml:12: parameters.optimizer.learning_rate.min",
        "sweep.yaml:13: parameters.training.batch_size",
        "sweep.yaml:14: method",
        "sweep.yaml:15: seeds.tune",
        "sweep.yaml:16: resources.cpus",
    ]


def test_every_problem_offers_a_fix(refusal: Refusal, read: Read) -> None:
    text = BASE.replace("small", "smal").replace("wsd", "wds").replace("epochs: 8", "epochs: -8")

    with pytest.raises(SpecError) as refused:
        read(text + "foo: 1\nseeds: many\nbudget: 3\nablate: []\n")

    assert len(refused.value.problems) == 7
    assert all(problem.fix for problem in refused.value.problems)


def test_section_of_unknown_type_hides_only_what_is_in_it(refusal: Refusal) -> None:
    message = refusal(
        BASE.replace("type: gpt", "type: gtp")
        + "parameters:\n"
        + "  model.num_heads: {values: [1, 2]}\n"
        + "  optimizer.learning_rat: {min: 0.1, max: 0.2}\n"
    )

    assert "sweep.yaml:4: base.model: `gtp`" in message
    assert "num_heads" not in message
    assert "sweep.yaml:10: parameters.optimizer.learning_rat: " in message
