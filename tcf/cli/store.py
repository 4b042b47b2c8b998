"""`tcf store ls | verify | prune`: the vectors of a cache."""

from pathlib import Path
from typing import Annotated

import typer

from tcf.cli.options import CacheOption, KeyArgument
from tcf.cli.shared import one_line_errors, print_rows

__all__ = ["store"]

store = typer.Typer(no_args_is_help=True, help="List, verify and prune the vectors of a cache.")


@store.command("ls")
def store_ls(cache: CacheOption = "auto") -> None:
    """List what a cache holds, the latest written first."""
    with one_line_errors():
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
        print_rows(heads, rows, title=str(folder))


@store.command("verify")
def store_verify(keys: KeyArgument = None, cache: CacheOption = "auto") -> None:
    """Read every byte; what is damaged is named, and encoded again by the next call."""
    with one_line_errors():
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
    with one_line_errors():
        from tcf.encode.stores import list_stores, prune_store

        folder, doomed = _cache(cache), list(keys or [])
        if older_than is not None:
            doomed += [one.key for one in list_stores(folder) if one.age_days > older_than]
        if keys is None and older_than is None:
            raise ValueError("name the keys to remove, or --older-than DAYS")
        freed = sum(prune_store(folder, key) for key in doomed)
        typer.echo(f"{len(doomed)} stores removed, {freed / 1e6:.1f} MB freed")


def _cache(cache: str) -> Path:
    from tcf.data.location import cache_folder

    return cache_folder(cache) or Path()
