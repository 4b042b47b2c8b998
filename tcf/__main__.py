"""``python -m tcf`` and ``accelerate launch -m tcf``: the command line."""

from tcf.cli import app

app()
