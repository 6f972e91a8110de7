"""Sphinx: the pages are Markdown, read by MyST."""

from importlib.metadata import version as installed_version
from typing import Any

project = "Ostinato"
author = "The Ostinato authors"
copyright = "2026, The Ostinato authors"
version = release = installed_version("ostinato")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
autodoc_member_order = "bysource"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Ostinato"


def as_it_stands(
    app: Any, what: str, name: str, thing: object, options: Any, lines: list[str]
) -> None:
    """Docstrings are plain text with aligned equations: show them as they stand in the source."""
    lines[:] = [".. code-block:: text", "", *(f"   {line}" for line in lines), ""]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", as_it_stands)
