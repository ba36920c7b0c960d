"""YAML is read strictly, and text that is made to do harm is refused cheaply."""

from __future__ import annotations

from typing import Any

import pytest

from lmtune.errors import SpecError
from lmtune.spec.problems import Problems
from lmtune.spec.tree import Node, Spot
from lmtune.spec.yaml_nodes import MAX_DEPTH, read_yaml


def read(text: str) -> Node:
    problems = Problems()
    node = read_yaml(text, lambda line: Spot(f"f:{line}", (0, line)), problems)
    if problems:
        raise problems.error()
    assert node is not None
    return node


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as refused:
        read(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("6E-4", 0.0006),
        ("1e4", 10000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-12", -12),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("=", "="),
    ],
)
def test_plain_word_means_what_yaml_1_2_says(text: str, value: Any) -> None:  # noqa: ANN401
    got = read(f"key: {text}").plain()["key"]

    assert got == value
    assert type(got) is type(value)


def test_nodes_know_the_line_and_path_of_their_key() -> None:
    tree = read("a:\n  b:\n    - 1\n    - c: 2\n")

    node = tree.find(("a", "b", 1, "c"))

    assert node is not None
    assert node.spot.where == "f:4: a.b[1].c"


def test_plain_alias_is_read_with_its_own_place() -> None:
    tree = read("a: &x {b: [1, 2]}\nc: *x\n")

    assert tree.plain() == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    node = tree.find(("c", "b", 1))
    assert node is not None
    assert node.spot.where == "f:2: c.b[1]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb: 2\na: 3",
            "f:3: a: the key is given twice, first at f:1\n  Fix: keep one of the two",
        ),
        (
            "a:\n\t- b",
            (
                "f:2: a tab in the indentation\n"
                "  Expected: spaces, which are all that YAML allows there\n"
                "  Fix: replace the tab by spaces"
            ),
        ),
        (
            "a: !!python/object:os.system x",
            (
                "f:1: a: the tag `!!python/object:os.system` is not supported\n"
                "  Expected: plain values, lists and mappings\n"
                "  Fix: remove the tag; quotes make text of a number"
            ),
        ),
        (
            "a: {<<: {b: 1}}",
            (
                "f:1: a: merge keys (`<<`) are not supported\n"
                "  Fix: write the keys out; variants: and ablate: share what base: has"
            ),
        ),
        ("1: x", 'f:1: the key `1` is not a word\n  Fix: write it as "1"'),
        ("a: {true: x}", 'f:1: a: the key `true` is not a word\n  Fix: write it as "true"'),
        (
            "? [a]\n: 1",
            "f:1: a list is a key\n  Expected: a word as a key\n  Fix: write a word",
        ),
        ("a: *b", "f:1: a: the alias `*b` has no anchor\n  Fix: write the value itself"),
        (
            "a: &a [*a]",
            "f:1: a[0]: the alias `*a` is inside its own anchor\n  Fix: write the value itself",
        ),
        (
            "a: 1\n---\nb: 2",
            (
                "f:2: a second document begins\n"
                "  Expected: one document in a file\n"
                "  Fix: remove the line `---`, or make two files"
            ),
        ),
        (
            "a: {b: 1",
            (
                "f:1: not YAML: did not find expected ',' or '}' while parsing a flow mapping\n"
                "  Fix: look for a missing colon, quote, bracket or indent on this line "
                "or the one before"
            ),
        ),
        (
            "a: 1\nb: \0",
            (
                "f:2: the character U+0000, which YAML does not allow\n"
                "  Fix: remove it; is this a text file?"
            ),
        ),
    ],
)
def test_mistake_in_the_yaml_is_told_with_its_line(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize("number", [".nan", "-.inf", "1e999", "9223372036854775808", "9" * 5000])
def test_number_that_cannot_be_computed_with_is_refused(number: str) -> None:
    message = refusal(f"a: {number}")

    assert "is not a number that can be computed with" in message
    assert len(message) < 300


def test_several_mistakes_are_told_at_once() -> None:
    message = refusal("a: .nan\na: 1\nb: !x 2\n3: 4\n")

    assert [line[:3] for line in message.splitlines() if not line.startswith(" ")] == [
        "f:1",
        "f:2",
        "f:3",
        "f:4",
    ]


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 1000, "\n".join(" " * depth + "a:" for depth in range(1000)), "- " * 5000],
    ids=["flow", "block", "list"],
)
def test_deep_nesting_is_refused_before_python_gives_up(text: str) -> None:
    assert f"nested more than {MAX_DEPTH} levels deep" in refusal(text)


def test_aliases_of_aliases_are_refused_before_they_are_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]

    assert "values, those of aliases included" in refusal("\n".join(lines))


def test_control_characters_of_a_value_do_not_reach_the_terminal() -> None:
    message = refusal('"a\\e[31m": !x 1')

    assert message.isascii()
    assert "\x1b" not in message
    assert "a\\x1b[31m" in message


def test_text_without_a_document_is_none() -> None:
    problems = Problems()

    assert read_yaml("# only a comment\n", lambda line: Spot(str(line)), problems) is None
    assert not problems
