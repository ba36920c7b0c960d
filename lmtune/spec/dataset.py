"""The `dataset` section: which text, cut into which tokens, seen through which window."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from lmtune.spec.config import Config, Conflict, NonNegativeInt, PositiveFloat, PositiveInt


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
    length: Annotated[int, Field(gt=0, le=100_000_000)] = Field(
        default=200_000, description="symbols over all splits"
    )
    concentration: PositiveFloat = Field(
        default=0.3, description="of the Dirichlet that the transition rows are drawn from"
    )
    seed: NonNegativeInt = Field(default=0, description="draws the source and its text")


class UrlCorpus(Config):
    """A UTF-8 text from the web, downloaded once into `data/downloads`, checked by its hash."""

    type: Literal["url"]
    url: str = Field(pattern="^https?://", description="http or https")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="of the whole file, in lower-case hexadecimal digits"
    )
    max_mib: PositiveInt = Field(default=1024, description="a larger file is refused")


class CatalogueCorpus(Config):
    """A well-known text by name, downloaded once; `python -m lmtune.prepare --list` shows all."""

    type: Literal["catalogue"]
    name: str = Field(min_length=1, description="an entry of the catalogue")


class HuggingFaceCorpus(Config):
    """A text dataset read by the `datasets` library, which must be installed."""

    type: Literal["huggingface"]
    path: str = Field(min_length=1, description="name on the hub, or a local folder")
    name: str | None = Field(default=None, description="configuration of the dataset")
    revision: str | None = Field(default=None, description="commit or tag; pin it to reproduce")
    column: str = Field(default="text", description="the column that holds the text")
    train: str = Field(default="train", description="its split to train on")
    validation: str | None = Field(
        default=None, description="its split to validate on; without it, cut off the end of `train`"
    )
    test: str | None = Field(default=None, description="its split to test on; without it, as above")


class PairFiles(Config):
    """Two UTF-8 files of as many lines: line by line, a source and its target."""

    source: str = Field(min_length=1, description="path of the sources")
    target: str = Field(min_length=1, description="path of the targets")


_Pairs = Annotated[
    PairFiles | str,
    Field(description="{source: ..., target: ...}, or one .tsv or .jsonl file of both"),
]


class PairsCorpus(Config):
    """The user's own pairs of source and target, one pair a line."""

    type: Literal["pairs"]
    train: _Pairs
    validation: _Pairs | None = Field(
        default=None, description="without it, cut off the end of `train`"
    )
    test: _Pairs | None = Field(default=None, description="without it, as above")


class ReversePairs(Config):
    """Random sequences of symbols, to be written backwards."""

    type: Literal["reverse"]
    symbols: Annotated[int, Field(ge=2, le=26)] = Field(
        default=20, description="size of the alphabet"
    )
    max_length: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="of a sequence, in symbols"
    )
    num_pairs: Annotated[int, Field(ge=100, le=5_000_000)] = Field(
        default=20_000, description="distinct ones, over all splits"
    )
    seed: NonNegativeInt = Field(default=0, description="draws the sequences")


class LatchPairs(Config):
    """A symbol, then noise of the same symbols; what is to be written is the first of them.

    How long a recurrent state holds on to something that nothing reminds it of. Source: Bengio,
    Simard and Frasconi 1994, the latch problem, with more symbols than two.
    """

    type: Literal["latch"]
    symbols: Annotated[int, Field(ge=2, le=26)] = Field(
        default=10, description="size of the alphabet"
    )
    noise_length: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=20, description="symbols after the first one"
    )
    num_pairs: Annotated[int, Field(ge=100, le=5_000_000)] = Field(
        default=20_000, description="distinct ones, over all splits"
    )
    seed: NonNegativeInt = Field(default=0, description="draws the sequences")


class NumberWordsPairs(Config):
    """English number words and digits: "three hundred and five" and "305"."""

    type: Literal["number_words"]
    direction: Literal["to_digits", "to_words"] = "to_digits"
    max_number: Annotated[int, Field(ge=999, le=999_999_999)] = 999_999
    num_pairs: Annotated[int, Field(ge=100, le=5_000_000)] = Field(
        default=20_000, description="distinct ones, over all splits"
    )
    seed: NonNegativeInt = Field(default=0, description="draws the numbers")


class DocstringsPairs(Config):
    """A function of the standard library, and the first sentence of its docstring.

    No module is in two splits.
    """

    type: Literal["docstrings"]
    max_source_chars: PositiveInt = Field(
        default=400, description="signature and body, cut off there"
    )


def _named(value: object) -> object:
    """`corpus: python_docs` is short for `corpus: {type: python_docs}`."""
    return {"type": value} if isinstance(value, str) else value


TextCorpusConfig = (
    PythonDocsCorpus
    | PythonStdlibCorpus
    | TextCorpus
    | MarkovCorpus
    | UrlCorpus
    | CatalogueCorpus
    | HuggingFaceCorpus
)
"""One running text: the task is to predict its next token."""

PairsCorpusConfig = PairsCorpus | ReversePairs | LatchPairs | NumberWordsPairs | DocstringsPairs
"""Pairs of texts: the task is to write the target of a source."""

_Corpus = Annotated[TextCorpusConfig | PairsCorpusConfig, Field(discriminator="type")]
CorpusConfig = Annotated[_Corpus, BeforeValidator(_named, json_schema_input_type=str | _Corpus)]


class ByteTokenizer(Config):
    """One token a UTF-8 byte: 256 of them, nothing unknown."""

    type: Literal["byte"]


class CharTokenizer(Config):
    """One token a character of the training text; others share one unknown token."""

    type: Literal["char"]


class WordTokenizer(Config):
    """One token a word between spaces, and one a line's end, as word-level benchmarks count.

    Source: Mikolov et al. 2010 (Penn Treebank); Merity et al. 2017 (WikiText).
    """

    type: Literal["word"]
    min_count: PositiveInt = Field(
        default=2, description="words rarer than this in the training text become <unk>"
    )
    max_vocab_size: Annotated[int, Field(ge=3)] = Field(
        default=50_000, description="the most frequent words are kept"
    )


class BPETokenizer(Config):
    """Byte pair encoding over bytes, learned from the training text alone.

    Source: Sennrich et al. 2016; over bytes by Radford et al. 2019.
    """

    type: Literal["bpe"]
    vocab_size: Annotated[int, Field(ge=257, le=65_536)] = Field(
        default=1024, description="the 256 bytes and what is merged from them"
    )


_Tokenizer = Annotated[
    ByteTokenizer | CharTokenizer | WordTokenizer | BPETokenizer, Field(discriminator="type")
]
TokenizerConfig = Annotated[
    _Tokenizer, BeforeValidator(_named, json_schema_input_type=str | _Tokenizer)
]


class DatasetConfig(Config):
    """Text, tokens and the window that a model sees at once."""

    corpus: CorpusConfig = Field(description="the name of a built-in corpus, or {type: ...}")
    tokenizer: TokenizerConfig = Field(default=CharTokenizer(type="char"))
    context_length: Annotated[int, Field(ge=2, multiple_of=2)] = Field(
        default=64,
        description="tokens that a prediction may look back on; even. Of pairs, the longest "
        "source and target together that is used, with the token between them",
    )
    separate_vocabularies: bool = Field(
        default=False, description="of pairs: sources and targets have tokens of their own"
    )

    @property
    def is_pairs(self) -> bool:
        """Whether the task is to write targets of sources rather than to go on with a text."""
        return isinstance(self.corpus, get_args(PairsCorpusConfig))

    @model_validator(mode="after")
    def _text_has_one_vocabulary(self) -> DatasetConfig:
        if self.separate_vocabularies and not self.is_pairs:
            raise Conflict(
                "separate_vocabularies",
                "corpus",
                what=f"corpus {self.corpus.type} has no sources and targets",
                expected="a corpus of pairs",
                fix="remove separate_vocabularies",
            )
        return self
