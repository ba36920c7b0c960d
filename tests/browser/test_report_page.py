"""The report in a real Chromium: wide and phone, light and dark, by keyboard, on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lmtune.analysis import answer, summarize
from lmtune.records import ExperimentFolder

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OPENS_WITHIN_S = 3.0
LARGE = pytest.mark.parametrize("folder", [60, 1000], ids=["small", "1000 trials"], indirect=True)
SIZES = [(1280, False), (390, True)]


def _draw_all(page: Any) -> None:  # noqa: ANN401
    """Scroll through the page, since figures are drawn when they come near."""
    for plot in page.query_selector_all(".plot"):
        plot.scroll_into_view_if_needed()
        name = plot.get_attribute("data-figure")
        page.wait_for_selector(f'[data-figure="{name}"].js-plotly-plot', state="attached")


@LARGE
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "is_phone"), SIZES, ids=["wide", "phone"])
def test_page_shows_every_figure_and_never_scrolls_sideways(
    open_page: Callable[..., Any], width: int, is_phone: bool, theme: str
) -> None:
    page = open_page(width=width, theme=theme, is_phone=is_phone)
    _draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    plots = page.evaluate("document.querySelectorAll('.plot').length")
    drawn = page.evaluate("document.querySelectorAll('.plot.js-plotly-plot').length")
    assert drawn == plots > 5


def test_first_screen_of_a_wide_window_holds_answer_table_and_forest_plot(
    open_page: Callable[..., Any], folder: ExperimentFolder
) -> None:
    page = open_page()
    assert page.inner_text(".lead").replace("\N{MINUS SIGN}", "-") == answer(summarize(folder))
    for part in ("h1", ".lead", ".verdicts", "#figure-differences .plot"):
        box = page.query_selector(part).bounding_box()
        assert box["y"] + box["height"] <= 860, part


@LARGE
def test_page_opens_in_time(open_page: Callable[..., Any]) -> None:
    """Its text painted and the forest plot drawn, by the browser's own clock."""
    page = open_page()
    page.wait_for_function("performance.getEntriesByType('paint').length > 0")
    (painted_ms,) = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint').map((each) => each.startTime)"
    )
    drawn_ms = page.evaluate("performance.now()")
    print(f"painted after {painted_ms:.0f} ms, forest plot drawn after {drawn_ms:.0f} ms")  # noqa: T201
    assert painted_ms < 1000 * OPENS_WITHIN_S


def test_views_are_chosen_by_keyboard(open_page: Callable[..., Any]) -> None:
    page = open_page()
    title = "document.querySelector('[data-figure=curves]').layout?.xaxis.title.text"
    page.query_selector("[data-figure=curves]").scroll_into_view_if_needed()
    page.wait_for_function(f"{title} === 'training tokens'")
    page.focus("input[name=view-curves]:checked")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{title} === 'training FLOPs'")


def test_theme_when_the_system_changes_it_changes_the_figures(
    open_page: Callable[..., Any],
) -> None:
    page = open_page(theme="light")
    colour = "document.querySelector('[data-figure=differences]').layout.font.color"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{colour} !== '{light}'")


def test_copy_takes_the_configuration(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#best .copy")
    page.wait_for_function("document.querySelector('#best .copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").startswith("base:\n  dataset:")


def test_page_on_paper_is_whole_and_light(open_page: Callable[..., Any]) -> None:
    page = open_page(theme="dark")
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(
        "document.querySelectorAll('.plot.js-plotly-plot').length"
        " === document.querySelectorAll('.plot').length"
    )
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("[...document.querySelectorAll('details')].every((each) => each.open)")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "is_phone"), SIZES, ids=["wide", "phone"])
def test_axe_finds_no_serious_fault(
    open_page: Callable[..., Any], axe: str, width: int, is_phone: bool, theme: str
) -> None:
    page = open_page(width=width, theme=theme, is_phone=is_phone)
    _draw_all(page)
    page.evaluate(axe)
    found = page.evaluate("axe.run().then((results) => results.violations)")
    serious = [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []
