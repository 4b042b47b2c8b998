"""`tcf run`: studies, whole or small, made or only planned."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from tcf.cli.options import CacheOption, DataOption, RecordsOption
from tcf.cli.shared import load_studies, one_line_errors, print_rows, spell_seconds
from tcf.cli.studies import print_table
from tcf.errors import EncoderError

if TYPE_CHECKING:
    from tcf.data.dataset import Counts
    from tcf.study.config import Study

__all__ = ["run"]


def run(
    studies: Annotated[
        list[Path], typer.Argument(help="Python files with `def study() -> Study`.")
    ],
    data: DataOption = None,
    records: RecordsOption = None,
    cache: CacheOption = "auto",
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default one a core.")
    ] = None,
    keep_models: Annotated[
        bool, typer.Option(help="Keep each run's weights in the cache, for `tcf export`.")
    ] = True,
    track: Annotated[
        str | None, typer.Option(help="Also log every epoch: tensorboard, wandb or mlflow.")
    ] = None,
    form: Annotated[
        str, typer.Option(help="The file's function that gives the study: study, paper, ...")
    ] = "study",
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="The form `smoke`, offline, in seconds; leaves nothing."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs and what they take; make none.")
    ] = False,
) -> None:
    """Run studies: finished runs are skipped, the rest leave a record and a rank ledger each.

    A study that names a search makes its trials first, the same number for every arm.

    Records of another form than `study` go to records-FORM beside the file.
    """
    with one_line_errors():
        if smoke and form not in ("study", "smoke"):
            raise ValueError(f"--smoke is a form of its own: leave out --form {form}")
        if records is not None and len(studies) > 1:
            raise ValueError(f"--records is the folder of one study file; got {len(studies)} files")
        form = "smoke" if smoke else form
        for path in studies:
            planned = load_studies(path, form=form)
            if dry_run:
                _print_plan(planned, data)
                continue
            began = time.monotonic()
            with _folders(path, form, records, cache) as (folder, kept):
                for study in planned:
                    _run(
                        study,
                        folder,
                        data=data,
                        cache=kept,
                        workers=1 if smoke and workers is None else workers,
                        keep_models=keep_models,
                        track=track,
                    )
                if any(folder.glob("*.json")):  # none yet if another process has all the runs
                    print_table(folder, planned[0].metrics[:2])
            if smoke:
                typer.echo(f"{path}: passed in {time.monotonic() - began:.0f} s")


@contextmanager
def _folders(path: Path, form: str, records: Path | None, cache: str) -> Iterator[tuple[Path, str]]:
    """Give the folders for records and cache; a smoke run's are gone after it."""
    if form != "smoke":
        name = "records" if form == "study" else f"records-{form}"
        yield records or path.parent / name, cache
        return
    with TemporaryDirectory(prefix="tcf-smoke-") as made:
        yield records or Path(made) / "records", f"{made}/cache" if cache == "auto" else cache


def _run(
    study: "Study",
    records: Path,
    *,
    data: Path | None,
    cache: str,
    workers: int | None,
    keep_models: bool,
    track: str | None,
) -> None:
    from tcf.study.runner import run_study

    outcome = run_study(
        study,
        records=records,
        data=data,
        cache=cache,
        num_workers=workers,
        keep_models=keep_models,
        track=track,
    )
    typer.echo(
        f"{study.name}: {outcome.num_found} runs found, {outcome.num_made} made, "
        f"{outcome.num_elsewhere} left to another process; records in {records}"
    )


def _print_plan(studies: "Sequence[Study]", data: Path | None) -> None:
    """List the runs; and what they take, where the size of the data is known."""
    for study in studies:
        for config in study.runs:
            typer.echo(config.name)
        search = study.tuning
        trials = f", settings from {search.num_trials} trials an arm" if search else ""
        typer.echo(f"{study.name}: {len(study.runs)} runs{trials}")
        if (counts := _counts(study, data)) is not None:
            try:
                _print_forecast(study, counts)
            except EncoderError as error:  # the runs are listed all the same
                typer.echo(error)


def _counts(study: "Study", data: Path | None) -> "Counts | None":
    if data is None:
        return study.expected
    from tcf.data.dataset import Counts
    from tcf.study.opened import load_split

    split, report = load_split(study, data)
    return Counts(split.num_users, split.num_items, report.interactions_after)


def _print_forecast(study: "Study", counts: "Counts") -> None:
    from tcf.encode.placement import show_bytes
    from tcf.study.forecast import forecast

    cells = forecast(study, counts)
    rows = [
        (
            cell.name.partition("/")[2],
            cell.num_runs,
            show_bytes(cell.download_bytes),
            show_bytes(cell.disk_bytes),
            show_bytes(cell.peak_bytes),
            spell_seconds(cell.encode_seconds),
            spell_seconds(cell.train_seconds),
        )
        for cell in cells
    ]
    once = {cell.reading: cell for cell in cells}.values()  # vectors are made once
    weights = {cell.encoder: cell.download_bytes for cell in cells}
    rows.append(
        (
            "all, what is shared once",
            len(study.runs),
            show_bytes(sum(weights.values())),
            show_bytes(sum(cell.disk_bytes for cell in once)),
            show_bytes(max(cell.peak_bytes for cell in cells)),
            spell_seconds(sum(cell.encode_seconds for cell in once)),
            spell_seconds(sum(cell.train_seconds for cell in cells)),
        )
    )
    columns = ("cell", "runs", "download", "disk", "memory", "encode", "train")
    about = f"{cells[0].name.partition('/')[0]}: {counts}"
    title = f"{about}; work at the most, at the rate of products here"
    print_rows(columns, rows, title=title)
