"""Schedules against their formulas and the properties that all share."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lmtune.spec.training import ScheduleConfig
from lmtune.training.schedules import learning_rate_factor

ADAPTER: TypeAdapter[ScheduleConfig] = TypeAdapter(ScheduleConfig)
TYPES = [
    get_args(config.model_fields["type"].annotation)[0]
    for config in get_args(get_args(ScheduleConfig)[0])
]


def schedule(type: str, **fields: object) -> ScheduleConfig:
    return ADAPTER.validate_python({"type": type, **fields})


@pytest.mark.parametrize("type", TYPES)
def test_factor_during_warmup_rises_in_equal_steps_to_one(type: str) -> None:
    config = schedule(type, warmup_steps=4)
    factors = [learning_rate_factor(config, step, 100) for step in range(5)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("type", TYPES)
def test_factor_without_warmup_starts_full(type: str) -> None:
    assert learning_rate_factor(schedule(type), 0, 10) == 1.0


@pytest.mark.parametrize("type", TYPES)
@given(data=st.data())
def test_factor_at_any_step_is_a_fraction_that_never_rises_after_warmup(
    type: str, data: st.DataObject
) -> None:
    total = data.draw(st.integers(1, 60))
    config = schedule(type, warmup_steps=data.draw(st.integers(0, total - 1)))
    factors = [learning_rate_factor(config, step, total) for step in range(total)]
    assert all(0 < factor <= 1 for factor in factors), "no step is spent on a rate of 0"
    after_warmup = factors[config.warmup_steps :]
    assert after_warmup == sorted(after_warmup, reverse=True)


def test_constant_at_last_step_is_full() -> None:
    assert learning_rate_factor(schedule("constant", warmup_steps=3), 99, 100) == 1.0


def test_cosine_halfway_is_the_mean_of_both_ends() -> None:
    config = schedule("cosine", warmup_steps=20, final_fraction=0.1)
    assert learning_rate_factor(config, 60, 100) == pytest.approx(0.55)


def test_cosine_at_last_step_is_one_step_above_its_end() -> None:
    config = schedule("cosine", warmup_steps=20, final_fraction=0.1)
    expected = 0.1 + 0.9 * (1 + math.cos(math.pi * 79 / 80)) / 2
    assert learning_rate_factor(config, 99, 100) == pytest.approx(expected)
    assert learning_rate_factor(config, 100, 100) == pytest.approx(0.1)


def test_wsd_stays_full_then_falls_in_equal_steps() -> None:
    config = schedule("wsd", warmup_steps=2, decay_fraction=0.4, final_fraction=0.2)
    factors = [learning_rate_factor(config, step, 10) for step in range(2, 11)]
    assert factors == pytest.approx([1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_wsd_without_decay_stays_full() -> None:
    config = schedule("wsd", decay_fraction=0.0)
    assert learning_rate_factor(config, 9, 10) == 1.0


def test_wsd_whose_warmup_reaches_into_the_decay_falls_from_full() -> None:
    config = schedule("wsd", warmup_steps=8, decay_fraction=0.5)
    factors = [learning_rate_factor(config, step, 10) for step in range(7, 10)]
    assert factors == pytest.approx([1, 1, 0.5])
