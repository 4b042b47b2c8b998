"""Draws plots/q2_universality*.svg and .csv from the committed records.

Run: python plots/q2_universality.py
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tcf.plot import grouped_plot, grouped_rows, layers_plot
from tcf.study.cells import Cell, read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
EXPERIMENTS = HERE.parent / "experiments"
METRIC = "ndcg@10"


def main(out: Path = HERE, records: Path = EXPERIMENTS / "q2_universality" / "records") -> None:
    """Read the records and the published figures, and draw into ``out``."""
    cells = read_cells(records)
    harvest = [cell for cell in cells if str(_arm(cell).get("family")).startswith("MiniLM, ")]
    rows = _measured([cell for cell in cells if cell not in harvest])
    rows = pl.concat([rows, pl.DataFrame(list(_published()))], how="diagonal")
    title = "A small encoder tuned, against itself and the largest frozen"
    grouped_plot(rows, title=title).save(out / "q2_universality")
    table = pl.DataFrame(
        [
            {
                "dataset": cell.dataset,
                "backbone": cell.backbone,
                "layer": _arm(cell)["layer"],
                "pooling": _arm(cell)["pooling"].replace("_", " "),
                "value": cell.values(METRIC).mean(),
            }
            for cell in harvest
        ]
    )
    title = "MiniLM frozen, by depth and pooling"
    layers_plot(table, metric=METRIC, title=title).save(out / "q2_universality_harvest")


def _arm(cell: Cell) -> dict[str, Any]:
    return cell.records[0]["config"]["arm"]


def _measured(cells: Sequence[Cell]) -> pl.DataFrame:
    means = evidence(cells, metrics=[METRIC]).sort(
        "dataset", "parameters", pl.col("tuned").is_not_null(), maintain_order=True
    )
    encoder, way = (pl.col("arm").str.extract(x) for x in (r"^([^,]*)", r", (.*)$"))
    by_id = pl.col("kind") == "id"
    return grouped_rows(
        means,
        panel=pl.col("dataset"),
        group=pl.when(by_id).then(pl.lit("item IDs")).otherwise(encoder),
        name=pl.when(by_id).then("arm").otherwise(way.fill_null("frozen")),
    )


def _published() -> Iterator[dict[str, Any]]:
    """Yield what the study says of SASRec: OPT-125M both ways, OPT-66B tuned, 175B frozen, IDs."""
    folder = EXPERIMENTS / "published"
    curves = json.loads((folder / "published.json").read_text("utf-8"))["panels"]
    figures = json.loads((folder / "figures.json").read_text("utf-8"))["figures"]
    found = {
        (x["dataset"], x["encoder"], x["mode"]): x["value"]
        for x in figures
        if x["study"] in ("fine-tuning", "versus-id")
        and (x["backbone"], x["metric"]) == ("SASRec", METRIC)
    }
    for curve in curves:
        if (curve["backbone"], curve["metric"]) == ("SASRec", METRIC):
            found[curve["dataset"], "OPT-125M", "frozen"] = curve["values"][0]
    for dataset in dict.fromkeys(dataset for dataset, *_ in found):
        about = {"panel": f"{dataset}, published", "metric": METRIC}
        shown = [("item IDs", "ID", found[dataset, "ID", "id"])]
        for encoder, mode in (
            ("OPT-125M", "frozen"),
            ("OPT-125M", "top-2-tuned"),
            ("OPT-66B", "top-2-tuned"),
            ("OPT-175B", "frozen"),
        ):
            shown.append((encoder, mode.replace("-", " "), found[dataset, encoder, mode]))
        for group, name, value in shown:
            yield {**about, "group": group, "name": name, "value": value, "published": True}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
