"""Light and dark: what the colours' names stand for, and what all figures have in common."""

from __future__ import annotations

from typing import Any, Literal

from lmtune.analysis.figures.figure import Figure, Json, View

Theme = Literal["light", "dark"]

THEMES: dict[Theme, dict[str, str]] = {
    "light": {
        "text": "#1d2127",
        "muted": "#5b6472",
        "grid": "#e4e7ec",
        "line": "#9aa3b0",
        "surface": "#ffffff",
        "edge": "#fdf0d8",
        "better": "#1a7f4b",
        "worse": "#b3261e",
        "noise": "#5b6472",
        "raised": "#f6f7f9",
        "link": "#1f5aa6",
        "warn": "#8a5a00",
        "warn-surface": "#fff7e6",
        "series0": "#1d2127",
        "series1": "#2463b0",
        "series2": "#c2570c",
        "series3": "#1a7f4b",
        "series4": "#7a49b3",
        "series5": "#b3261e",
        "series6": "#0b7285",
        "series7": "#8a6116",
        "series8": "#b0357f",
    },
    "dark": {
        "text": "#e6e9ee",
        "muted": "#a3adba",
        "grid": "#2c323b",
        "line": "#667080",
        "surface": "#16191e",
        "edge": "#3a301a",
        "better": "#5cc98f",
        "worse": "#f28b82",
        "noise": "#a3adba",
        "raised": "#1d2127",
        "link": "#8bbcf7",
        "warn": "#e8c06a",
        "warn-surface": "#2b2415",
        "series0": "#e6e9ee",
        "series1": "#74aef5",
        "series2": "#f2a261",
        "series3": "#5cc98f",
        "series4": "#bd9cf2",
        "series5": "#f28b82",
        "series6": "#57c7dc",
        "series7": "#d6b25f",
        "series8": "#f08fc8",
    },
}
"""Text has a contrast of 4.5 to its background in both, series one of 3."""

_AXIS: Json = {
    "gridcolor": "@grid",
    "zerolinecolor": "@grid",
    "linecolor": "@line",
    "tickcolor": "@line",
    "title": {"standoff": 8, "font": {"size": 13, "color": "@muted"}},
    "automargin": True,
}
BASE_LAYOUT: Json = {
    "font": {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 13,
             "color": "@text"},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 12, "r": 12, "t": 12, "b": 12},
    "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@line", "font": {"color": "@text"}},
    "hovermode": "closest",
    "legend": {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
    "xaxis": _AXIS,
    "yaxis": _AXIS,
}  # fmt: skip


def merged(base: Json, more: Json) -> Json:
    """Two layouts, the second before the first."""
    result = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if both else value
    return result


def themed(value: Any, theme: Theme) -> Any:  # noqa: ANN401 - any JSON value
    """A figure's JSON with colours in place of their names."""
    if isinstance(value, str):
        return THEMES[theme].get(value[1:], value) if value.startswith("@") else value
    if isinstance(value, dict):
        return {key: themed(item, theme) for key, item in value.items()}
    if isinstance(value, list):
        return [themed(item, theme) for item in value]
    return value


def plotly_json(figure: Figure, view: View, theme: Theme, *, is_titled: bool = False) -> Json:
    """A figure that plotly's libraries understand, on a background of its own.

    Args:
        figure: what is shown.
        view: which of its views.
        theme: light or dark.
        is_titled: whether its title stands in it, for where there is no page around it.
    """
    layout = merged(BASE_LAYOUT, {**view.layout, "height": figure.height})
    layout["paper_bgcolor"] = layout["plot_bgcolor"] = "@surface"
    if is_titled:
        title = {"title": {"text": figure.title, "x": 0, "xref": "paper"}, "margin": {"t": 48}}
        layout = merged(layout, title)
    colours: Json = themed({"data": view.data, "layout": layout}, theme)
    return colours
