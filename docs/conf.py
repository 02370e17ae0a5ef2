"""Sphinx's settings: ``sphinx-build -W -n -b html docs docs/_build``, no network needed."""

import re
from importlib.metadata import version as version_of

from pygments.lexers.shell import BashSessionLexer
from sphinx.application import Sphinx

project = "twisted-lab"
author = "The twisted-lab developers"
copyright = f"2026, {author}"
release = version = version_of("twisted-lab")

exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "A workbench for stream protocols on Twisted", "page_width": "1100px"}


class Console(BashSessionLexer):
    """A shell's session where ``$`` alone is the prompt: log lines have a ``#`` in them."""

    _ps1rgx = re.compile(r"^(\$ )(.*\n?)")


def setup(app: Sphinx) -> None:
    """Take our lexer for ``code-block:: console``."""
    app.add_lexer("console", Console)
