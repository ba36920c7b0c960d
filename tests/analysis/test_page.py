"""`report.html`: whole, safe, without a network; its words are those of the other reports."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lmtune.analysis import answer, summarize, variants_header, variants_rows, write_report
from lmtune.analysis.cautions import cautions
from lmtune.records import ExperimentFolder
from lmtune.records.samples import Prompt, Samples, VariantSamples, write_samples
from tests.analysis.synthetic import SEARCHED, Trial, searched_sweep, write_experiment

MAX_BYTES = 3_000_000


class _Reader(HTMLParser):
    """The page's elements, its text without scripts and styles, and what each script holds."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self._inside: tuple[str, str] | None = None
        self.feed(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split()).replace("\N{MINUS SIGN}", "-")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = tag, dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.texts.append(data)
        elif self._inside[0] == "script":
            name = self._inside[1]
            self.scripts[name] = self.scripts.get(name, "") + data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ExperimentFolder:
    folder = searched_sweep(tmp_path_factory.mktemp("page") / "toy", num_trials=60)
    samples = Samples(
        is_pairs=False,
        decoding={"type": "sample", "temperature": 0.8},
        seed=0,
        prompts=(Prompt(text="The with", expected=" statement"),),
        variants=(
            VariantSamples(variant="base", trial_id="a", texts=("<b>bold</b> claims",)),
            VariantSamples(variant="num_layers=1", trial_id="b", problem="no checkpoint"),
        ),
    )
    write_samples(folder.samples_json, samples)
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(folder: ExperimentFolder) -> _Reader:
    return _Reader(folder.report_html.read_text(encoding="utf-8"))


def test_page_loads_nothing_from_elsewhere(page: _Reader) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed"), tag
        assert not attributes.get("src")
        assert attributes.get("href", "#") is not None
        assert str(attributes.get("href", "#")).startswith("#")
    (policy,) = (
        each["content"]
        for tag, each in page.elements
        if tag == "meta" and each.get("http-equiv") == "Content-Security-Policy"
    )
    assert str(policy).startswith("default-src 'none'")


def test_page_without_plotly_is_small(folder: ExperimentFolder, page: _Reader) -> None:
    library = len(page.scripts["plotly"].encode())
    assert library > 1_000_000
    assert folder.report_html.stat().st_size - library < MAX_BYTES


def test_page_says_what_the_other_reports_say(folder: ExperimentFolder, page: _Reader) -> None:
    summary = summarize(folder)
    assert answer(summary) in page.text
    assert summary.sweep.question in page.text
    for caution in cautions(summary):
        assert caution in page.text
    for title in variants_header(summary):
        assert title in page.text
    for row in variants_rows(summary):
        assert all(cell in page.text for cell in row.cells)


def test_first_screen_stands_before_everything_else(folder: ExperimentFolder) -> None:
    text = folder.report_html.read_text(encoding="utf-8")
    places = [text.index(mark) for mark in ("<h1>", 'class="lead"', 'class="verdicts"',
                                            'data-figure="differences"', "<nav")]  # fmt: skip
    assert places == sorted(places)


def test_page_has_what_assistive_technology_needs(page: _Reader) -> None:
    ids = [str(each["id"]) for _, each in page.elements if "id" in each]
    assert len(ids) == len(set(ids))
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("h1", "main", "header", "nav", "title")] == [1] * 5
    assert ("html", {"lang": "en"}) in page.elements
    for tag, attributes in page.elements:
        if tag == "th":
            assert attributes.get("scope") in ("row", "col")
        if attributes.get("role") == "img":
            assert attributes["aria-labelledby"] in ids
            assert attributes["aria-describedby"] in ids
        if str(attributes.get("href", "")).startswith("#"):
            assert str(attributes["href"])[1:] in ids
        if tag == "div" and attributes.get("class") == "scroll":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]


def test_samples_stand_in_the_page_as_they_were_written(page: _Reader) -> None:
    assert "<b>bold</b> claims" in page.text
    assert "num_layers=1: no checkpoint" in page.text


def test_page_of_hostile_names_runs_nothing_of_them(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    variants: dict[str, dict[str, int]] = {"base": {}, hostile: {"num_layers": 1}}
    folder = write_experiment(
        tmp_path / "hostile",
        [
            Trial(name, "confirm", seed, (2.5, 2.0 + 0.01 * seed * len(name) ** 0.1))
            for name in variants
            for seed in (1, 2, 3)
        ],
        variants=variants,
        question=f"Is {hostile} safe?",
        epochs=2,
    )
    write_report(folder)
    page = _Reader(folder.report_html.read_text(encoding="utf-8"))
    assert sorted(page.scripts) == ["", "plotly", "report-data"]
    assert "img" not in [tag for tag, _ in page.elements]
    assert hostile in page.text
    json.loads(page.scripts["report-data"])


def test_page_of_a_sweep_without_trials_says_so(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "none", [], searched=SEARCHED)
    write_report(folder)
    page = _Reader(folder.report_html.read_text(encoding="utf-8"))
    assert "No answer yet" in page.text
    assert re.search(r"\bnan\b", page.text) is None
    assert json.loads(page.scripts["report-data"])["figures"] == {}


def test_page_of_the_same_records_is_the_same(folder: ExperimentFolder) -> None:
    before = folder.report_html.read_bytes()
    write_report(folder)
    assert folder.report_html.read_bytes() == before


def test_page_offers_a_wider_range_where_the_best_lies_at_an_edge(tmp_path: Path) -> None:
    """Losses that fall with the learning rate all the way to the end of its range."""
    rates = [1e-4, 1e-3, 9e-3]
    path = "optimizer.learning_rate"
    tune = [Trial("base", "tune", 0, (3.0, 2.0 - 10 * x), "completed", {path: x}) for x in rates]
    confirm = [
        Trial("base", "confirm", seed, (3.0, 1.9), "completed", {path: 9e-3}) for seed in (1, 2, 3)
    ]
    folder = write_experiment(
        tmp_path / "edge",
        [*tune, *confirm],
        variants={"base": {}},
        searched={path: SEARCHED[path]},
        epochs=2,
        budget=3,
    )
    write_report(folder)
    wider = f"{path}: {{distribution: log_uniform_values, min: 0.0001, max: 0.1}}"
    assert wider in html.unescape(folder.report_html.read_text(encoding="utf-8"))
    assert any(wider in caution for caution in cautions(summarize(folder)))


def test_wider_range_that_the_field_does_not_allow_is_not_offered(
    tmp_path: Path, make_dropout: Callable[[Path, float], ExperimentFolder]
) -> None:
    found = cautions(summarize(make_dropout(tmp_path / "low", 0.0)))
    (edge,) = (caution for caution in found if "lies at the lower edge" in caution)
    assert edge.endswith("A wider range might hold a better one.")


@pytest.fixture
def make_dropout() -> Callable[[Path, float], ExperimentFolder]:
    """A search of the weight decay, from 0, whose best is given."""

    def make(path: Path, best: float) -> ExperimentFolder:
        field = "optimizer.weight_decay"
        confirm = [
            Trial("base", "confirm", seed, (3.0, 1.9), "completed", {field: best})
            for seed in (1, 2, 3)
        ]
        return write_experiment(
            path,
            confirm,
            variants={"base": {}},
            searched={field: SEARCHED[field]},
            epochs=2,
            budget=3,
        )

    return make
