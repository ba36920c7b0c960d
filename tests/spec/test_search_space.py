"""Searched paths and every corner of the space are checked before anything runs."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lmtune.errors import SpecError
from lmtune.spec.model import GPTConfig
from lmtune.spec.search import (
    Categorical,
    Constant,
    Distribution,
    FloatRange,
    IntRange,
    QuantizedRange,
)
from tests.spec.conftest import Read, Refusal

WRITTEN: TypeAdapter[Distribution] = TypeAdapter(Distribution)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ({"value": 1}, Constant),
        ({"values": [1, "a", None, True]}, Categorical),
        ({"min": 0.1, "max": 1}, FloatRange),
        ({"min": 1, "max": 3}, IntRange),
        ({"distribution": "uniform", "min": 1, "max": 3}, FloatRange),
        ({"distribution": "log_uniform_values", "min": 1, "max": 3}, FloatRange),
        ({"distribution": "int_uniform", "min": 1, "max": 3}, IntRange),
        ({"distribution": "int_log_uniform_values", "min": 1, "max": 3}, IntRange),
        ({"distribution": "q_uniform", "min": 1, "max": 3, "q": 0.5}, QuantizedRange),
    ],
)
def test_parameter_is_read_in_the_words_of_wandb(written: dict[str, object], kind: type) -> None:
    assert type(WRITTEN.validate_python(written)) is kind


@given(
    low=st.floats(1e-6, 1e3),
    width=st.floats(1e-3, 1e3),
    kind=st.sampled_from(["uniform", "log_uniform_values"]),
    seed=st.integers(0, 2**32),
)
def test_draw_of_a_float_range_is_inside(low: float, width: float, kind: str, seed: int) -> None:
    found = FloatRange.model_validate({"distribution": kind, "min": low, "max": low + width})

    assert found.min <= found.draw(Random(seed)) <= found.max


@given(low=st.integers(-100, 100), steps=st.integers(1, 50), q=st.sampled_from([1, 0.1, 0.25, 3]))
def test_draw_of_a_quantized_range_is_a_step(low: int, steps: int, q: float) -> None:
    found = QuantizedRange(distribution="q_uniform", min=low, max=low + steps * q, q=q)

    drawn = {found.draw(Random(seed)) for seed in range(20)}

    assert found.num_points == steps + 1
    assert found.corners() == pytest.approx((low, low + steps * q))
    assert all(((value - low) / q) == pytest.approx(round((value - low) / q)) for value in drawn)
    assert all(type(value) is (int if q in (1, 3) else float) for value in drawn)


def test_searched_field_carries_along_what_follows_from_it(extended: Read) -> None:
    (variant,) = extended("parameters: {model.d_model: {values: [64, 128]}}").variants

    model = variant.trial_config({"model.d_model": 128}).model

    assert isinstance(model, GPTConfig)
    assert (model.d_model, model.d_ff) == (128, 512)
    assert variant.config.model.model_dump()["d_ff"] == 256


def test_searched_size_changes_the_dimensions(extended: Read) -> None:
    (variant,) = extended("parameters: {model.size: {values: [small, default]}}").variants

    assert variant.trial_config({"model.size": "default"}).model.model_dump()["d_model"] == 128


def test_parameters_that_do_not_fit_a_variant_are_refused_when_set(extended: Read) -> None:
    (variant,) = extended().variants

    with pytest.raises(SpecError) as refused:
        variant.trial_config({"model.num_heads": 5})

    assert str(refused.value) == (
        "variant base with model.num_heads=5: model.num_heads: num_heads: 5 does not divide "
        "d_model: 64\n"
        "  Expected: num_heads one of 1, 2, 4, 8, 16, 32, 64\n"
        "  Fix: set num_heads to one of them, or d_model to a multiple of 5"
    )


def test_single_value_is_set_and_not_searched(extended: Read) -> None:
    (variant,) = extended(
        "parameters: {training.batch_size: {value: 32}, optimizer.beta1: {min: 0.5, max: 0.9}}"
    ).variants

    assert variant.config.training.batch_size == 32
    assert variant.overrides == {"training.batch_size": 32}
    assert list(variant.parameters) == ["optimizer.beta1"]


def test_variant_searches_the_parameters_of_its_own_besides(extended: Read) -> None:
    sweep = extended(
        """\
        variants:
          gpt:
            parameters:
              model.num_heads: {values: [1, 2]}
              optimizer.learning_rate: {min: 0.1, max: 0.2}
          lstm: {model: {type: lstm}}
        parameters: {optimizer.learning_rate: {min: 1e-4, max: 1e-2}}
        """
    )

    gpt, lstm = (variant.parameters for variant in sweep.variants)
    assert set(gpt) == {"model.num_heads", "optimizer.learning_rate"}
    assert gpt["optimizer.learning_rate"].corners() == (0.1, 0.2)
    assert lstm["optimizer.learning_rate"].corners() == (1e-4, 1e-2)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "optimizer.beta1: {min: 0.9, max: 0.8}",
            (
                "sweep.yaml:9: parameters.optimizer.beta1.min: min: 0.9 is not below max: 0.8\n"
                "  Expected: min below max\n"
                "  Fix: exchange them, or write {value: ...} for a single value"
            ),
        ),
        (
            "optimizer.learning_rate: {distribution: log_uniform_values, min: 0, max: 1}",
            (
                "sweep.yaml:9: parameters.optimizer.learning_rate.min: min: 0.0 has no logarithm, "
                "which log_uniform_values needs\n"
                "  Expected: min above 0\n"
                "  Fix: raise min above 0, or take a distribution without log"
            ),
        ),
        (
            "optimizer.learning_rate: {distribution: log_uniform, min: 1, max: 2}",
            (
                "sweep.yaml:9: parameters.optimizer.learning_rate: `log_uniform` is not a "
                "distribution\n"
                "  Expected: one of: uniform, log_uniform_values, int_uniform, "
                "int_log_uniform_values, q_uniform\n"
                "  Fix: did you mean `log_uniform_values`?"
            ),
        ),
        (
            "optimizer.beta1: [0.8, 0.9]",
            (
                "sweep.yaml:9: parameters.optimizer.beta1: does not say which values to search\n"
                "  Expected: {value}, {values} or {distribution, min, max}\n"
                "  Fix: write {values: [...]} or {min: ..., max: ...}"
            ),
        ),
        (
            "optimizer.beta1: {min: 0.8}",
            (
                "sweep.yaml:9: parameters.optimizer.beta1.max: missing key\n"
                "  Expected: a number\n"
                "  Fix: add `max:`"
            ),
        ),
        (
            "optimizer.beta1: {values: [0.8, [0.9]]}",
            (
                "sweep.yaml:9: parameters.optimizer.beta1.values[1]: a mapping or list stands "
                "where "
                "one value is expected\n"
                "  Expected: a number, a word, true, false or null\n"
                "  Fix: write a single value"
            ),
        ),
        (
            "optimizer.beta1: {values: [0.8, 0.8]}",
            (
                "sweep.yaml:9: parameters.optimizer.beta1.values: a value is given twice\n"
                "  Fix: list each value once"
            ),
        ),
        (
            "optimizer.beta1: {distribution: q_uniform, min: 0, max: 1, q: 0.3}",
            (
                "sweep.yaml:9: parameters.optimizer.beta1.q: q: 0.3 does not divide max - min: "
                "1.0\n"
                "  Expected: max a whole number of steps above min\n"
                "  Fix: set max: 0.9 or 1.2"
            ),
        ),
        (
            "optimizer.beta1: {distribution: q_uniform, min: -1e308, max: 1e308, q: 1}",
            (
                "sweep.yaml:9: parameters.optimizer.beta1.q: q: 1.0 makes too many steps between "
                "min "
                "and max\n"
                "  Expected: at most 1000000 steps\n"
                "  Fix: raise q, or take uniform, which has no steps"
            ),
        ),
        (
            "optimizer.beta1: {distribution: q_uniform, min: 0, max: 1, q: 0}",
            (
                "sweep.yaml:9: parameters.optimizer.beta1.q: `0` is out of range\n"
                "  Expected: a number above 0.0\n"
                "  Fix: write a value above 0.0"
            ),
        ),
        (
            "optimizer.beta3: {min: 0.8, max: 0.9}",
            (
                "sweep.yaml:9: parameters.optimizer.beta3: `optimizer.beta3` names nothing in "
                "variant "
                "`base`\n"
                "  Expected: one of: optimizer.type, optimizer.learning_rate, "
                "optimizer.weight_decay, optimizer.beta1, optimizer.beta2, optimizer.epsilon\n"
                "  Fix: did you mean `optimizer.beta2`?"
            ),
        ),
        (
            "model: {values: [gpt, lstm]}",
            (
                "sweep.yaml:9: parameters.model: `model` is a section, not a value\n"
                "  Expected: one of: model.size, model.dropout, model.d_model, model.num_heads, "
                "model.num_kv_heads, model.d_ff, model.norm, model.norm_position, model.position, "
                "model.activation, model.qk_norm, model.bias, model.tie_embeddings, "
                "model.attention_dropout, model.residual_dropout, model.embedding_dropout, "
                "model.type, model.num_layers\n"
                "  Fix: search one of its fields"
            ),
        ),
        (
            "training.batch_size: {min: 1.0, max: 8.0}",
            (
                "sweep.yaml:9: parameters.training.batch_size: `training.batch_size` takes whole "
                "numbers, and this range has others\n"
                "  Expected: int_uniform, int_log_uniform_values, or q_uniform with whole min, max "
                "and q\n"
                "  Fix: write distribution: int_uniform"
            ),
        ),
        (
            "model.num_heads: {values: [1, 5]}",
            (
                "sweep.yaml:9: parameters.model.num_heads: num_heads: 5 does not divide d_model: "
                "64 "
                "(in variant `base`)\n"
                "  Expected: num_heads one of 1, 2, 4, 8, 16, 32, 64\n"
                "  Fix: set num_heads to one of them, or d_model to a multiple of 5"
            ),
        ),
        (
            "model.dropout: {min: 0.0, max: 1.0}",
            (
                "sweep.yaml:9: parameters.model.dropout: `1.0` is out of range (in variant "
                "`base`)\n"
                "  Expected: a number below 1.0\n"
                "  Fix: write a value below 1.0, or leave it out for 0.0"
            ),
        ),
        (
            "schedule.warmup_steps: {min: 0, max: 2000}",
            (
                "sweep.yaml:9: parameters.schedule.warmup_steps: schedule.warmup_steps: 2000 is "
                "not "
                "below the 2000 steps of the whole training (in variant `base`)\n"
                "  Expected: fewer than epochs x steps_per_epoch\n"
                "  Fix: shorten the warm-up or train longer"
            ),
        ),
        (
            "training.batch_size: {value: 0}",
            (
                "sweep.yaml:9: parameters.training.batch_size: `0` is out of range\n"
                "  Expected: a whole number above 0\n"
                "  Fix: write a value above 0, or leave it out for 16"
            ),
        ),
    ],
)
def test_parameter_that_cannot_be_searched_is_refused(
    refusal_of: Refusal, entry: str, message: str
) -> None:
    assert refusal_of(f"parameters:\n  {entry}\n") == message


def test_combination_that_only_both_corners_make_is_found(refusal_of: Refusal) -> None:
    message = refusal_of(
        """\
        parameters:
          schedule.warmup_steps: {values: [10, 600]}
          training.epochs: {values: [2, 8]}
        """
    )

    assert "schedule.warmup_steps: 600 is not below the 500 steps" in message


def test_value_inside_a_range_that_no_corner_shows_is_found(refusal_of: Refusal) -> None:
    message = refusal_of("parameters: {model.d_model: {min: 64, max: 128}}")

    assert message.startswith(
        "sweep.yaml:8: parameters.model.d_model: num_heads: 4 does not divide"
    )


def test_parameter_that_a_variant_lacks_names_those_that_have_it(refusal_of: Refusal) -> None:
    message = refusal_of(
        """\
        variants:
          gpt: {}
          lstm: {model: {type: lstm}}
        parameters:
          model.num_heads: {values: [1, 2]}
        """
    )

    assert message == (
        "sweep.yaml:12: parameters.model.num_heads: `model.num_heads` names nothing in variant "
        "`lstm`\n"
        "  Expected: one of: model.size, model.dropout, model.num_layers, model.embedding_dim, "
        "model.hidden_size, model.tie_embeddings, model.carry_state, model.type, "
        "model.forget_bias\n"
        "  Fix: move it to the parameters of the variants that have it: gpt"
    )


@pytest.mark.parametrize(
    "more",
    [
        "ablate: {model.dropout: [0.0]}",
        "grid: {model.dropout: [0.0, 0.2]}",
        "variants: {a: {}, b: {model: {dropout: 0.2}}}",
    ],
)
def test_path_that_is_compared_and_searched_is_refused(refusal_of: Refusal, more: str) -> None:
    message = refusal_of(f"{more}\nparameters: {{model.dropout: {{min: 0.0, max: 0.5}}}}")

    assert message.startswith("sweep.yaml:9: parameters.model.dropout: `model.dropout` is searched")
    assert message.endswith("Fix: search it or compare it: remove one of the two")


def test_many_parameters_are_checked_one_at_a_time(refusal_of: Refusal) -> None:
    fields = ["beta1", "beta2", "weight_decay", "epsilon", "learning_rate"]
    lines = [f"  optimizer.{field}: {{min: 0.1, max: 0.2}}" for field in fields]
    values = ", ".join(str(0.9 - n / 1000) for n in range(20))
    lines += [f"  model.dropout: {{values: [{values}, 1.5]}}"]

    message = refusal_of("parameters:\n" + "\n".join(lines))

    assert message.startswith("sweep.yaml:14: parameters.model.dropout: `1.5` is out of range")
