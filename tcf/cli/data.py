"""`tcf data ls | show | audit | download`: published data sets, and what a folder holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tcf.cli.audit import audit
from tcf.cli.shared import one_line_errors, print_rows

if TYPE_CHECKING:
    from tcf.data.dataset import DataSet

__all__ = ["data"]

data = typer.Typer(no_args_is_help=True, help="List, show, audit and download data sets.")
data.command("audit")(audit)
_HEADS = ("name", "users", "items", "interactions", "terms", "get it", "reader checked on")


@data.command("ls")
def data_ls(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the guide has it.")] = False,
) -> None:
    """List the data sets that are known by name; ≈ is a published figure that is not compared."""
    with one_line_errors():
        from tcf.data.datasets import listing

        if markdown:
            typer.echo(_markdown(listing()))
        else:
            print_rows(_HEADS, listing(), title="data sets")


@data.command("show")
def data_show(
    what: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="A data set, or its folder.")],
    name: Annotated[
        str | None, typer.Option(help="Which data set a folder holds: compares its counts.")
    ] = None,
    reader: Annotated[
        str | None, typer.Option(help="Of a folder; default what its files ask for.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Template of an item's text.")] = None,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave items without text or line out.")
    ] = False,
    texts: Annotated[int, typer.Option(help="How many texts of a folder to print.", min=0)] = 5,
) -> None:
    """Say what is known of a data set, or what a folder holds."""
    with one_line_errors():
        from tcf.data.datasets import DATASETS, find_dataset
        from tcf.errors import DataError

        if what in DATASETS and name is None:
            print_rows(("what", "is"), _known(DATASETS[what]), title=what)
            return
        if not Path(what).is_dir():
            raise DataError(
                f"{what}: a folder, or the name of a data set is needed; there is no such folder, "
                "and `tcf data ls` lists the names"
            )
        options = ({"text": text} if text else {}) | ({"missing": "drop"} if drop_missing else {})
        _show_folder(
            Path(what), find_dataset(name) if name else None, reader, texts=texts, options=options
        )


@data.command("download")
def data_download(
    name: Annotated[str, typer.Argument(help="As `tcf data ls` has it.")],
    out: Annotated[Path, typer.Option(help="Folder of this data set alone.")],
    part: Annotated[
        str | None, typer.Option(help="Of a data set in parts: All_Beauty, Books, ...")
    ] = None,
) -> None:
    """Fetch a data set, verify and unpack it; call it again to go on after a kill."""
    with one_line_errors():
        from tcf.data.download import download_dataset

        found = download_dataset(name, out, part=part)
        typer.echo(f"{out}: {found.title}")
        typer.echo(f"licence: {found.licence} ({found.page})")
        typer.echo(f"cite: {found.citation}")


def _known(one: "DataSet") -> list[tuple[str, str]]:
    rows = [
        ("title", one.title),
        ("page", one.page),
        ("counts", str(one.counts)),
        ("licence", one.licence),
        ("cite", one.citation),
        ("reader", one.reader),
        ("text", one.text or "by the columns"),
        ("reader checked on", one.checked),
        ("by hand", one.by_hand or ""),
        ("parts", ", ".join(one.parts)),
        ("notes", one.notes),
    ]
    for file in one.files:
        size = f"{file.num_bytes:,} bytes" if file.num_bytes else "size not published"
        about = (*file.addresses, size, file.checksum or "checksum not published")
        rows.append((file.name, "\n".join(about)))
    return [row for row in rows if row[1]]


def _show_folder(
    folder: Path, one: "DataSet | None", reader: str | None, *, texts: int, options: dict[str, Any]
) -> None:
    """Print counts, beside the published ones where a data set is named, and some texts."""
    from tcf.data.dataset import Counts
    from tcf.data.formats import read_folder

    if one is None:
        catalog, interactions = read_folder(folder, reader=reader, **options)
    else:
        catalog, interactions = one.load(folder, accept_counts=True, **options)
    found = Counts.of(catalog, interactions)
    names = ("users", "items", "interactions")
    expected = one.counts.shown() if one else ("", "", "")
    rows = zip(names, found.shown(), expected, strict=True)
    heads = ("what", "found", "published")
    print_rows(
        heads if one else heads[:2], (row[: 3 if one else 2] for row in rows), title=str(folder)
    )
    for item_id, words in zip(catalog.item_ids[:texts], catalog.texts[:texts], strict=True):
        typer.echo(f"{item_id}\t{words}")
    if one and not one.counts.agrees(found):
        typer.echo(f"these are not the published counts of {one.title}", err=True)
        raise typer.Exit(1)


def _markdown(rows: list[tuple[str, ...]]) -> str:
    lines = [_HEADS, ("---", "---:", "---:", "---:", "---", "---", "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
