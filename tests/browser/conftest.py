"""A Chromium to look at pages with; without one these tests say so and are skipped.

`pip install playwright` (the `browser` extra) is enough where a Chromium is installed; otherwise
`playwright install chromium` fetches one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest

from lmtune.analysis import write_report
from lmtune.records import ExperimentFolder
from tests.analysis.synthetic import searched_sweep

NUM_TRIALS = 60


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser of playwright's."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    installed = next((found for name in names if (found := shutil.which(name))), None)
    with playwright.sync_playwright() as running:
        try:
            browser = running.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium: playwright install chromium ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    package = pytest.importorskip(
        "axe_playwright_python", reason="axe is not installed: pip install axe-playwright-python"
    )
    return resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ExperimentFolder:
    """An experiment of some trials, with its report."""
    num_trials = getattr(request, "param", NUM_TRIALS)
    folder = searched_sweep(
        tmp_path_factory.mktemp("browser") / "toy", num_trials=num_trials, epochs=20
    )
    write_report(folder)
    return folder


@pytest.fixture
def open_page(chromium: Any, folder: ExperimentFolder) -> Iterator[Callable[..., Any]]:  # noqa: ANN401
    """Opens the report without a network; fails on anything that the page complains of."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def complain_of_errors(message: Any) -> None:  # noqa: ANN401
        if message.type == "error":
            complaints.append(message.text)

    def complain_of_requests(asked: Any) -> None:  # noqa: ANN401
        if not asked.url.startswith(("file:", "data:", "blob:")):
            complaints.append(asked.url)

    def opened(*, width: int = 1280, theme: str = "light", is_phone: bool = False) -> Any:  # noqa: ANN401
        context = chromium.new_context(
            viewport={"width": width, "height": 860},
            color_scheme=theme,
            offline=True,
            is_mobile=is_phone,
            has_touch=is_phone,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", complain_of_errors)
        page.on("request", complain_of_requests)
        page.goto(folder.report_html.resolve().as_uri(), wait_until="commit")
        page.wait_for_selector("#figure-differences .main-svg", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
