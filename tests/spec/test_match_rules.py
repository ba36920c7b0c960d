"""`match`: what of it can be told to be wrong without the data."""

from __future__ import annotations

import pytest

from lmtune.spec.sweep import SweepSpec
from tests.spec.conftest import BASE, Read, Refusal

MATCH = "match: {by: params}\n"


def test_match_is_understood_with_its_defaults(extended: Read) -> None:
    match = extended("variants: {lstm: {model: {type: lstm}}}\n" + MATCH).match

    assert match is not None
    assert (match.by, match.target, match.tolerance) == ("params", "base", 0.02)
    assert match.base.model.type == "gpt"  # which is no variant here


def test_match_left_out_is_none(extended: Read) -> None:
    assert extended().match is None


@pytest.mark.parametrize("written", ["200000", "2e5", "200000.0"])
def test_target_may_be_a_number_however_it_is_written(extended: Read, written: str) -> None:
    match = extended(f"match: {{by: flops_per_token, target: {written}, tolerance: 0}}").match

    assert match is not None
    assert match.target == 200_000
    assert type(match.target) is int


def test_sweep_with_a_match_survives_json(extended: Read) -> None:
    sweep = extended("ablate: {model.num_layers: [2]}\n" + MATCH)

    assert SweepSpec.model_validate_json(sweep.model_dump_json()) == sweep


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "match: {target: 100}",
            (
                "sweep.yaml:8: match.by: missing key\n"
                "  Expected: one of: params, non_embedding_params, flops_per_token (what is to be "
                "the same)\n"
                "  Fix: add `by:`"
            ),
        ),
        (
            "match: {by: params, targets: base}",
            (
                "sweep.yaml:8: match.targets: unknown key\n"
                "  Expected: one of: by, target, tolerance\n"
                "  Fix: did you mean `target`?"
            ),
        ),
        (
            "match: {by: params, tolerance: 2}",
            (
                "sweep.yaml:8: match.tolerance: `2` is out of range\n"
                "  Expected: a number below 1.0\n"
                "  Fix: write a value below 1.0, or leave it out for 0.02"
            ),
        ),
        *[
            (
                f"match: {{by: params, target: {target}}}",
                (
                    "sweep.yaml:8: match.target: the target is neither the word base nor a count\n"
                    "  Expected: base, or a whole number above 0\n"
                    "  Fix: write target: base, or leave it out, which means the same"
                ),
            )
            for target in ("gpt", "0", "-3", "1.5", "true", "[1]", "null")
        ],
        (
            MATCH + "ablate: {model.d_model: [32]}",
            (
                "sweep.yaml:9: ablate.model.d_model[0]: variant `d_model=32` sets model.d_model, "
                "which match is to solve\n"
                "  Expected: variants that leave the width to match\n"
                "  Fix: remove model.d_model here, or remove match"
            ),
        ),
        (
            MATCH + "variants: {a: {}, b: {model: {type: gru, hidden_size: 32}}}",
            (
                "sweep.yaml:9: variants.b.model.hidden_size: variant `b` sets model.hidden_size, "
                "which match is to solve\n"
                "  Expected: variants that leave the width to match\n"
                "  Fix: remove model.hidden_size here, or remove match"
            ),
        ),
        (
            MATCH + "parameters: {model.d_model: {value: 32}}",
            (
                "sweep.yaml:9: parameters.model.d_model: variant `base` sets model.d_model, "
                "which match is to solve\n"
                "  Expected: variants that leave the width to match\n"
                "  Fix: remove model.d_model here, or remove match"
            ),
        ),
        *[
            (
                MATCH + f"parameters: {{model.{field}: {{values: {values}}}}}",
                (
                    f"sweep.yaml:9: parameters.model.{field}: model.{field} is searched, so "
                    "params would change from trial to trial\n"
                    "  Expected: a search that leaves the size alone\n"
                    f"  Fix: remove match, or make model.{field} variants: match solves a width "
                    "for each"
                ),
            )
            for field, values in (
                ("d_model", "[32, 64]"),
                ("d_ff", "[32, 64]"),
                ("num_layers", "[1, 2]"),
                ("size", "[small, large]"),
            )
        ],
    ],
)
def test_match_that_cannot_be_is_refused(refusal_of: Refusal, more: str, message: str) -> None:
    assert refusal_of(more) == message


def test_searched_depth_of_an_encoder_is_refused_where_it_is_written(refusal: Refusal) -> None:
    message = refusal(
        BASE
        + MATCH
        + "variants:\n"
        + "  a: {}\n"
        + "  b:\n"
        + "    model: {type: transformer}\n"
        + "    parameters: {model.num_encoder_layers: {values: [1, 2]}}\n"
    )

    assert message.startswith(
        "sweep.yaml:13: variants.b.parameters.model.num_encoder_layers: "
        "model.num_encoder_layers is searched"
    )


def test_ablated_depth_and_searched_dropout_are_for_match_to_solve(extended: Read) -> None:
    more = (
        "ablate: {model.num_layers: [2]}\n"
        "parameters: {model.dropout: {min: 0.0, max: 0.2}, model.num_heads: {values: [1, 2]}}\n"
    )

    assert len(extended(MATCH + more).variants) == 2
