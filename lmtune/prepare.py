"""`python -m lmtune.prepare CORPUS`: download and tokenize a corpus, and say what it is like."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError
from rich.console import Console

from lmtune.datasets import Dataset, PairsDataset, ngram_floors, prepare_dataset
from lmtune.datasets.corpora.catalogue import CATALOGUE
from lmtune.errors import LmtuneError, Problem, SpecError, UserError
from lmtune.progress_bars import progress_bars
from lmtune.spec import read_sweep
from lmtune.spec.dataset import DatasetConfig, PairsCorpusConfig, TextCorpusConfig
from lmtune.spec.problems import Problems
from lmtune.spec.tree import Spot, node_of
from lmtune.spec.wording import did_you_mean, one_of

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
_SWEEP_SUFFIXES = (".yaml", ".yml")
_MANY_LEAKED = 0.01

Facts = dict[str, Any]
"""What `--json` prints of a dataset."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="A corpus by name, a text file, or a sweep file, of which all data is prepared.",
            show_default=False,
        ),
    ] = None,
    tokenizer: Annotated[str, typer.Option(help="char, byte, word or bpe.")] = "char",
    context_length: Annotated[int, typer.Option(help="Tokens that a model sees at once.")] = 64,
    show_list: Annotated[bool, typer.Option("--list", help="Show the corpora by name.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Download and tokenize a corpus into `data/` of this directory, and say what it is like."""
    try:
        if show_list:
            _print_list(as_json=as_json)
        else:
            with progress_bars(Console(stderr=True)):
                prepared = _prepare(corpus, tokenizer, context_length, Path.cwd())
            if as_json:
                typer.echo(json.dumps(prepared))
            else:
                _print_facts(prepared)
        code = DONE
    except LmtuneError as error:
        typer.echo(str(error), err=True)
        code = WRONG_INPUT if isinstance(error, UserError) else FAILED
    except KeyboardInterrupt:
        typer.echo("Interrupted. The same command goes on from here.", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


def built_in_corpora() -> dict[str, str]:
    """The corpora that need nothing but their name, with what each is."""
    kinds = [*get_args(TextCorpusConfig), *get_args(PairsCorpusConfig)]
    return {
        get_args(kind.model_fields["type"].annotation)[0]: (kind.__doc__ or "").split("\n")[0]
        for kind in kinds
        if [name for name, field in kind.model_fields.items() if field.is_required()] == ["type"]
    }


def _prepare(corpus: str | None, tokenizer: str, context_length: int, project: Path) -> Facts:
    """Prepare what the arguments name.

    Raises:
        UserError: the arguments, the sweep file or the data are wrong.
    """
    if corpus is not None and corpus.endswith(_SWEEP_SUFFIXES):
        return _prepare_sweep(Path(corpus), project)
    given = {
        "corpus": _corpus_config(corpus),
        "tokenizer": {"type": tokenizer},
        "context_length": context_length,
    }
    try:
        config = DatasetConfig.model_validate(given)
    except ValidationError as error:
        problems = Problems()
        problems.add_invalid(error, node_of(given, Spot("prepare")), DatasetConfig)
        raise problems.error() from None
    return _facts(config, prepare_dataset(config, project=project))


def _prepare_sweep(spec: Path, project: Path) -> Facts:
    sweep = read_sweep(spec)
    # deferred: a corpus needs no trackers
    from lmtune.preflight import prepare_datasets

    prepared = prepare_datasets(sweep, spec, project)
    return {"datasets": [_facts(config, dataset) for config, dataset in prepared.by_config]}


def _corpus_config(name: str | None) -> dict[str, str]:
    """The `corpus` section that a name on the command line stands for."""
    names = [*built_in_corpora(), *CATALOGUE]
    if name in built_in_corpora():
        return {"type": name}
    if name in CATALOGUE:
        return {"type": "catalogue", "name": name}
    if name is not None and Path(name).exists():
        return {"type": "text", "train": name}
    what = "no corpus is named" if name is None else f"`{name}` is neither a corpus nor a file"
    expected = f"a text file, a sweep file, or {one_of(names)}"
    fix = did_you_mean(name or "", names, "python -m lmtune.prepare --list says what they are")
    raise SpecError(Problem("CORPUS", what, expected, fix))


def _facts(config: DatasetConfig, dataset: Dataset | PairsDataset) -> Facts:
    facts: Facts = {
        "corpus": config.corpus.model_dump(mode="json"),
        "tokenizer": config.tokenizer.model_dump(mode="json"),
        "fingerprint": dataset.fingerprint,
        "vocab_size": dataset.vocab_size,
    }
    if isinstance(dataset, PairsDataset):
        pairs = dataset.splits
        facts["pairs"] = {name: len(split) for name, split in pairs.items()}
        facts["left_out"] = dataset.left_out
        facts["tokens"] = {
            name: len(split.sources.tokens) + len(split.targets.tokens)
            for name, split in pairs.items()
        }
    else:
        facts["tokens"] = {name: len(split.tokens) for name, split in dataset.splits.items()}
    return {
        **facts,
        "bytes_per_token": dataset.bytes_per_token,
        "unknown_tokens": dataset.unknown_tokens,
        "leakage": dataset.leakage,
        "ngram_floors": ngram_floors(dataset) if isinstance(dataset, Dataset) else None,
        "folder": str(dataset.folder),
    }


def _print_facts(prepared: Facts) -> None:
    blocks = []
    for facts in prepared.get("datasets", [prepared]):
        rows = _described(facts)
        width = max(map(len, rows))
        blocks.append("\n".join(f"{name:<{width}}  {words}" for name, words in rows.items()))
    typer.echo("\n\n".join(blocks))


def _described(facts: Facts) -> dict[str, str]:
    """The facts of a dataset in words."""
    corpus = ", ".join(str(value) for value in facts["corpus"].values() if value is not None)
    rows = {
        "corpus": corpus,
        "tokens are": ", ".join(map(str, facts["tokenizer"].values())),
        "vocabulary": f"{facts['vocab_size']:,}",
    }
    if "pairs" in facts:
        rows["pairs"] = _by_split(facts["pairs"])
        rows["left out as too long"] = _by_split(facts["left_out"])
    rows["tokens"] = _by_split(facts["tokens"])
    has_unknown = any(facts["unknown_tokens"].values())
    caution = ": bits a byte leave out the text that they stand for" if has_unknown else ""
    rows["unknown tokens"] = _by_split(facts["unknown_tokens"]) + caution
    rows["bytes a token"] = f"{facts['bytes_per_token']:.4g}"
    shares = facts["leakage"]
    warning = ": scores will flatter" if max(shares.values()) > _MANY_LEAKED else ""
    leaked = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
    rows["in training, too"] = leaked + warning
    for name, nats in (facts["ngram_floors"] or {}).items():
        bits = nats / math.log(2) / facts["bytes_per_token"]
        rows[f"{name} floor"] = f"{nats:.4f} nats a token, {bits:.4f} bits a byte"
    return {**rows, "fingerprint": facts["fingerprint"], "folder": facts["folder"]}


def _by_split(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _print_list(*, as_json: bool) -> None:
    if as_json:
        entries = {name: asdict(entry) for name, entry in CATALOGUE.items()}
        typer.echo(json.dumps({"built_in": built_in_corpora(), "catalogue": entries}))
        return
    lines = [(name, "built in", what) for name, what in built_in_corpora().items()]
    lines += [
        (name, f"{entry.size_bytes / 1e6:.1f} MB", f"{entry.title} ({entry.licence})")
        for name, entry in CATALOGUE.items()
    ]
    width = max(len(name) for name, *_ in lines)
    for name, size, what in lines:
        typer.echo(f"{name:<{width}}  {size:>8}  {what}")


if __name__ == "__main__":
    app()
