"""Tune's registry is asked once, and is itself again afterwards."""

from __future__ import annotations

import pytest
from ray.tune import registry as tune_registry

from lmtune.tuning.trainable_lookup import looked_up_once


def test_registry_while_it_is_remembered_answers_as_before_and_asks_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str]] = []

    def contains(_: object, category: str, key: str) -> bool:
        asked.append((category, key))
        return key == "known"

    monkeypatch.setattr(tune_registry._Registry, "contains", contains)
    registry = tune_registry._global_registry
    with looked_up_once():
        assert [registry.contains("trainable", key) for key in ("known", "known", "other")] == [
            True,
            True,
            False,
        ]
    assert asked == [("trainable", "known"), ("trainable", "other")]
    registry.contains("trainable", "known")
    assert len(asked) == 3


def test_registry_of_a_ray_without_it_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tune_registry, "_global_registry")
    with looked_up_once():
        pass
