"""The commands, put together. Loads nothing heavy before it must."""

import typer

from tcf.cli.data import data
from tcf.cli.diff import diff
from tcf.cli.encoders import doctor, encode, plan
from tcf.cli.ladder import ladder
from tcf.cli.run import run
from tcf.cli.store import store
from tcf.cli.studies import export, plot, report, table

__all__ = ["app"]

app = typer.Typer(
    name="tcf",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How far can text carry a recommender as language models grow?",
)
for command in (encode, plan, doctor, ladder, run, table, diff, plot, report, export):
    app.command()(command)
app.add_typer(data, name="data")
app.add_typer(store, name="store")
