"""Sphinx: MyST pages and the docstrings."""

project = "tcf"
author = "the tcf maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
autodoc_typehints = "none"
