"""Sweep files with something wrong in them: the shipped ones, mutated by a seeded generator.

Each kind of mutation is a function of the text of a sweep file and a generator; `mutated` takes any
of the shipped files. The same number always gives the same file.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.faults.hostile_values import (
    ALIASES,
    CORPORA,
    DOCUMENTS,
    HUGE,
    NOT_NUMBERS,
    PATHS,
    PLACES,
    RANGES,
    TAGS,
    UNICODE,
    WRONG_TYPES,
)

SHIPPED = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))
FAST = [path for path in SHIPPED if "docstrings" not in path.name]
"""Those whose data is prepared within a second."""

TextMutation = Callable[[str, random.Random], str]
Mutation = Callable[[str, random.Random], str | bytes]


@dataclass(frozen=True)
class Span:
    """A value or a key of a YAML text, by the characters that it takes."""

    start: int
    end: int
    is_key: bool
    is_scalar: bool


def mutated(kind: str, number: int, files: Sequence[Path] = SHIPPED) -> bytes:
    """One of some sweep files, mutated in some way."""
    rng = random.Random(f"{kind} {number}")
    text = rng.choice(files).read_text(encoding="utf-8")
    # Without its comments: a mutation that hits one changes nothing.
    text = "".join(re.sub(r"(^|\s+)#.*", "", line) + "\n" for line in text.splitlines())
    content = KINDS[kind](text.lstrip("\n"), rng)
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


def spans(text: str) -> list[Span]:
    """All keys and values of a YAML text."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    return list(_spans(root, is_key=False))


def _spans(node: yaml.Node, *, is_key: bool) -> Iterator[Span]:
    is_scalar = isinstance(node, yaml.ScalarNode)
    assert node.start_mark is not None
    assert node.end_mark is not None
    yield Span(node.start_mark.index, node.end_mark.index, is_key, is_scalar)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _spans(key, is_key=True)
            yield from _spans(value, is_key=False)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _spans(item, is_key=False)


def values(text: str) -> list[Span]:
    """The single values of a text."""
    return [span for span in spans(text) if span.is_scalar and not span.is_key]


def keys(text: str) -> list[Span]:
    """The keys of a text."""
    return [span for span in spans(text) if span.is_key]


def numbers(text: str) -> list[Span]:
    """The numbers of a text."""
    number = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?")
    return [span for span in values(text) if number.fullmatch(text[span.start : span.end])]


def replaced(text: str, span: Span, new: str) -> str:
    """A text with something else in the place of a span; on a line as it was."""
    end = "\n" if text[span.start : span.end].endswith("\n") else ""
    return text[: span.start] + new + end + text[span.end :]


def one_of(places: Callable[[str], Sequence[Span]], new: Sequence[str]) -> TextMutation:
    """The mutation that puts one of some texts into one of some places."""

    def mutate(text: str, rng: random.Random) -> str:
        return replaced(text, rng.choice(places(text)), rng.choice(new))

    return mutate


def added(lines: Sequence[str]) -> TextMutation:
    """The mutation that adds one of some lines, in place of a section of the same name."""

    def mutate(text: str, rng: random.Random) -> str:
        line = rng.choice(lines)
        section = re.escape(line.partition(":")[0])
        return re.sub(rf"(?m)^{section}:.*\n(?:[ ].*\n)*", "", text) + line + "\n"

    return mutate


def wrong_section(text: str, rng: random.Random) -> str:
    """A whole section, or any other value, is something else."""
    return replaced(text, rng.choice(spans(text)[1:]), rng.choice(WRONG_TYPES))


def misspelt(text: str, rng: random.Random) -> str:
    """A key with a letter lost, doubled, exchanged or changed."""
    span = rng.choice(keys(text))
    word = text[span.start : span.end]
    at = rng.randrange(len(word))
    new = rng.choice(
        [
            word[:at] + word[at + 1 :],
            word[: at + 1] + word[at:],
            word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
            word[:at] + rng.choice("abcxyz_-. ") + word[at + 1 :],
            word.upper(),
        ]
    )
    return replaced(text, span, new)


def swapped(text: str, rng: random.Random) -> str:
    """Two values, sections among them, stand in each other's place."""
    for _ in range(100):
        first, second = sorted(rng.sample(spans(text)[1:], 2), key=lambda span: span.start)
        if first.end <= second.start and first.is_key == second.is_key:
            break
    one, two = text[first.start : first.end].strip(), text[second.start : second.end].strip()
    return replaced(replaced(text, second, one), first, two)


def doubled(text: str, rng: random.Random) -> str:
    """A key is given twice, in a block or within braces."""
    lines = text.splitlines(keepends=True)
    if rng.random() < 0.5:
        at = rng.randrange(len(lines))
        return "".join([*lines[:at], lines[at] * rng.choice([2, 2, 2, 500]), *lines[at + 1 :]])
    return re.sub(r"\{(\w+: [^,{}\[\]]+)", r"{\1, \1", text, count=rng.randint(1, 3))


def missing(text: str, rng: random.Random) -> str:
    """Lines are missing."""
    lines = text.splitlines(keepends=True)
    gone = set(rng.sample(range(len(lines)), rng.randint(1, 3)))
    return "".join(line for at, line in enumerate(lines) if at not in gone)


def moved(text: str, rng: random.Random) -> str:
    """Lines stand elsewhere, or further in or out."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.randint(1, 3)):
        line = lines.pop(rng.randrange(len(lines)))
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(["", "  ", " "]) + line)
    return "".join(lines)


def truncated(text: str, rng: random.Random) -> str:
    """The text ends somewhere, or begins somewhere."""
    at = rng.randrange(len(text))
    return text[:at] if rng.random() < 0.8 else text[at:]


def nested(text: str, rng: random.Random) -> str:
    """A value is nested deeply: closed or not, in braces or in a block."""
    depth = rng.choice([60, 1000, 1000, 50_000])
    new = rng.choice(
        [
            "[" * depth + "]" * depth,
            "[" * depth,
            "{a: " * depth + "1" + "}" * depth,
            "{a: [" * depth,
            "{? " * depth,
            "- " * depth + "1",
            "".join("\n" + " " * (10 + level) + "a:" for level in range(min(depth, 1000))),
        ]
    )
    return replaced(text, rng.choice(values(text)), new)


def laughing(text: str, rng: random.Random) -> str:
    """Aliases of aliases, each many times the one before."""
    levels, width = rng.choice([(9, 10), (30, 2), (4, 100), (200, 2), (2, 5000)])
    bombs = ["lol: &l0 [lol]\n"]
    for level in range(1, levels):
        if rng.random() < 0.8:
            inside = ", ".join([f"*l{level - 1}"] * width)
            bombs.append(f"b{level}: &l{level} [{inside}]\n")
        else:
            inside = ", ".join(f"k{key}: *l{level - 1}" for key in range(width))
            bombs.append(f"b{level}: &l{level} {{{inside}}}\n")
    span = rng.choice(values(text))
    return "".join(bombs) + replaced(text, span, f"*l{levels - 1}")


def tabbed(text: str, rng: random.Random) -> str:
    """Tabs where spaces are, at the beginning of a line or anywhere."""
    if rng.random() < 0.5:
        return re.sub(r"(?m)^ +", "\t", text, count=rng.randint(1, 5))
    at = rng.choice([place.start() for place in re.finditer("[ \n]", text)])
    return text[:at] + "\t" * rng.randint(1, 3) + text[at + 1 :]


def unicode(text: str, rng: random.Random) -> str:
    """Characters that nobody expects, in keys, values or anywhere."""
    new = rng.choice(UNICODE)
    if rng.random() < 0.3:
        at = rng.randrange(len(text))
        return text[:at] + new + text[at:]
    span = rng.choice([*keys(text), *values(text)])
    quote = rng.choice(["", '"', "'"])
    return replaced(text, span, f"{quote}{text[span.start : span.end]}{new}{quote}")


def spoilt_bytes(text: str, rng: random.Random) -> bytes:
    """Bytes are changed, or the whole is in another encoding."""
    content = bytearray(text.encode())
    if rng.random() < 0.4:
        encodings = ["utf-16", "utf-16-be", "utf-32", "cp037", "utf-7", "utf-8-sig"]
        return text.encode(rng.choice(encodings))
    for _ in range(rng.choice([1, 3, 50])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def line_ends(text: str, rng: random.Random) -> str:
    """Other line ends, or several kinds of them."""
    ends = ["\r\n", "\r", "\u2028", "\x85", "\x0b", "\x0c", "\n\n", "\r\r\n"]
    some = rng.choice([[rng.choice(ends)], [*ends, "\n"]])
    return "".join(line + rng.choice(some) for line in text.splitlines())


def documents(text: str, rng: random.Random) -> str:
    """Marks of documents and directives between the lines."""
    lines = text.splitlines(keepends=True)
    lines.insert(rng.choice([0, rng.randrange(len(lines) + 1)]), rng.choice(DOCUMENTS))
    return "".join(lines)


def wrong_paths(text: str, rng: random.Random) -> str:
    """Paths that name nothing, or no value, in each place that has paths."""
    path, value = rng.choice(PATHS), rng.choice(["[1, 2]", "[x]", "[null]", "[{type: lstm}]"])
    section = rng.choice(["ablate", "grid", "parameters"])
    entry = f"{{values: {value}}}" if section == "parameters" else value
    return added([f"{section}: {{{path}: {entry}}}"])(text, rng)


def wrong_ranges(text: str, rng: random.Random) -> str:
    """Searches that cannot be, of any value of the base."""
    paths = ["optimizer.learning_rate", "model.dropout", "training.epochs", "model.num_layers"]
    paths += ["model.size", "dataset.context_length", "training.batch_size", "model.tie_embeddings"]
    found = ", ".join(
        f"{path}: {rng.choice(RANGES)}" for path in rng.sample(paths, rng.randint(1, 5))
    )
    method = rng.choice(["grid", "qmc", "cmaes", "tpe", "gp", "random", "bayes"])
    text = added([f"method: {method}"])(text, rng)
    return added([f"parameters: {{{found}}}"])(text, rng)


def large(text: str, rng: random.Random) -> str:
    """Much of something: lines, values, variants, seeds, words."""
    many = rng.choice([999, 9_000, 30_000])
    listed = ", ".join(map(str, range(1, many + 1)))
    kinds: list[Callable[[], str]] = [
        lambda: added([f"seeds: {{confirm: [{listed}]}}"])(text, rng),
        lambda: added([f"ablate: {{training.batch_size: [{listed}]}}"])(text, rng),
        lambda: added([f"parameters: {{training.batch_size: {{values: [{listed}]}}}}"])(text, rng),
        lambda: added(["variants: {" + ", ".join(f"v{n}: null" for n in range(many)) + "}"])(
            text, rng
        ),
        lambda: text + "".join(f"key{number}: {number}\n" for number in range(many)),
        lambda: text + "# " + "comment " * (many * 10) + "\n",
        lambda: text + "\n" * (many * 50),
        lambda: added([f"question: {'why ' * (many * 5)}"])(text, rng),
        lambda: text + f"{'k' * many}: {'v' * many}\n",
        lambda: added(["grid: {" + ", ".join(f"model.x{n}: [1, 2]" for n in range(99)) + "}"])(
            text, rng
        ),
    ]
    return rng.choice(kinds)()


def several(text: str, rng: random.Random) -> str:
    """Several small mutations at once."""
    kinds: list[TextMutation] = [WRONG_TYPE, HUGE_NUMBER, NOT_A_NUMBER, misspelt, wrong_section]
    for _ in range(rng.randint(2, 8)):
        try:
            text = rng.choice(kinds)(text, rng)
        except yaml.YAMLError:  # the one before left nothing that has values
            break
    return text


WRONG_TYPE = one_of(values, WRONG_TYPES)
HUGE_NUMBER = one_of(numbers, HUGE)
NOT_A_NUMBER = one_of(numbers, NOT_NUMBERS)


def wrong_corpus(text: str, rng: random.Random) -> str:
    """Corpora that are not there, are no text, or would fill the machine."""
    corpus = rng.choice(CORPORA)
    return re.sub(r"corpus: (?:\w+|\{[^}]*\})", lambda _: f"corpus: {corpus}", text)


KINDS: dict[str, Mutation] = {
    "wrong type": WRONG_TYPE,
    "wrong section": wrong_section,
    "huge number": HUGE_NUMBER,
    "not a number": NOT_A_NUMBER,
    "absurd range": wrong_ranges,
    "wrong path": wrong_paths,
    "misspelt key": misspelt,
    "swapped sections": swapped,
    "duplicate key": doubled,
    "missing lines": missing,
    "moved lines": moved,
    "truncated": truncated,
    "deep nesting": nested,
    "billion laughs": laughing,
    "aliases": one_of(spans, ALIASES),
    "tags": one_of(values, TAGS),
    "tabs": tabbed,
    "unicode": unicode,
    "bytes": spoilt_bytes,
    "line ends": line_ends,
    "documents": documents,
    "places": added(PLACES),
    "corpora": wrong_corpus,
    "large": large,
    "several": several,
}
"""By name; 25 of them."""
