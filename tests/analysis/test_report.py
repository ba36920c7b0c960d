from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from lmtune.analysis import answer, report, summarize, variants_header, variants_rows, write_report
from lmtune.analysis.cautions import cautions
from lmtune.analysis.markdown import code_block, escape, table
from lmtune.analysis.ranges import range_position
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.search import Categorical, Distribution, FloatRange, IntRange, Seeds
from lmtune.spec.trial import TrialConfig

Make = Callable[..., ExperimentFolder]

SEEDS = (1, 2, 3, 4, 5)
NOISE = (0.00, 0.03, -0.01, 0.02, -0.02)
JITTER = (0.001, -0.002, 0.002, -0.001, 0.000)
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "num_layers=1": {"num_layers": 1},
    "num_layers=6": {"num_layers": 6},
    "dropout=0.1": {"dropout": 0.1},
}


def _seeds(variant: str, mean: float, learning_rate: float = 1e-3) -> list[Any]:
    """Completed confirm trials around a mean; what a seed does is the same for all variants."""
    jitter = JITTER if variant != "base" else (0.0,) * 5
    return [
        (variant, "confirm", seed, "completed", mean + noise + each, learning_rate)
        for seed, noise, each in zip(SEEDS, NOISE, jitter, strict=True)
    ]


@pytest.fixture
def ablation(make_experiment: Make) -> ExperimentFolder:
    """An ablation with a variant that is better, one worse and one within noise."""
    return make_experiment(
        [
            *_seeds("base", 1.50),
            *_seeds("num_layers=1", 1.60),
            *_seeds("num_layers=6", 1.40),
            *_seeds("dropout=0.1", 1.50),
        ],
        variants=VARIANTS,
        seeds=Seeds(confirm=SEEDS),
    )


def _report(folder: ExperimentFolder) -> str:
    return report(folder, summarize(folder))


def _section(text: str, title: str) -> str:
    return text.split(f"## {title}\n\n")[1].split("\n\n## ")[0]


def test_answer_is_made_from_the_verdicts(ablation: ExperimentFolder) -> None:
    assert answer(summarize(ablation)) == (
        "Compared with base (val_loss 1.5040), num_layers=6 (-0.1000) is better; "
        "num_layers=1 (+0.1000) is worse. "
        "Within noise: dropout=0.1; differences up to about 0.0026 could go unseen."
    )


def test_answer_without_a_difference_claims_none(make_experiment: Make) -> None:
    folder = make_experiment(
        [*_seeds("base", 1.5), *_seeds("dropout=0.1", 1.5)],
        variants={name: VARIANTS[name] for name in ("base", "dropout=0.1")},
        seeds=Seeds(confirm=SEEDS),
    )
    assert answer(summarize(folder)).startswith(
        "No variant was shown to differ from base (val_loss 1.5040). Within noise: dropout=0.1"
    )


def test_answer_with_two_seeds_does_not_judge(make_experiment: Make) -> None:
    folder = make_experiment(
        [*_seeds("base", 1.5)[:2], *_seeds("num_layers=1", 1.9)[:2]],
        variants={name: VARIANTS[name] for name in ("base", "num_layers=1")},
        seeds=Seeds(confirm=(1, 2)),
    )
    text = answer(summarize(folder))
    assert text == "Not judged, with fewer than 3 seeds in common with base: num_layers=1."
    assert "is worse" not in _report(folder)


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (0, "No answer yet: no confirm trial of base has completed. The sweep is not finished"),
        (1, "base reaches val_loss 1.5000 with one seed; how far another seed would land"),
        (5, "base reaches val_loss 1.5040 on average over 5 seeds (95% interval [1.4783, 1.5297])"),
    ],
)
def test_answer_of_a_single_variant_says_how_sure_it_is(
    make_experiment: Make, seeds: int, expected: str
) -> None:
    folder = make_experiment(
        _seeds("base", 1.5)[:seeds],
        variants={"base": {}},
        seeds=Seeds(confirm=SEEDS[: max(1, seeds)]),
    )
    assert answer(summarize(folder)).startswith(expected)


def test_answer_without_the_base_compares_nothing(make_experiment: Make) -> None:
    folder = make_experiment(
        _seeds("num_layers=6", 1.4), variants=VARIANTS, seeds=Seeds(confirm=SEEDS)
    )
    assert answer(summarize(folder)) == (
        "No answer yet: no confirm trial of the base, base, has completed. "
        "The sweep is not finished, so this may change."
    )


def test_variants_rows_say_mean_interval_difference_and_verdict(
    ablation: ExperimentFolder,
) -> None:
    summary = summarize(ablation)
    rows = {row.cells[0]: dict(zip(variants_header(summary), row.cells, strict=True))
            for row in variants_rows(summary)}  # fmt: skip
    assert list(rows) == list(VARIANTS)
    assert rows["base"]["difference to base"] == "base"
    assert rows["num_layers=1"] == {
        "variant": "num_layers=1",
        "val_loss": "1.6040",
        "95% interval": "[1.5797, 1.6283]",
        "seeds": "5",
        "difference to base": "+0.1000",
        "its 95% interval": "[+0.0980, +0.1020]",
        "detectable": "0.0026",
        "p (Holm)": "< 0.001",
        "verdict": "worse",
        "parameters": "204,000",
        "FLOPs/token": "1,300,000",
        "tokens/s": "10,240",
        "diverged": "0%",
    }
    assert [row.verdict for row in variants_rows(summary)] == [
        None, "worse", "better", "within noise",
    ]  # fmt: skip


def test_variants_table_of_the_report_is_that_of_the_terminal(ablation: ExperimentFolder) -> None:
    summary = summarize(ablation)
    section = _section(_report(ablation), "Variants")
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert lines[0] == f"| {' | '.join(variants_header(summary))} |"
    assert lines[2:] == [f"| {' | '.join(row.cells)} |" for row in variants_rows(summary)]


def test_variants_table_holds_no_trial_that_was_stopped(make_experiment: Make) -> None:
    folder = make_experiment(
        [
            *_seeds("base", 1.5),
            ("num_layers=1", "confirm", 1, "stopped", 0.123, 1e-3),
            ("num_layers=1", "tune", 0, "completed", 0.123, 1e-3),
        ],
        variants={name: VARIANTS[name] for name in ("base", "num_layers=1")},
        searched=True,
        seeds=Seeds(confirm=SEEDS),
    )
    row = variants_rows(summarize(folder))[1]
    assert row.cells[1:4] == ("-", "-", "0 of 5 (1 stopped)")
    assert "0.123" not in _section(_report(folder), "Variants")


def test_variants_of_one_variant_have_no_comparison_columns(make_experiment: Make) -> None:
    folder = make_experiment(
        _seeds("base", 1.5)[:1], variants={"base": {}}, seeds=Seeds(confirm=(1,))
    )
    summary = summarize(folder)
    assert variants_header(summary) == (
        "variant", "val_loss", "95% interval", "seeds", "parameters", "FLOPs/token",
        "tokens/s", "diverged",
    )  # fmt: skip
    assert variants_rows(summary)[0].cells == (
        "base", "1.5000", "-", "1", "204,000", "1,300,000", "10,240", "0%",
    )  # fmt: skip
    text = _report(folder)
    assert "Holm" not in text
    assert "Search: none" in text


def test_best_configuration_is_a_base_that_can_be_copied(ablation: ExperimentFolder) -> None:
    section = _section(_report(ablation), "Best configuration")
    block = re.search("```yaml\n(.*?)\n```", section, re.DOTALL)
    assert block is not None
    config = TrialConfig.model_validate(yaml.safe_load(block[1])["base"])
    best = summarize(ablation).variants[2]
    assert best.answer is not None
    assert config == best.answer.config
    assert section.startswith("num_layers=6 has the best mean val_loss, 1.4040.")


def test_fixed_values_are_those_that_no_variant_and_no_search_changes(
    make_experiment: Make,
) -> None:
    folder = make_experiment([], variants=VARIANTS, searched=True)
    section = _section(_report(folder), "What was fixed")
    assert "| training.epochs | 2 |" in section
    assert "| model.d_model | 64 |" in section
    for varied in ("model.num_layers", "model.dropout", "optimizer.learning_rate"):
        assert varied not in section


def test_report_says_how_it_was_searched_and_confirmed(make_experiment: Make) -> None:
    folder = make_experiment(
        [
            *_seeds("base", 1.5),
            ("base", "tune", 0, "completed", 1.45, 1e-3),
            ("base", "tune", 0, "stopped", 1.9, 5e-3),
            ("base", "tune", 0, "diverged", None, 9e-3),
        ],
        variants={"base": {}},
        searched=True,
        seeds=Seeds(confirm=SEEDS),
    )
    section = _section(_report(folder), "How it was done")
    assert "- Search: qmc inside each variant, 3 trials for each, with seed 0." in section
    assert "Searched: optimizer.learning_rate, 0.0001 to 0.01 (log_uniform_values)." in section
    assert "Early stopping of tune trials: asha, from epoch 1, one in 3 goes on" in section
    assert "with seeds 1, 2, 3, 4, 5 for every variant" in section
    assert "| tune | 3 | 1 | 1 | 1 | 0 | 0 |" in section
    assert "| confirm | 5 | 5 | 0 | 0 | 0 | 0 |" in section
    assert "| base | 3 | 1 | learning_rate=0.001 | 1.4500 | 1.5040 [1.4783, 1.5297] |" in section


def test_report_of_an_unfinished_sweep_says_what_is_missing(make_experiment: Make) -> None:
    folder = make_experiment(
        [*_seeds("base", 1.5)[:4], ("base", "confirm", 5, "interrupted", 1.2, 1e-3)],
        variants={"base": {}},
        seeds=Seeds(confirm=SEEDS),
    )
    text = _report(folder)
    assert "**Not finished.** Still to run:\n\n- base: confirm seed 5\n" in text
    assert "4 of 5 (1 interrupted)" in text


def test_report_of_a_sweep_without_trials_still_reads(make_experiment: Make) -> None:
    text = _report(make_experiment([], variants=VARIANTS, searched=True))
    assert "No confirm trial has completed." in text
    assert re.search(r"\bnan\b", text) is None


def test_report_says_carried_state_beside_the_number(make_experiment: Make) -> None:
    variants = {"base": {}, "lstm": {"type": "lstm", "carry_state": True}}
    folder = make_experiment(
        [*_seeds("base", 1.5), *_seeds("lstm", 1.4)], variants=variants, seeds=Seeds(confirm=SEEDS)
    )
    text = _report(folder)
    assert "| lstm | 1.4040 (state carried) |" in text
    assert "except lstm, with the state carried over the whole split" in text
    assert any(caution.startswith("State carried") for caution in cautions(summarize(folder)))


def test_report_names_the_data_of_each_variant_where_they_differ(
    make_experiment: Make, dataset: DatasetFacts
) -> None:
    other = dataset.model_copy(update={"fingerprint": "f2", "entropy_rate": 1.25})
    folder = make_experiment(
        [],
        variants={name: VARIANTS[name] for name in ("base", "dropout=0.1")},
        datasets={"base": dataset, "dropout=0.1": other},
    )
    section = _section(_report(folder), "Data")
    assert "| fingerprint | f1 |" in section
    assert "| variants | dropout=0.1 |" in section
    assert "1.2500 nats a token" in section
    assert any("2 different token sequences" in each for each in cautions(summarize(folder)))


def test_report_gives_the_command_with_its_overrides(make_experiment: Make) -> None:
    folder = make_experiment(
        [], variants={"base": {}}, overrides=("base.model.size=small", "question=why not?")
    )
    assert (
        "```bash\npython -m lmtune.run experiments/toy/sweep.yaml --set base.model.size=small "
        "--set 'question=why not?'\n```"
    ) in _report(folder)


def test_report_when_written_twice_is_the_same_text(ablation: ExperimentFolder) -> None:
    write_report(ablation)
    before = ablation.report_md.read_bytes(), ablation.summary_json.read_bytes()
    write_report(ablation)
    assert before == (ablation.report_md.read_bytes(), ablation.summary_json.read_bytes())


def test_report_escapes_the_words_of_the_user(make_experiment: Make) -> None:
    name = "a|b <img src=x> *c*"
    folder = make_experiment(
        [],
        variants={name: {}},
        question="# Is `x` | [better](javascript:1)?\n\n## Variants",
    )
    text = _report(folder)
    assert "**Question:** \\# Is \\`x\\` \\| [better\\](javascript:1)? ## Variants\n" in text
    assert "| a\\|b \\<img src=x> \\*c\\* |" in text
    assert text.count("\n## Variants\n") == 1


def test_cautions_of_a_sound_sweep_are_none(ablation: ExperimentFolder) -> None:
    assert cautions(summarize(ablation)) == []
    assert _section(_report(ablation), "Cautions") == "None."


def test_cautions_name_few_seeds(make_experiment: Make) -> None:
    def few(seeds: tuple[int, ...]) -> list[str]:
        folder = make_experiment([], variants={"base": {}}, seeds=Seeds(confirm=seeds))
        return cautions(summarize(folder))

    assert few((1,))[0].startswith("Only one seed a variant")
    assert few((1, 2, 3))[0].startswith("Only 3 seeds a variant")
    assert few(SEEDS) == []


def test_cautions_count_trials_that_diverged_or_failed(make_experiment: Make) -> None:
    folder = make_experiment(
        [
            *_seeds("base", 1.5),
            ("base", "tune", 0, "diverged", None, 9e-3),
            ("base", "tune", 0, "failed", None, 8e-3),
            ("base", "tune", 0, "completed", 1.5, 1e-3),
            ("base", "confirm", 6, "diverged", 1.4, 1e-3),
        ],
        variants={"base": {}},
        searched=True,
        seeds=Seeds(confirm=(*SEEDS, 6)),
    )
    found = cautions(summarize(folder))
    assert [caution for caution in found if "trials:" in caution] == [
        "Diverged tune trials: base 1 of 3.",
        "Failed tune trials: base 1 of 3.",
        "Diverged confirm trials: base 1 of 6; the means leave them out.",
    ]


@pytest.mark.parametrize(
    ("learning_rate", "end"), [(1.2e-4, "lower"), (1e-3, None), (5e-3, None), (8e-3, "upper")]
)
def test_cautions_name_a_best_value_at_the_edge_of_its_range(
    make_experiment: Make, learning_rate: float, end: str | None
) -> None:
    """Of 1e-4 to 1e-2 the outer tenths are below 1.58e-4 and above 6.3e-3, on the log scale."""
    folder = make_experiment(
        _seeds("base", 1.5, learning_rate),
        variants={"base": {}},
        searched=True,
        seeds=Seeds(confirm=SEEDS),
    )
    found = [caution for caution in cautions(summarize(folder)) if "edge" in caution]
    assert [f"{end} edge" in caution for caution in found] == ([True] if end else [])


@pytest.mark.parametrize(
    ("distribution", "value", "expected"),
    [
        (FloatRange(distribution="uniform", min=-1.0, max=3.0), 0.0, 0.25),
        (FloatRange(distribution="log_uniform_values", min=1e-4, max=1e-2), 1e-3, 0.5),
        (IntRange(distribution="int_uniform", min=1, max=5), 5, 1.0),
        (IntRange(distribution="int_log_uniform_values", min=1, max=16), 4, 0.5),
        (Categorical(values=("a", "b")), "a", None),
    ],
)
def test_range_position_is_on_the_scale_of_the_range(
    distribution: Distribution, value: float | str, expected: float | None
) -> None:
    assert range_position(distribution, value) == pytest.approx(expected)


def test_cautions_say_where_the_search_was_lucky_and_a_configuration_was_picked(
    make_experiment: Make,
) -> None:
    def found(tuned: float) -> list[str]:
        folder = make_experiment(
            [
                *_seeds("base", 1.5, 1e-3),
                *_seeds("base", 1.6, 2e-3),
                ("base", "tune", 0, "completed", tuned, 1e-3),
            ],
            variants={"base": {}},
            searched=True,
            seeds=Seeds(confirm=SEEDS, top_k=2),
            name=f"tuned{tuned}",
        )
        few, *others = cautions(summarize(folder))
        assert few.startswith("Few tune trials (base 1): below 8 a variant")
        return others

    lucky, fair = found(1.40), found(1.49)
    assert lucky[0] == fair[0]
    assert lucky[0].startswith("A variant's number is the best of up to 2 configurations")
    assert lucky[1].startswith("base: the search saw 1.4000 where new seeds give 1.5040")
    assert len(fair) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("num_layers=1", "num_layers=1"),
        ("a|b", "a\\|b"),
        ("_a_ __b__", "\\_a\\_ \\_\\_b\\_\\_"),
        ("a\\b `c` *d*", "a\\\\b \\`c\\` \\*d\\*"),
        ("<b>&amp;</b>", "\\<b>\\&amp;\\</b>"),
        ("- item", "\\- item"),
        ("-", "-"),
        ("[1.2, +3] < 0.001 & more", "[1.2, +3] < 0.001 & more"),
        ("[a](b) [c][d] [e]: f", "[a\\](b) [c\\][d] [e\\]: f"),
        ("two\nlines\t here", "two lines here"),
    ],
)
def test_escape_keeps_text_as_it_is(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_table_with_pipes_in_its_cells_keeps_its_columns() -> None:
    lines = table(["a", "b|c"], [["1|2", "3"]]).splitlines()
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3]


def test_code_block_with_a_fence_inside_stays_one_block() -> None:
    assert code_block("```\nx\n````", "yaml") == "`````yaml\n```\nx\n````\n`````"
