"""Dotted paths, and trees laid over each other."""

from __future__ import annotations

import pytest

from lmtune.spec.paths import UnknownPathError, get_path, paths_below, with_value
from lmtune.spec.tree import Node, Spot, laid_over, node_of, without
from lmtune.spec.trial import TrialConfig
from tests.spec.conftest import Read

SPOT = Spot("here")


@pytest.fixture
def config(extended: Read) -> TrialConfig:
    return extended().variants[0].config


def test_path_leads_to_a_value_or_a_section(config: TrialConfig) -> None:
    assert get_path(config, "model.num_layers") == 4
    assert get_path(config, "dataset.corpus") is config.dataset.corpus


def test_path_that_names_nothing_tells_what_there_is(config: TrialConfig) -> None:
    with pytest.raises(UnknownPathError) as unknown:
        get_path(config, "schedule.warmup")

    assert unknown.value.path == "schedule.warmup"
    assert unknown.value.choices == (
        "schedule.type",
        "schedule.warmup_steps",
        "schedule.decay_fraction",
        "schedule.final_fraction",
    )


def test_path_through_a_value_tells_of_the_value(config: TrialConfig) -> None:
    with pytest.raises(UnknownPathError) as unknown:
        get_path(config, "training.epochs.first")

    assert unknown.value.choices == ("training.epochs",)


def test_every_path_below_a_config_leads_somewhere(config: TrialConfig) -> None:
    paths = list(paths_below(config))

    assert "dataset.corpus.type" in paths
    assert len(set(paths)) == len(paths)
    for path in paths:
        get_path(config, path)


def test_value_is_set_in_a_copy() -> None:
    before = {"a": {"b": 1, "c": 2}, "corpus": "markov"}

    assert with_value(before, "a.b", 3) == {"a": {"b": 3, "c": 2}, "corpus": "markov"}
    assert with_value(before, "x.y", 3)["x"] == {"y": 3}
    assert with_value(before, "corpus.order", 2)["corpus"] == {"type": "markov", "order": 2}
    assert before == {"a": {"b": 1, "c": 2}, "corpus": "markov"}


@pytest.mark.parametrize(
    ("base", "change", "result"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"m": {"type": "p", "x": 1}}, {"m": {"y": 2}}, {"m": {"type": "p", "x": 1, "y": 2}}),
        ({"m": {"type": "p", "x": 1}}, {"m": {"type": "q"}}, {"m": {"type": "q"}}),
        ({"m": {"type": "p", "x": 1}}, {"m": {"type": "p"}}, {"m": {"type": "p", "x": 1}}),
        ({"m": {"type": "p", "x": 1}}, {"m": "q"}, {"m": {"type": "q"}}),
        ({"m": "p"}, {"m": {"x": 1}}, {"m": {"type": "p", "x": 1}}),
        ({"m": "p"}, {"m": "q"}, {"m": "q"}),
        ({"a": [1]}, {"a": {"x": 1}}, {"a": {"x": 1}}),
    ],
)
def test_tree_is_laid_over_another(base: object, change: object, result: object) -> None:
    assert laid_over(node_of(base, SPOT), node_of(change, SPOT)).plain() == result


def test_laid_over_values_keep_their_places() -> None:
    merged = laid_over(node_of({"a": 1, "b": 1}, Spot("base")), node_of({"b": 2}, Spot("change")))

    assert [merged.entries[key].spot.label for key in "ab"] == ["base", "change"]


def test_node_is_left_out_of_a_tree() -> None:
    tree = node_of({"a": {"b": 1, "c": [1, 2]}}, SPOT)

    assert without(tree, ("a", "b")).plain() == {"a": {"c": [1, 2]}}
    assert without(tree, ("a", "c", 0)).plain() == {"a": {"b": 1, "c": [2]}}
    assert without(tree, ("x", "y")).plain() == tree.plain()


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ({}, "", "a mapping"),
        ([], "", "a list"),
        (None, "", "an empty value"),
        (None, "null", "`null`"),
        ("", "", "an empty text"),
        ("x" * 100, "x" * 100, f"`{'x' * 57}...`"),
    ],
)
def test_node_is_shown_shortly(value: object, text: str, shown: str) -> None:
    assert str(Node(SPOT, value, text)) == shown
