"""`match`: the solved widths, against counts by the models themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.errors import SpecError
from lmtune.matching import describe_match, match_widths
from lmtune.models import build_model, count_parameters, flops_per_token
from lmtune.preflight import prepare_datasets
from lmtune.spec import read_sweep
from lmtune.spec.model import AttentionConfig, RecurrentConfig
from lmtune.spec.sweep import SweepSpec, Variant

SPEC = "sweep.yaml"
BASE = """\
name: matched
base:
  dataset: {corpus: {type: markov, length: 4000}, tokenizer: char, context_length: 32}
  model: {type: gpt, size: small}
  optimizer: {type: adamw}
  training: {epochs: 2, steps_per_epoch: 2}
"""
"""Six lines, so that what a test adds begins on line 7."""
ALL_TYPES = """\
variants:
  gpt: {}
  transformer: {model: {type: transformer, size: small}}
  lstm: {model: {type: lstm, size: small}}
  gru: {model: {type: gru, size: small}}
  rnn: {model: {type: rnn, size: small}}
"""
VOCAB_SIZE = 9  # of the corpus: 8 symbols, and one token for others


def solve(project: Path, more: str, base: str = BASE) -> SweepSpec:
    path = project / SPEC
    path.write_text(base + more)
    sweep = read_sweep(path)
    return match_widths(sweep, prepare_datasets(sweep, path, project), path)


def refusal(project: Path, more: str, base: str = BASE) -> str:
    with pytest.raises(SpecError) as refused:
        solve(project, more, base)
    return str(refused.value).replace(f"{project}/", "")


def params(variant: Variant) -> int:
    """Counted on the weights themselves."""
    config = variant.config
    model = build_model(
        config.model,
        vocab_size=VOCAB_SIZE,
        context_length=config.dataset.context_length,
        seed=0,
    )
    return sum(weights.numel() for weights in model.parameters())


def test_architectures_when_matched_by_params_have_as_many_weights(tmp_path: Path) -> None:
    sweep = solve(tmp_path, ALL_TYPES + "match: {by: params}\n")
    gpt, *others = sweep.variants
    target = params(gpt)
    assert gpt.config.model.model_dump()["d_model"] == 64  # the base itself stays as it is
    for variant in sweep.variants:
        matched = variant.matched
        assert matched is not None
        assert (matched.by, matched.target) == ("params", target)
        assert matched.reached == params(variant)
        assert matched.mismatch == pytest.approx(matched.reached / target - 1)
    assert all(abs(params(variant) / target - 1) <= 0.02 for variant in others)


@pytest.mark.parametrize("by", ["params", "non_embedding_params", "flops_per_token"])
@pytest.mark.parametrize("target", [150_000, 1_000_000])
def test_variants_when_the_target_is_a_number_reach_it_the_base_too(
    tmp_path: Path, by: str, target: int
) -> None:
    sweep = solve(tmp_path, ALL_TYPES + f"match: {{by: {by}, target: {target}}}\n")
    for variant in sweep.variants:
        config = variant.config
        sizes = {"vocab_size": VOCAB_SIZE, "context_length": config.dataset.context_length}
        count = count_parameters(config.model, **sizes)
        reached = {
            "params": count.total,
            "non_embedding_params": count.non_embedding,
            "flops_per_token": flops_per_token(config.model, **sizes),
        }[by]
        assert abs(reached - target) <= 0.02 * target
        assert variant.matched is not None
        assert variant.matched.reached == reached


def test_ablated_depths_when_matched_get_a_width_each_and_keep_their_heads(
    tmp_path: Path,
) -> None:
    sweep = solve(tmp_path, "ablate: {model.num_layers: [1, 2, 8]}\nmatch: {by: params}\n")
    models = [variant.config.model for variant in sweep.variants]
    assert all(isinstance(model, AttentionConfig) for model in models)
    widths = [model.model_dump()["d_model"] for model in models]
    assert widths[0] == 64
    assert widths[1] > widths[2] > widths[0] > widths[3]
    for model, width in zip(models, widths, strict=True):
        assert model.model_dump()["num_heads"] == 4
        assert width % 4 == 0


def test_width_when_heads_turn_pairs_of_values_leaves_them_even(tmp_path: Path) -> None:
    more = "ablate: {model.position: [rotary], model.num_layers: [3]}\nmatch: {by: params}\n"
    rotary = solve(tmp_path, more).variants[1].config.model
    assert isinstance(rotary, AttentionConfig)
    assert rotary.d_model // rotary.num_heads % 2 == 0


def test_width_when_heads_are_searched_is_a_multiple_of_all_of_them(tmp_path: Path) -> None:
    more = "parameters: {model.num_heads: {values: [1, 2, 8]}}\nmatch: {by: params}\n"
    base = BASE.replace("size: small", "size: small, num_layers: 3")
    (variant,) = solve(tmp_path, more + "\n".join(["budget: {trials: 4}", ""]), base).variants
    assert variant.config.model.model_dump()["d_model"] % 8 == 0


def test_inner_width_takes_up_what_whole_heads_leave_over(tmp_path: Path) -> None:
    more = ALL_TYPES + "match: {by: params, tolerance: 0.005}\n"
    transformer = solve(tmp_path, more).variants[1]
    model, matched = transformer.config.model, transformer.matched
    assert isinstance(model, AttentionConfig)
    assert matched is not None
    assert matched.solved == {"model.d_model": model.d_model, "model.d_ff": model.d_ff}
    assert model.d_ff != 4 * model.d_model
    assert abs(matched.mismatch) <= 0.005


def test_inner_width_when_the_tolerance_is_met_follows_as_ever(tmp_path: Path) -> None:
    more = ALL_TYPES + "match: {by: params, tolerance: 0.1}\n"
    transformer = solve(tmp_path, more).variants[1]
    model, matched = transformer.config.model, transformer.matched
    assert isinstance(model, AttentionConfig)
    assert matched is not None
    assert list(matched.solved) == ["model.d_model"]
    assert model.d_ff == 4 * model.d_model


def test_embedding_follows_the_solved_state_unless_it_is_given(tmp_path: Path) -> None:
    more = (
        "variants:\n"
        "  follows: {model: {type: lstm, num_layers: 1}}\n"
        "  given: {model: {type: lstm, num_layers: 1, embedding_dim: 20}}\n"
        "match: {by: params, target: 50000}\n"
    )
    models = [variant.config.model for variant in solve(tmp_path, more).variants]
    follows, given = models
    assert isinstance(follows, RecurrentConfig)
    assert isinstance(given, RecurrentConfig)
    assert follows.embedding_dim == follows.hidden_size
    assert (given.embedding_dim, given.hidden_size > 20) == (20, True)


def test_solved_width_is_in_what_the_search_starts_from(tmp_path: Path) -> None:
    more = (
        "variants: {gpt: {}, lstm: {model: {type: lstm}}}\n"
        "parameters: {model.dropout: {min: 0.0, max: 0.3}}\nmatch: {by: params}\n"
    )
    lstm = solve(tmp_path, more).variants[1]
    assert lstm.matched is not None
    width = lstm.matched.solved["model.hidden_size"]
    trial = lstm.trial_config({"model.dropout": 0.2})
    assert (trial.model.dropout, trial.model.model_dump()["hidden_size"]) == (0.2, width)
    assert lstm.given["model"]["hidden_size"] == width


def test_base_that_is_no_variant_is_still_the_target(tmp_path: Path) -> None:
    more = "variants: {lstm: {model: {type: lstm}}, rnn: {model: {type: rnn}}}\n"
    sweep = solve(tmp_path, more + "match: {by: params}\n")
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    (base,) = read_sweep(path).variants
    assert {variant.matched and variant.matched.target for variant in sweep.variants} == {
        params(base)
    }


def test_match_by_the_cost_of_pairs_counts_a_mean_pair(tmp_path: Path) -> None:
    base = BASE.replace("{type: markov, length: 4000}", "{type: reverse, num_pairs: 300}")
    more = (
        "variants: {gpt: {}, transformer: {model: {type: transformer}}, "
        "gru: {model: {type: gru}}}\nmatch: {by: flops_per_token}\n"
    )
    sweep = solve(tmp_path, more, base)
    for variant in sweep.variants:
        assert variant.matched is not None
        assert abs(variant.matched.mismatch) <= 0.02


def test_sweep_without_a_match_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / SPEC
    path.write_text(BASE)
    sweep = read_sweep(path)
    assert match_widths(sweep, prepare_datasets(sweep, path, tmp_path), path) is sweep
    assert describe_match(sweep) == []


def test_matched_sweep_survives_json_and_says_what_was_reached(tmp_path: Path) -> None:
    sweep = solve(tmp_path, ALL_TYPES + "match: {by: params}\n")
    assert SweepSpec.model_validate_json(sweep.model_dump_json()) == sweep
    lines = describe_match(sweep)
    assert lines[0].startswith("gpt: model.d_model 64, ")
    assert "(+0.00% of " in lines[0]
    assert [line.partition(":")[0] for line in lines] == [v.name for v in sweep.variants]


def test_target_that_no_width_meets_is_refused_with_the_nearest(tmp_path: Path) -> None:
    variants = "variants:\n  gpt: {}\n  rnn: {model: {type: rnn}}\n"
    message = refusal(tmp_path, f"{variants}match: {{by: params, target: 20}}\n")
    gpt, rnn = message.split("sweep.yaml:10: match: variant ")[1:]
    assert gpt.startswith("`gpt` cannot have 20 params: the nearest is model.d_model: 4")
    assert gpt.endswith("  Fix: give another target, or change the variant's other dimensions\n")
    assert rnn == (
        "`rnn` cannot have 20 params: the nearest is model.hidden_size: 1, with 17 (-15.0%)\n"
        "  Expected: a width that misses the target by at most 0.02 of it\n"
        "  Fix: give another target, or change the variant's other dimensions, or set "
        "match.tolerance: 0.15"
    )


def test_target_when_the_inner_width_is_given_may_be_missed(tmp_path: Path) -> None:
    more = (
        "variants:\n"
        "  gpt: {}\n"
        "  transformer: {model: {type: transformer, size: small, d_ff: 224}}\n"
        "match: {by: params, tolerance: 0.001}\n"
    )
    message = refusal(tmp_path, more)
    assert "variant `transformer` cannot have " in message
    assert "model.d_ff" not in message


@pytest.mark.parametrize(
    ("search", "place"),
    [
        (
            "parameters: {model.tie_embeddings: {values: [true, false]}}\n",
            (
                "sweep.yaml:7: parameters.model.tie_embeddings: model.tie_embeddings is searched, "
                "and with false variant `base` would have "
            ),
        ),
        (
            (
                "variants: {a: {parameters: {model.norm: {values: [layernorm, rmsnorm]}, "
                "model.num_kv_heads: {values: [1, 4]}}}}\n"
            ),
            (
                "sweep.yaml:7: variants.a.parameters.model.num_kv_heads: model.num_kv_heads is "
                "searched, and with 1 variant `a` would have "
            ),
        ),
        (
            "parameters: {dataset.context_length: {values: [32, 512]}}\n",
            (
                "sweep.yaml:7: parameters.dataset.context_length: dataset.context_length is "
                "searched, and with 512 variant `base` would have "
            ),
        ),
    ],
)
def test_search_that_would_leave_the_target_is_refused(
    tmp_path: Path, search: str, place: str
) -> None:
    base = BASE.replace("length: 4000", "length: 40000")
    message = refusal(tmp_path, search + "match: {by: params, tolerance: 0.001}\n", base)
    assert message.startswith(place)
    assert message.count("  Fix: ") == 1


def test_variants_that_become_the_same_are_refused(tmp_path: Path) -> None:
    more = (
        "variants:\n"
        "  small: {model: {type: rnn, size: small}}\n"
        "  large: {model: {type: rnn, size: large}}\n"
        "match: {by: params}\n"
    )
    assert refusal(tmp_path, more).startswith(
        "sweep.yaml:9: variants.large.model: with the width that match solves, variant `large` is "
        "the same as variant `small`\n"
    )
