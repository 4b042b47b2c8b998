"""`tcf table | plot | report | export`: what takes a study's records."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tcf.cli.options import (
    CacheOption,
    DataOption,
    RecordsArgument,
    RecordsOption,
    StudyArgument,
)
from tcf.cli.shared import load_study, one_line_errors, print_rows

if TYPE_CHECKING:
    import polars as pl

    from tcf.model import Recommender

__all__ = ["export", "plot", "print_table", "report", "table"]


def table(
    records: RecordsArgument,
    metric: Annotated[list[str] | None, typer.Option(help="Such as hr@10; repeatable.")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Also by target_train_count, history_length or target_in_history."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write every row to this CSV.")] = None,
) -> None:
    """Print each arm's mean over seeds with its interval, and how each was tuned."""
    with one_line_errors():
        found = print_table(records, metric or ["hr@10", "ndcg@10"], by=by or [])
        if out is not None:
            from tcf._util import atomic_write

            with atomic_write(out) as temporary:
                found.write_csv(temporary)


def plot(
    records: RecordsArgument,
    out: Annotated[Path, typer.Option(help="Stem of the files to write: OUT.svg and OUT.csv.")],
    kind: Annotated[
        str, typer.Option(help="scaling, ladder, versus-id, tuned, warm, cost or learning.")
    ] = "scaling",
    metric: Annotated[str, typer.Option(help="Such as hr@10.")] = "hr@10",
    x: Annotated[
        str,
        typer.Option(help="parameters, parameters_without_embeddings or flops_per_item."),
    ] = "parameters",
    fits: Annotated[
        bool, typer.Option("--fits", help="Draw fitted curves with their bands, where sizes allow.")
    ] = False,
    ladder: Annotated[
        Path | None,
        typer.Option(help="Of kind ladder: the folder that `tcf ladder` wrote, or its json."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Above the panels.")] = None,
) -> None:
    """Draw a study's records: metric against size or loss, text against ID, slices, costs."""
    with one_line_errors():
        from tcf._util import lookup
        from tcf.cli.plots import PLOTS
        from tcf.study.cells import read_cells

        draw = lookup(PLOTS, kind, "kind")
        if kind != "scaling" and (fits or x != "parameters"):
            raise ValueError(f"--x and --fits are of scaling plots; got kind {kind!r}")
        if (kind == "ladder") != (ladder is not None):
            raise ValueError(f"--ladder is of plots of kind ladder, which need it; got {kind!r}")
        cells = read_cells(records)
        settings = {"x": x, "fits": fits} if kind == "scaling" else {}
        settings |= {} if ladder is None else {"ladder": ladder}
        for path in draw(cells, metric=metric, title=title, **settings).save(out):
            typer.echo(path)


def report(
    records: RecordsArgument,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    title: Annotated[str | None, typer.Option(help="Heading; default the study's folder.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Of the verdicts; default ndcg@10, or the records' first.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The arm all others are compared with; default ID.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="The study's file: adds the explorer of items.")
    ] = None,
    data: DataOption = None,
    cache: CacheOption = "auto",
) -> None:
    """Write one self-contained HTML page: verdicts, curves, tables, every record, an explorer."""
    with one_line_errors():
        from tcf._util import atomic_write
        from tcf.report import gather, neighbour_lists, report_page
        from tcf.study.cells import read_cells

        if study is None and data is not None:
            raise ValueError(f"--data {data} is for the explorer: name the --study as well")
        cells = read_cells(records)
        lists = None
        if study is not None:
            make = partial(load_study, study, dataset=cells[0].dataset)
            lists = neighbour_lists(cells, make, data=data, cache=cache)
        found = gather(cells, metric=metric, against=against)
        page = report_page(found, title=title or _study_name(records), explorer=lists)
        with atomic_write(out) as temporary:
            temporary.write_text(page, encoding="utf-8")
        typer.echo(f"{out} ({len(page.encode()) / 1e6:.1f} MB)")


def _study_name(records: Path) -> str:
    folder = records.resolve()
    return folder.parent.name if folder.name == "records" else folder.name


def export(
    study: StudyArgument,
    name: Annotated[str, typer.Option("--run", help="As `tcf run STUDY --dry-run` lists it.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="npy, safetensors or parquet; repeatable. Default npy."),
    ] = None,
    index: Annotated[
        str | None, typer.Option(help="Also a FAISS index: flat, hnsw or ivf (extra `faiss`).")
    ] = None,
    encoder: Annotated[
        bool,
        typer.Option("--encoder", help="Also a tuned encoder, as a sentence-transformers folder."),
    ] = False,
    train: Annotated[
        bool, typer.Option("--train", help="Train it again where its weights are not kept.")
    ] = False,
    data: DataOption = None,
    records: RecordsOption = None,
    cache: CacheOption = "auto",
) -> None:
    """Write a finished run's item and user vectors, an index over its items, its tuned encoder."""
    with one_line_errors():
        from tcf._util import lookup
        from tcf.export import FORMATS, INDEXES, rebuild, vectors_of, write_index, write_vectors

        for ending in (formats := formats or ["npy"]):
            lookup(FORMATS, ending, "format")  # before any work
        if index is not None:
            lookup(INDEXES, index, "index")
        folder = records or study.parent / "records"
        planned = load_study(study, dataset=name.partition("/")[0])
        made = rebuild(planned, name, records=folder, data=data, cache=cache, train=train)
        if encoder:
            typer.echo(_export_encoder(made.model, name, out / "encoder"))
        about = {"fingerprint": made.fingerprint, "split": made.split.checksum}
        vectors = vectors_of(made.model, made.split, name=name, about=about)
        for ending in formats:
            for path in write_vectors(vectors, out, ending=ending):
                typer.echo(path)
        if index is not None:
            found = write_index(vectors, out / "items.faiss", kind=index)["recall"]
            typer.echo(f"{out / 'items.faiss'}: recall@{found['k']} {found['value']:.4f}")


def _export_encoder(model: "Recommender", name: str, folder: Path) -> Path:
    from tcf.errors import EncoderError
    from tcf.export import export_tower
    from tcf.model import TunedTextTower

    if not isinstance(model.tower, TunedTextTower):
        raise EncoderError(
            f"{name} has no tuned encoder to be written: leave --encoder out, or name a run of an "
            "arm that is tuned and stands without IDs"
        )
    export_tower(model.tower, folder)
    return folder


def print_table(folder: Path, metrics: Sequence[str], *, by: Sequence[str] = ()) -> "pl.DataFrame":
    """Print each arm's mean with its interval, and return the whole evidence."""
    from tcf._util import lookup
    from tcf.evaluate.slices import SLICES, slice_names
    from tcf.study.cells import read_cells
    from tcf.study.evidence import evidence
    from tcf.study.summary import coverage_notes, summary, tuning_notes

    for cut in by:
        lookup(SLICES, cut, "what users are sliced by")
    slices = ["all", *(x for x in slice_names() if x.partition(":")[0] in by)]
    cells = read_cells(folder)
    found = evidence(cells, metrics=metrics, slices=slices)
    shown = summary(found, cells)
    title = f"mean over seeds and its 95% interval: {folder}"
    print_rows(shown.columns, shown.iter_rows(), title=title)
    about = "new seeds and new users; * these trained models on new users"
    notes = (*coverage_notes(found), *tuning_notes(cells))
    for line in (f"intervals are about {about}", *notes):
        typer.echo(line)
    return found
