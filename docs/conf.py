"""How Sphinx builds the documentation: `make docs`."""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import paretune
from paretune.weighting import RULES

sys.path.insert(0, str(Path(__file__).parent))  # the extension `docstrings`

project = "paretune"
author = "The paretune authors"
project_copyright = author
release = paretune.__version__

extensions = ["myst_parser", "docstrings", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]

myst_heading_anchors = 4  # the anchors that a code host makes of headings: links work in both places

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "paretune"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]

linkcheck_anchors = False


class Rules(SphinxDirective):
    """The reference of every built-in rule, in the order of their names, from the registry."""

    def run(self) -> list[nodes.Node]:
        """One class after the other, under the name that the command line gives it."""
        rules = [rule for _, rule in sorted(RULES.items())]
        return self.parse_text_to_nodes(
            "\n".join(f".. autoclass:: {rule.__module__}.{rule.__name__}\n" for rule in rules)
        )


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("rules", Rules)
