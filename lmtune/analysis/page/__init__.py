"""`report.html`: one file that opens without a network, in light and dark, wide and narrow."""

from __future__ import annotations

from lmtune.analysis.page.comparison import comparison_page
from lmtune.analysis.page.page import page

__all__ = ["comparison_page", "page"]
