"""What pydantic finds, in lmtune's words: what is wrong, what was expected, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, get_origin

from pydantic_core import ErrorDetails

from lmtune.spec.config import Config, Conflict
from lmtune.spec.misplaced import moved_far, moved_near, nested_key
from lmtune.spec.schema_walk import Fault, choices
from lmtune.spec.tree import MAX_SHOWN, Node

_CLOSE = 0.65
"""Similarity that a slip of the pen has (`gtp`), and two words of one field seldom."""


class Wording(NamedTuple):
    """A problem without its place."""

    what: str
    expected: str
    fix: str


def wording(error: ErrorDetails, fault: Fault) -> Wording:
    """Say what an error of pydantic's means at the place where it is."""
    kind = error["type"]
    if kind in _SAYINGS:
        return _SAYINGS[kind](error, fault)
    if kind.endswith("_type") or kind == "int_from_float":
        return _wrong_type(fault)
    return Wording(f"{fault.node} cannot stand here", error["msg"], "change it to what is expected")


_OTHER_NAMES = {
    "lr": ("learning_rate",),
    "wd": ("weight_decay",),
    "n_layer": ("num_layers",),
    "n_layers": ("num_layers",),
    "layers": ("num_layers",),
    "n_head": ("num_heads",),
    "n_heads": ("num_heads",),
    "heads": ("num_heads",),
    "n_embd": ("d_model", "embedding_dim"),
    "d_model": ("hidden_size",),
    "hidden_size": ("d_model",),
    "embedding_dim": ("d_model",),
    "hidden_dim": ("hidden_size", "d_model"),
    "block_size": ("context_length",),
    "seq_len": ("context_length",),
    "max_epochs": ("epochs",),
    "grad_clip": ("gradient_clip",),
    "bayes": ("tpe",),
}
"""What other tools call our keys and words."""


def did_you_mean(word: str, words: Iterable[str], otherwise: str) -> str:
    """A fix that names the closest word, or another where none is close."""
    words = list(words)
    close = [other for other in _OTHER_NAMES.get(word, ()) if other in words]
    close += [longer for longer in words if word and longer.startswith(word)]
    close += difflib.get_close_matches(word[:MAX_SHOWN], words, n=1, cutoff=_CLOSE)
    return f"did you mean `{close[0]}`?" if close else otherwise


def one_of(words: Iterable[str]) -> str:
    """The choices, as an expectation."""
    return f"one of: {', '.join(words)}"


def _unknown_key(_: ErrorDetails, fault: Fault) -> Wording:
    known = list(fault.section.model_fields) if fault.section else []
    known.sort(key=lambda name: name != "type")  # which decides about the others
    fix = (
        nested_key(fault)
        or moved_near(fault)
        or did_you_mean(fault.key, known, moved_far(fault) or "remove it")
    )
    return Wording("unknown key", one_of(known), fix)


def _missing_key(_: ErrorDetails, fault: Fault) -> Wording:
    sense = fault.field.description if fault.field else None
    expected = _described(fault.types) + (f" ({sense})" if sense else "")
    words = choices(fault.types)
    example = f"add `{fault.key}: {words[0]}`" if len(words) == 1 else f"add `{fault.key}:`"
    return Wording("missing key", expected, example)


def _unknown_type(_: ErrorDetails, fault: Fault) -> Wording:
    words = choices(fault.types)
    word = fault.node.child("type") or fault.node.child("distribution") or fault.node
    noun = "distribution" if fault.node.child("distribution") else f"type of {fault.key}"
    fix = did_you_mean(word.text, words, "take one of these")
    return Wording(f"{word} is not a {noun}", one_of(words), fix)


def _no_type(_: ErrorDetails, fault: Fault) -> Wording:
    words = choices(fault.types)
    if "uniform" in words:
        return Wording(
            "does not say which values to search",
            "{value}, {values} or {distribution, min, max}",
            "write {values: [...]} or {min: ..., max: ...}",
        )
    return Wording("the key `type` is missing", one_of(words), f"add `type: {words[0]}`, say")


def _not_a_choice(_: ErrorDetails, fault: Fault) -> Wording:
    words = choices(fault.types)
    fix = did_you_mean(fault.node.text, words, "take one of these")
    return Wording(f"{fault.node} is not known here", one_of(words), fix)


def _conflict(error: ErrorDetails, _: Fault) -> Wording:
    conflict = error["ctx"]["error"]
    if isinstance(conflict, Conflict):
        return Wording(conflict.what, conflict.expected, conflict.fix)
    raise conflict  # a validator that says no fix is a bug


def _out_of_range(rule: str, bound: str) -> Callable[[ErrorDetails, Fault], Wording]:
    def say(error: ErrorDetails, fault: Fault) -> Wording:
        allowed = f"{rule} {error['ctx'][bound]}"
        expected = f"{_described(fault.types)} {allowed}"
        fix = f"write a value {allowed}{_or_default(fault)}"
        return Wording(f"{fault.node} is out of range", expected, fix)

    return say


def _not_a_multiple(error: ErrorDetails, fault: Fault) -> Wording:
    factor = error["ctx"]["multiple_of"]
    next_one = max(factor, -(-fault.node.value // factor) * factor)
    expected = f"{_described(fault.types)} that is a multiple of {factor}"
    what = f"{fault.node} is not a multiple of {factor}"
    return Wording(what, expected, f"write {next_one}{_or_default(fault)}")


def _empty(_: ErrorDetails, fault: Fault) -> Wording:
    return Wording("nothing is given", "at least one entry", "add an entry, or remove the key")


def _wrong_type(fault: Fault) -> Wording:
    expected = _described(fault.types)
    return Wording(f"{fault.node} is not {expected}", "", _rewritten(fault.node, fault))


def _rewritten(node: Node, fault: Fault) -> str:
    """How a value of the wrong type may have been meant."""
    value, types = node.value, fault.types
    if int in types and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if (int in types or float in types) and isinstance(value, str) and _is_number(value):
        return f"write {value} without quotes"
    if str in types and node.is_scalar and value is not None:
        return f'write it in quotes: "{node.text}"'
    if any(get_origin(kind) in (list, tuple) for kind in types) and node.is_scalar:
        return f"write [{node.text}]"
    if isinstance(value, str) and value in choices(types):
        return f"write {{type: {value}}}"
    return f"write {_described(types)}{_or_default(fault)}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _or_default(fault: Fault) -> str:
    field = fault.field
    if field is None or field.is_required() or not isinstance(field.default, (int, float, str)):
        return ""
    return f", or leave it out for {field.default}"


def _described(types: tuple[Any, ...]) -> str:
    """What may stand in a place, in words."""
    return " or ".join(dict.fromkeys(map(_noun, types))) or "a value"


def _noun(kind: Any) -> str:  # noqa: ANN401 - any annotation
    if kind in _NOUNS:
        return _NOUNS[kind]
    if isinstance(kind, type) and issubclass(kind, Config):
        return "a mapping"
    if words := choices([kind]):
        return one_of(words)
    return _NOUNS.get(get_origin(kind), "a value")


_NOUNS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
}

_SAYINGS: dict[str, Callable[[ErrorDetails, Fault], Wording]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing_key,
    "union_tag_invalid": _unknown_type,
    "union_tag_not_found": _no_type,
    "literal_error": _not_a_choice,
    "value_error": _conflict,
    "greater_than": _out_of_range("above", "gt"),
    "greater_than_equal": _out_of_range("of at least", "ge"),
    "less_than": _out_of_range("below", "lt"),
    "less_than_equal": _out_of_range("of at most", "le"),
    "multiple_of": _not_a_multiple,
    "too_short": _empty,
    "string_too_short": _empty,
}
