"""Where a section stands, for what is found wrong after the file was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.errors import SpecError
from lmtune.spec import find_places
from tests.spec.conftest import BASE

MORE = """\
variants:
  char: {}
  byte:
    dataset: {tokenizer: byte}
  stdlib:
    dataset:
      corpus: {type: text, train: a.txt}
    parameters: {optimizer.beta1: {min: 0.1, max: 0.2}}
parameters: {optimizer.learning_rate: {min: 1e-4, max: 1e-3}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE + MORE)
    return path


@pytest.mark.parametrize(
    ("variant", "wanted", "place"),
    [
        ("char", "dataset.corpus", ":3: base.dataset.corpus"),
        ("char", "dataset.corpus.train", ":3: base.dataset.corpus.train"),
        ("byte", "dataset.corpus", ":3: base.dataset.corpus"),
        ("byte", "dataset.tokenizer", ":11: variants.byte.dataset.tokenizer"),
        ("stdlib", "dataset.corpus.train", ":14: variants.stdlib.dataset.corpus.train"),
        ("stdlib", "dataset.corpus.test", ":14: variants.stdlib.dataset.corpus.test"),
    ],
)
def test_place_of_a_variant_is_where_its_value_was_written(
    path: Path, variant: str, wanted: str, place: str
) -> None:
    assert find_places(path).of_variant(variant, wanted) == f"{path}{place}"


def test_place_of_a_parameter_is_that_of_the_sweep_or_the_variant(path: Path) -> None:
    places = find_places(path)

    assert places.of_parameter("char", "optimizer.learning_rate") == (
        f"{path}:16: parameters.optimizer.learning_rate"
    )
    assert places.of_parameter("stdlib", "optimizer.beta1") == (
        f"{path}:15: variants.stdlib.parameters.optimizer.beta1"
    )


def test_place_of_a_key_is_the_nearest_above_it_that_was_written(path: Path) -> None:
    places = find_places(path)

    assert places.of_file("base", "model") == f"{path}:4: base.model"
    assert places.of_file("base", "model", "d_model") == f"{path}:4: base.model.d_model"


def test_place_of_an_option_is_the_option(path: Path) -> None:
    places = find_places(path, ["base.dataset.corpus=python_stdlib"])

    assert places.of_variant("char", "dataset.corpus") == (
        "--set base.dataset.corpus=python_stdlib"
    )


def test_places_of_a_file_that_has_been_spoilt_are_not_found(path: Path) -> None:
    path.write_text("name: [")
    with pytest.raises(SpecError):
        find_places(path)
