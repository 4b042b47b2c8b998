"""`tcf diff`: in what two runs, or two arms, differ, and by how much."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tcf.cli.options import DataOption
from tcf.cli.shared import load_study, one_line_errors, print_rows

if TYPE_CHECKING:
    import polars as pl

    from tcf.data.split import Split
    from tcf.study.cells import Cell
    from tcf.study.diff import Diff, Difference

__all__ = ["diff"]

_LONGEST = 48  # characters of a text in a table


def diff(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="A record's file, or FOLDER/NAME: records and a cell."),
    ],
    b: Annotated[
        str,
        typer.Argument(metavar="B", help="Likewise; what it leaves out, FOLDER or NAME, is A's."),
    ],
    metric: Annotated[
        list[str] | None, typer.Option(help="Such as hr@10; repeatable. Default ndcg@10.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="The study's file: also list the users and items that move.")
    ] = None,
    data: DataOption = None,
    top: Annotated[int, typer.Option(min=1, help="Users and items listed each way.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Also write everything to this JSON.")] = None,
) -> None:
    """Say in what B differs from A: config, environment, cost, and the metric in each slice.

    Two arms over their seeds: tcf diff "records/SASRec/ID" "SASRec/TF-IDF".

    Two runs: their files, or names that end in "/seed 0".

    Before and after a change: tcf diff "old/records/SASRec/ID" new/records.

    Differences are B - A, user by user, which takes one split; config and cost are shown without.
    """
    with one_line_errors():
        from tcf._util import write_json
        from tcf.evaluate.metrics import check_metric
        from tcf.study.cells import open_pair
        from tcf.study.diff import costs, differences
        from tcf.study.diff import diff as make_diff

        metrics = metric or ["ndcg@10"]
        for name in metrics:
            check_metric(name)
        first, second = open_pair(a, b)
        split = _split(study, data, first.dataset)
        for letter, cell in (("A", first), ("B", second)):
            typer.echo(f"{letter}: {_about(cell)}")
        _print_differences(differences(first, second))  # also where the rest must refuse
        _print_costs(costs(first, second))
        made = make_diff(first, second, metrics=metrics, split=split, top=top)
        if made.is_one_run:
            keys = ", ".join(record["fingerprint"][:12] for record in first.records)
            typer.echo(f"A and B are the same run: one fingerprint, {keys}")
        _print_slices(made, metrics)
        _print_movers(made, metrics[0])
        if out is not None:
            write_json(out, made.as_dict())


def _split(study: Path | None, data: Path | None, dataset: str) -> "Split | None":
    if study is None:
        if data is not None:
            raise ValueError("--data is read by a study: name its file with --study FILE")
        return None
    planned = load_study(study, dataset=dataset)
    from tcf.study.opened import load_split

    return load_split(planned, data)[0]


def _about(cell: "Cell") -> str:
    seeds = ", ".join(map(str, cell.seeds))
    return f"{cell.name}, seed{'s' * (len(cell.seeds) > 1)} {seeds}, in {cell.paths[0].parent}"


def _print_differences(found: Sequence["Difference"]) -> None:
    if not found:
        typer.echo("config, data and environment: nothing differs")
        return
    rows = ((one.part, one.field, _shown(one.a), _shown(one.b)) for one in found)
    print_rows(("part", "field", "A", "B"), rows, title="what differs")


def _print_costs(frame: "pl.DataFrame") -> None:
    rows = (
        (name, _amount(name, a), _amount(name, b), f"{b / a:.3g}" if a and b is not None else "")
        for name, a, b in frame.iter_rows()
        if a or b
    )
    print_rows(("cost", "A", "B", "B / A"), rows, title="what it costs, means over seeds")


def _print_slices(made: "Diff", metrics: Sequence[str]) -> None:
    first = made.slices.row(0, named=True)
    for name in metrics:
        rows = (
            (
                row["slice"],
                f"{row['num_users']:,}",
                f"{row['against_value']:.4f}",
                f"{row['value']:.4f}",
                f"{row['difference']:+.4f}",
                f"{row['low']:+.4f} to {row['high']:+.4f}",
                _p(row["p"]),
                _p(row["p_holm"]),
                f"{row['num_better']:,}",
                f"{row['num_worse']:,}",
            )
            for row in made.slices.filter(metric=name).iter_rows(named=True)
        )
        heads = ("slice", "users", "A", "B", "B - A", "95% interval", "p", "p, all", "up", "down")
        print_rows(heads, rows, title=f"{name}, about {first['interval_about']}")
    typer.echo(
        f"p: {first['test']}; p, all: corrected for all {len(made.slices)} comparisons (Holm); "
        "up, down: users whose mean over seeds is higher or lower in B"
    )


def _print_movers(made: "Diff", metric: str) -> None:
    if made.users is None or made.items is None:
        typer.echo(
            "users and items that moved most: ledgers hold no ids; name the data with "
            "--study FILE [--data FOLDER]"
        )
        return
    for frame, title in (
        (made.users, f"users that moved most, by {metric}"),
        (made.items, f"items that moved most as targets, by the sum of {metric} over their users"),
    ):
        heads = [name.replace("_", " ") for name in frame.columns]
        print_rows(heads, ([_shown(x) for x in row] for row in frame.iter_rows()), title=title)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:.5g}"
    text = re.sub(r"^([0-9a-f]{12})[0-9a-f]{28,}(-dirty)?$", r"\1\2", str(value))  # commit, hash
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name.endswith("_bytes"):
        return f"{value / 1e6:,.0f} MB"
    if name.endswith("seconds"):
        return f"{value:,.1f} s"
    if name.endswith("_flops"):
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _p(value: float) -> str:
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
