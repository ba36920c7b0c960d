"""The `dataset` section: which text, cut into which tokens, seen through which window."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lmtune.spec.config import Config, NonNegativeInt, PositiveFloat, PositiveInt


class PythonDocsCorpus(Config):
    """English prose: the language reference that every CPython carries, about 465 kB."""

    type: Literal["python_docs"]


class PythonStdlibCorpus(Config):
    """Source code: the standard library of this Python, about 11 MB without its tests."""

    type: Literal["python_stdlib"]


class TextCorpus(Config):
    """The user's own UTF-8 files."""

    type: Literal["text"]
    train: str = Field(min_length=1, description="path of the training text")
    validation: str | None = Field(
        default=None,
        min_length=1,
        description="path of the validation text; without it, split off the end of `train`",
    )
    test: str | None = Field(
        default=None, min_length=1, description="path of the test text; without it, as above"
    )


class MarkovCorpus(Config):
    """A synthetic source whose entropy rate is known, to check the system itself."""

    type: Literal["markov"]
    order: Annotated[int, Field(ge=0, le=4)] = Field(
        default=1, description="how many symbols before it decide about the next"
    )
    symbols: Annotated[int, Field(ge=2, le=26)] = Field(
        default=8, description="size of the alphabet"
    )
    length: PositiveInt = Field(default=200_000, description="symbols over all splits")
    concentration: PositiveFloat = Field(
        default=0.3, description="of the Dirichlet that the transition rows are drawn from"
    )
    seed: NonNegativeInt = Field(default=0, description="draws the source and its text")


def _named(value: object) -> object:
    """`corpus: python_docs` is short for `corpus: {type: python_docs}`."""
    return {"type": value} if isinstance(value, str) else value


_Corpus = Annotated[
    PythonDocsCorpus | PythonStdlibCorpus | TextCorpus | MarkovCorpus, Field(discriminator="type")
]
CorpusConfig = Annotated[_Corpus, BeforeValidator(_named, json_schema_input_type=str | _Corpus)]


class ByteTokenizer(Config):
    """One token a UTF-8 byte: 256 of them, nothing unknown."""

    type: Literal["byte"]


class CharTokenizer(Config):
    """One token a character of the training text; others share one unknown token."""

    type: Literal["char"]


_Tokenizer = Annotated[ByteTokenizer | CharTokenizer, Field(discriminator="type")]
TokenizerConfig = Annotated[
    _Tokenizer, BeforeValidator(_named, json_schema_input_type=str | _Tokenizer)
]


class DatasetConfig(Config):
    """Text, tokens and the window that a model sees at once."""

    corpus: CorpusConfig = Field(description="the name of a built-in corpus, or {type: ...}")
    tokenizer: TokenizerConfig = Field(default=CharTokenizer(type="char"))
    context_length: Annotated[int, Field(ge=2, multiple_of=2)] = Field(
        default=64, description="tokens that a prediction may look back on; even"
    )
