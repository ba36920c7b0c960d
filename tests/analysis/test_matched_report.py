"""What `match` solved, in the summary, the table and the report."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lmtune.analysis import summarize, variants_header, variants_rows, write_report
from lmtune.records import ExperimentFolder
from lmtune.spec.match import Match, Matched

Make = Callable[..., ExperimentFolder]

MATCHED = {
    "base": Matched(
        by="params", target=200_000, reached=200_000, mismatch=0, solved={"model.d_model": 64}
    ),
    "lstm": Matched(
        by="params",
        target=200_000,
        reached=201_500,
        mismatch=0.0075,
        solved={"model.hidden_size": 110},
    ),
}


@pytest.fixture
def matched(make_experiment: Make) -> ExperimentFolder:
    """A sweep whose variants have solved widths."""
    folder = make_experiment([], variants={"base": {}, "lstm": {"type": "lstm"}})
    sweep = folder.read_sweep()
    match = Match(by="params", base=sweep.variants[0].config)
    variants = tuple(variant.resized(MATCHED[variant.name]) for variant in sweep.variants)
    changed = sweep.model_copy(update={"match": match, "variants": variants})
    folder.write_sweep(changed, folder.read_datasets())
    return folder


def test_summary_says_for_each_variant_what_was_matched(matched: ExperimentFolder) -> None:
    write_report(matched)
    content = json.loads(matched.summary_json.read_text())
    assert [variant["matched"] for variant in content["variants"]] == [
        each.model_dump() for each in MATCHED.values()
    ]


def test_table_has_the_mismatch_and_the_report_the_rest(matched: ExperimentFolder) -> None:
    summary = summarize(matched)
    column = variants_header(summary).index("mismatch")
    assert [row.cells[column] for row in variants_rows(summary)] == ["0", "+0.75%"]
    write_report(matched)
    text = matched.report_md.read_text()
    assert "width is solved so that its parameters are those of the base, within 2%." in text
    assert "| base | d_model 64 | 200,000 | 200,000 | 0 |" in text
    assert "| lstm | hidden_size 110 | 200,000 | 201,500 | +0.75% |" in text


def test_sweep_without_a_match_says_nothing_of_one(make_experiment: Make) -> None:
    folder = make_experiment([], variants={"base": {}})
    write_report(folder)
    assert "matched" not in json.loads(folder.summary_json.read_text())["variants"][0]
    assert "Match" not in folder.report_md.read_text()
    assert "mismatch" not in variants_header(summarize(folder))
