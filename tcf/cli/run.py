"""`tcf run`: studies, whole or small, made or only planned."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from tcf.cli.options import CacheOption, DataOption, RecordsOption
from tcf.cli.shared import load_studies, one_line_errors
from tcf.cli.studies import print_table

if TYPE_CHECKING:
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs; make none.")] = False,
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
                _print_plan(planned)
                continue
            began = time.monotonic()
            with _folders(path, form, records, cache) as (folder, kept):
                for study in planned:
                    _run(
                        study,
                        folder,
                        data=data,
                        cache=kept,
                        workers=workers,
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


def _print_plan(studies: "Sequence[Study]") -> None:
    for study in studies:
        for config in study.runs:
            typer.echo(config.name)
        search = study.tuning
        trials = f", settings from {search.num_trials} trials an arm" if search else ""
        typer.echo(f"{study.name}: {len(study.runs)} runs{trials}")
