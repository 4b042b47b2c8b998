"""The command line. Loads nothing heavy before it must."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tcf.errors import TcfError

if TYPE_CHECKING:
    import polars as pl

    from tcf.study.config import Study

app = typer.Typer(
    name="tcf",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How far can text carry a recommender as language models grow?",
)

CacheOption = Annotated[
    str, typer.Option(help="Folder for vectors; 'auto': $TCF_CACHE, the checkout's, or the user's.")
]
TextOption = Annotated[str, typer.Option(help="Template of an item's text.")]
DtypeOption = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
QuantizationOption = Annotated[str | None, typer.Option(help="int8 or nf4.")]
MaxTokensOption = Annotated[int, typer.Option(help="Texts are cut there.")]
PromptOption = Annotated[str, typer.Option(help="Template with {text}.")]
PoolingOption = Annotated[str | None, typer.Option(help="mean, last_token or first_token.")]
LayerOption = Annotated[int, typer.Option(help="0: embedding output, k: block k, -1: last.")]
PlacementOption = Annotated[str, typer.Option(help="auto, resident, sharded or streamed.")]
RecordsArgument = Annotated[Path, typer.Argument(help="Folder with run records.")]


@app.command()
def encode(
    items: Annotated[Path, typer.Argument(help="Items file: TSV, CSV (.gz too) or Parquet.")],
    encoder: Annotated[str, typer.Option(help="Hub name, local folder, or a name like tfidf-svd.")],
    out: Annotated[Path, typer.Option(help="A .safetensors file: vectors, item ids, manifest.")],
    text: TextOption = "{title}",
    pooling: PoolingOption = None,
    layer: LayerOption = -1,
    max_tokens: MaxTokensOption = 30,
    prompt: PromptOption = "{text}",
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    placement: PlacementOption = "auto",
    normalize: Annotated[bool, typer.Option(help="Scale vectors to length 1.")] = False,
    cache: CacheOption = "auto",
) -> None:
    """Turn the texts of an items file into vectors with an encoder.

    Under `accelerate launch -m tcf encode ...` the processes share the work through the cache.
    """
    settings: dict[str, Any] = {
        "pooling": pooling,
        "layer": layer,
        "max_tokens": max_tokens,
        "prompt": prompt,
        "dtype": dtype,
        "quantization": quantization,
        "placement": placement,
        "normalize": normalize,
        "cache": cache,
    }
    with _errors():
        from tcf.data.formats import read_items
        from tcf.encode.items import save_catalog

        if out.suffix != ".safetensors":
            raise ValueError(
                f"vectors with their item ids are written to a .safetensors file; got {str(out)!r}"
            )
        shape = save_catalog(read_items(items, text=text), out, encoder=encoder, **settings)
        if shape is not None:
            typer.echo(f"{out}: {shape[0]} vectors of width {shape[1]}")


@app.command()
def plan(
    encoder: Annotated[str, typer.Argument(help="Hub name, local folder, or a short name.")],
    items: Annotated[Path, typer.Argument(help="Items file: TSV, CSV (.gz too) or Parquet.")],
    text: TextOption = "{title}",
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    max_tokens: MaxTokensOption = 30,
    placement: PlacementOption = "auto",
    cache: CacheOption = "auto",
) -> None:
    """Say what encoding would take, and where it would run; downloads no weights."""
    with _errors():
        from tcf.data.formats import read_items
        from tcf.encode.planner import plan as make_plan

        made = make_plan(
            read_items(items, text=text).texts,
            encoder=encoder,
            dtype=dtype,
            quantization=quantization,
            max_tokens=max_tokens,
            placement=placement,
            cache=cache,
        )
        title = f"encoding {items} with {made.spec.display_name}"
        _print_rows(("what", "figure"), made.rows(), title=title)


@app.command()
def doctor(
    encoder: Annotated[str, typer.Argument(help="Hub name, local folder, or a name.")],
    texts: Annotated[
        Path | None, typer.Option(help="Items file as for `encode`, or a .txt with a text a line.")
    ] = None,
    text: TextOption = "{title}",
    pooling: PoolingOption = None,
    layer: LayerOption = -1,
    max_tokens: MaxTokensOption = 30,
    prompt: PromptOption = "{text}",
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    cache: CacheOption = "auto",
) -> None:
    """Check an encoder before a long run; exits with 1 if there is a problem."""
    with _errors():
        from tcf.encode.doctor import diagnose

        findings = diagnose(
            encoder,
            None if texts is None else _texts(texts, text),
            pooling=pooling,
            layer=layer,
            max_tokens=max_tokens,
            prompt=prompt,
            dtype=dtype,
            quantization=quantization,
            cache=cache,
        )
    _print_rows(
        ("check", "verdict", "found", "fix"),
        ((f.check, f.verdict, f.found, f.fix) for f in findings),
        title=encoder,
    )
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="A Python file with `def study() -> Study`.")],
    data: Annotated[Path | None, typer.Option(help="Folder with the study's data.")] = None,
    records: Annotated[
        Path | None, typer.Option(help="Folder for records and ledgers; default beside the file.")
    ] = None,
    cache: CacheOption = "auto",
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default one a core.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs; make none.")] = False,
    track: Annotated[
        str | None, typer.Option(help="Also log every epoch: tensorboard, wandb or mlflow.")
    ] = None,
) -> None:
    """Run a study: finished runs are skipped, the rest leave a record and a rank ledger each."""
    with _errors():
        planned = load_study(study)
        if dry_run:
            for config in planned.runs:
                typer.echo(config.name)
            typer.echo(f"{planned.name}: {len(planned.runs)} runs")
            return
        from tcf.study.runner import run_study

        folder = records or study.parent / "records"
        outcome = run_study(
            planned, records=folder, data=data, cache=cache, num_workers=workers, track=track
        )
        typer.echo(
            f"{planned.name}: {outcome.num_found} runs found, {outcome.num_made} made, "
            f"{outcome.num_elsewhere} left to another process; records in {folder}"
        )
        if any(folder.glob("*.json")):  # none yet if another process has all the runs
            _print_table(folder, planned.metrics[:2])


@app.command()
def table(
    records: RecordsArgument,
    metric: Annotated[list[str] | None, typer.Option(help="Such as hr@10; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write every row to this CSV.")] = None,
) -> None:
    """Print mean and spread over seeds of each data set, backbone and arm."""
    with _errors():
        if out is not None:
            from tcf._util import atomic_write
            from tcf.study.records import read_table

            with atomic_write(out) as temporary:
                read_table(records).write_csv(temporary)
        _print_table(records, metric or ["hr@10", "ndcg@10"])


@app.command()
def plot(
    records: RecordsArgument,
    out: Annotated[Path, typer.Option(help="Stem of the files to write: OUT.svg and OUT.csv.")],
    metric: Annotated[str, typer.Option(help="Such as hr@10.")] = "hr@10",
    title: Annotated[str | None, typer.Option(help="Above the panels.")] = None,
    without_embeddings: Annotated[
        bool, typer.Option("--without-embeddings", help="Count parameters without embeddings.")
    ] = False,
) -> None:
    """Draw metric against encoder parameters, beside the ID baseline and popularity."""
    with _errors():
        import polars as pl

        from tcf.plot import scaling_plot
        from tcf.study.records import read_table

        frame, counted = read_table(records), "encoder parameters used, embeddings included"
        if without_embeddings:
            counted = "encoder parameters used, embeddings left out"
            frame = frame.with_columns(parameters=pl.col("parameters_without_embeddings"))
        drawing = scaling_plot(frame, metric=metric, title=title, x_label=counted)
        for path in drawing.save(out):
            typer.echo(path)


store = typer.Typer(no_args_is_help=True, help="List, verify and prune the vectors of a cache.")
app.add_typer(store, name="store")
KeyArgument = Annotated[
    list[str] | None, typer.Argument(help="First digits of a key; default every store.")
]


@store.command("ls")
def store_ls(cache: CacheOption = "auto") -> None:
    """List what a cache holds, the latest written first."""
    with _errors():
        from tcf.encode.stores import list_stores

        folder = _cache(cache)
        rows = [
            (
                one.key[:12],
                one.name,
                one.reading,
                f"{one.num_vectors:,}",
                f"{one.num_bytes / 1e6:.1f}",
                f"{one.age_days:.1f}",
                one.problem,
            )
            for one in list_stores(folder)
        ]
        heads = ("key", "encoder", "reading", "vectors", "MB", "days old", "problem")
        _print_rows(heads, rows, title=str(folder))


@store.command("verify")
def store_verify(keys: KeyArgument = None, cache: CacheOption = "auto") -> None:
    """Read every byte; what is damaged is named, and encoded again by the next call."""
    with _errors():
        from tcf.encode.stores import list_stores, verify_store

        folder, num_bad = _cache(cache), 0
        for key in keys or [one.key for one in list_stores(folder)]:
            found = list(verify_store(folder, key))
            num_bad += len(found)
            typer.echo("\n".join(found) if found else f"{key[:12]}: whole")
        if num_bad:
            raise typer.Exit(1)


@store.command("prune")
def store_prune(
    keys: KeyArgument = None,
    older_than: Annotated[
        float | None, typer.Option(help="Also every store not written to for so many days.")
    ] = None,
    cache: CacheOption = "auto",
) -> None:
    """Remove stores: vectors cost time to make again, and nothing else."""
    with _errors():
        from tcf.encode.stores import list_stores, prune_store

        folder, doomed = _cache(cache), list(keys or [])
        if older_than is not None:
            doomed += [one.key for one in list_stores(folder) if one.age_days > older_than]
        if keys is None and older_than is None:
            raise ValueError("name the keys to remove, or --older-than DAYS")
        freed = sum(prune_store(folder, key) for key in doomed)
        typer.echo(f"{len(doomed)} stores removed, {freed / 1e6:.1f} MB freed")


def _cache(cache: str) -> Path:
    from tcf.encode.location import cache_folder

    return cache_folder(cache) or Path()


def load_study(path: Path) -> "Study":
    """Return the study of a Python file.

    Raises:
        DataError: If there is no such file, or it has no ``study()`` that returns a `Study`.
    """
    import runpy

    from tcf.errors import DataError
    from tcf.study.config import Study

    if not path.is_file():
        raise DataError(f"{path}: a study file is needed; there is none: check the path")
    make = runpy.run_path(str(path)).get("study")
    made = make() if callable(make) else None
    if not isinstance(made, Study):
        raise DataError(f"{path}: a study file needs `def study() -> Study`; study() gave {made!r}")
    return made


def _texts(path: Path, template: str) -> list[str]:
    """Return the texts of an items file, or the lines of a .txt file, blank ones too."""
    from tcf.data.formats import read_items
    from tcf.errors import DataError

    if path.suffix != ".txt":
        return list(read_items(path, text=template).texts)
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: a UTF-8 file with a text a line is needed; {error}") from error


def _print_table(folder: Path, metrics: list[str] | tuple[str, ...]) -> None:
    from tcf.study.records import read_table

    frame = summary(read_table(folder), metrics)
    title = f"mean over seeds ± standard deviation: {folder}"
    _print_rows(frame.columns, frame.iter_rows(), title=title)


def _print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, title=Text(title))
    for row in rows:
        shown.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(shown)


def summary(frame: "pl.DataFrame", metrics: list[str] | tuple[str, ...]) -> "pl.DataFrame":
    """Return one row for each data set, backbone and arm, one column for each metric.

    Raises:
        ValueError: If a metric is not in the table.
    """
    import polars as pl

    have = frame["metric"].unique().to_list()
    for name in metrics:
        if name not in have:
            raise ValueError(f"metric must be one of {', '.join(sorted(have))}; got {name!r}")
    cell = ["dataset", "backbone", "arm", "parameters"]
    frame = frame.with_columns(pl.col("parameters").map_elements(_count, pl.String))

    def of(name: str) -> Any:
        value = pl.col("value").filter(pl.col("metric") == name)
        spread = pl.format(" ± {}", value.std().round(4).cast(pl.String)).fill_null("")
        return pl.concat_str(value.mean().round(4).cast(pl.String), spread).alias(name)

    return frame.group_by(cell, maintain_order=True).agg(
        pl.col("seed").n_unique().alias("seeds"),
        pl.col("hit_epoch_limit")
        .any()
        .replace_strict({True: "yes", False: ""})
        .alias("at epoch limit"),
        *map(of, metrics),
    )


def _count(number: int) -> str:
    """1234567 -> "1.23M"."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


@contextmanager
def _errors() -> Iterator[None]:
    """Say what is wrong in one line and exit with 1; a bug keeps its traceback."""
    try:
        yield
    except (TcfError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except RuntimeError as error:
        if not isinstance(error.__cause__, (TcfError, ValueError)):
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
