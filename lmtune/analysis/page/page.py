"""Builds the page from the sections, figures and samples of an experiment."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmtune.analysis.answer import answer
from lmtune.analysis.cautions import cautions
from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures import THEMES, Absent, Figure, build_figures
from lmtune.analysis.figures.theme import BASE_LAYOUT
from lmtune.analysis.page.first_screen import facts, verdicts
from lmtune.analysis.page.sections import Section, sections

_HYPHEN = re.compile(r"(?<![^\s\[(])-(?=\d)")
_HERE = Path(__file__).parent


def page(experiment: Experiment) -> str:
    """The page; the same records give the same text.

    It holds plotly's library, of almost 5 MB: one file that can be sent is worth more than a
    small one that needs another beside it.
    """
    figures = build_figures(experiment)
    return page_of(
        experiment,
        figures,
        sections(experiment, figures),
        cautions=cautions(experiment.summary),
        location=f"{experiment.folder.path.resolve().parent.name}/{experiment.sweep.name}",
    )


def page_of(
    experiment: Experiment,
    figures: Sequence[Figure | Absent],
    content: Sequence[Section],
    *,
    cautions: Sequence[str],
    location: str,
) -> str:
    """A page of sections below the answer.

    Args:
        experiment: whose answer, verdicts and facts stand on the first screen.
        figures: of the page, the forest plot first.
        content: what follows.
        cautions: how many there are, which the first screen says.
        location: where the records are.
    """
    import jinja2  # deferred: a sweep starts sooner without

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = _with_minus_signs
    environment.filters["breaking"] = _breaking
    summary = experiment.summary
    return environment.get_template("report.html.jinja").render(
        name=experiment.sweep.name,
        question=experiment.sweep.question,
        answer=answer(summary),
        facts=facts(experiment),
        missing=summary.missing,
        cautions=cautions,
        metric=experiment.metric,
        better="lower" if experiment.sweep.metric.goal == "minimize" else "higher",
        base=summary.variants[0].variant.name,
        is_compared=len(summary.variants) > 1,
        verdicts=verdicts(summary),
        forest=figures[0],
        sections=content,
        location=location,
        css=_trusted(_css()),
        data=_trusted(_data(figures)),
        plotly=_trusted(_plotly()),
        js=_trusted((_HERE / "report.js").read_text(encoding="utf-8")),
    )


def _with_minus_signs(text: str) -> str:
    """Text with typographic minus signs before numbers, as wide as the plus sign."""
    return _HYPHEN.sub("\N{MINUS SIGN}", text)


def _breaking(text: str) -> object:
    """A name that a narrow table may break after its underscores and equals signs."""
    from markupsafe import Markup, escape  # comes with jinja2

    return Markup(re.sub("([_=])", r"\1<wbr>", str(escape(text))))


def _trusted(text: str) -> object:
    """Text that is written into the page as it is: the project's own, or made safe for a script."""
    from markupsafe import Markup  # comes with jinja2

    return Markup(text)


def _css() -> str:
    """The style, with the colours that the figures have too; print is light."""
    light, dark = (
        ":root { "
        + " ".join(f"--{name}: {colour};" for name, colour in THEMES[theme].items())
        + " }"
        for theme in ("light", "dark")
    )
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n{style}"


def _data(figures: Sequence[Figure | Absent]) -> str:
    """The figures for the page's script; no text in it can end the script element."""
    content: dict[str, Any] = {
        "figures": {
            figure.name: {
                "height": figure.height,
                "views": {
                    word: {"data": view.data, "layout": view.layout}
                    for word, view in figure.views.items()
                },
            }
            for figure in figures
            if isinstance(figure, Figure)
        },
        "base": BASE_LAYOUT,
        "themes": THEMES,
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _plotly() -> str:
    """Plotly's library."""
    from plotly.offline import get_plotlyjs  # deferred: a sweep starts sooner without

    library: str = get_plotlyjs()
    return library
