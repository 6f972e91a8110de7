"""Sphinx: the pages are Markdown, read by MyST."""

from importlib.metadata import version as installed_version

project = "Ostinato"
author = "The Ostinato authors"
copyright = "2026, The Ostinato authors"
version = release = installed_version("ostinato")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Ostinato"
