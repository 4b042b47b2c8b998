"""`tcf data audit`: what a folder of data shows before a run."""

import typer

from tcf.cli.audit import audit

__all__ = ["data"]

data = typer.Typer(no_args_is_help=True, help="Audit data sets.")
data.callback()(lambda: None)  # one command would stand for the whole
data.command("audit")(audit)
