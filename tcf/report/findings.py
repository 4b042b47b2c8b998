"""gather(): everything that the page of a study says, computed once. Loads no torch."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tcf.errors import DataError
from tcf.evaluate.metrics import check_metric
from tcf.evaluate.slices import slice_names
from tcf.study.cells import Cell
from tcf.study.claims import Claim, claims
from tcf.study.compare import compare
from tcf.study.evidence import evidence
from tcf.study.series import SeriesFit, fit_series

__all__ = ["Findings", "gather"]

PREFERRED, BASELINE = "ndcg@10", "ID"


@dataclass(frozen=True)
class Findings:
    """The tables behind a page.

    Attributes:
        cells: The arms of the study.
        metrics: The one of the verdicts first, then those that every record names.
        against: Name of the arm that all others are compared with.
        evidence: Every arm and run in every metric, over all users (`tcf.study.evidence`).
        slices: The arms' means in the first metric, slice by slice.
        splits: The ledger of each data set's split, where it is at hand.
        comparisons: Each arm against ``against`` (`tcf.study.compare`); empty without such an arm.
        series: The curve of each family of encoders in every metric.
        claims: What the study invites one to say in the first metric (`tcf.study.claims`).
    """

    cells: Sequence[Cell] = field(repr=False)
    metrics: tuple[str, ...]
    against: str
    evidence: pl.DataFrame = field(repr=False)
    slices: pl.DataFrame = field(repr=False)
    splits: Mapping[str, pl.DataFrame] = field(repr=False)
    comparisons: pl.DataFrame = field(repr=False)
    series: Sequence[SeriesFit] = field(repr=False)
    claims: Sequence[Claim] = field(repr=False)

    @property
    def panels(self) -> list[tuple[str, str | None]]:
        """Data sets and backbones in their order; None where nothing of a data set is trained."""
        pairs = list(dict.fromkeys((cell.dataset, cell.backbone) for cell in self.cells))
        trained = {dataset for dataset, backbone in pairs if backbone}
        return [(d, b) for d, b in pairs if b is not None or d not in trained]

    def cells_of(self, dataset: str, backbone: str | None) -> list[Cell]:
        """Return the arms of a panel, what is not trained not among them."""
        return [c for c in self.cells if (c.dataset, c.backbone) == (dataset, backbone)]


def gather(
    cells: Sequence[Cell],
    *,
    metric: str | None = None,
    against: str | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Findings:
    """Compute the tables of a page.

    Args:
        cells: From `tcf.study.read_cells`.
        metric: What the verdicts, comparisons and slices are about, computed from the ledgers;
            default NDCG@10, or the first that the records name.
        against: Name of the arm that all others are compared with; default ID, where there is one.
        seed: Of the resampling.
        say: Takes a line for each data set without slices, with the reason.

    Raises:
        ValueError: If ``metric`` is none, or no arm is named ``against``.
    """
    sliced = _with_split(cells, say)
    metrics = _metrics(cells, metric)
    told = against or any(cell.arm == BASELINE for cell in cells)
    against = against or BASELINE
    compared = compare(cells, against=against, metrics=metrics[:1], seed=seed) if told else None
    return Findings(
        cells=cells,
        metrics=metrics,
        against=against,
        evidence=evidence(cells, metrics=metrics, seed=seed),
        slices=evidence(sliced, metrics=metrics[:1], slices=slice_names()[1:], seed=seed).filter(
            mark="mean"
        ),
        splits={cell.dataset: cell.split for cell in sliced},
        comparisons=pl.DataFrame() if compared is None else compared,
        series=fit_series(cells, metrics=metrics, against=against, seed=seed),
        claims=claims(cells, metric=metrics[0], seed=seed),
    )


def _metrics(cells: Sequence[Cell], first: str | None) -> tuple[str, ...]:
    told = [record["metrics"] for cell in cells for record in cell.records]
    shared = [name for name in told[0] if all(name in one for one in told)]
    default = PREFERRED if PREFERRED in shared or not shared else shared[0]
    check_metric(chosen := first or default)
    return (chosen, *(name for name in shared if name != chosen))


def _with_split(cells: Sequence[Cell], say: Callable[[str], None]) -> list[Cell]:
    """Return the cells whose split has a ledger; name each data set that is left out, once."""
    lacking: dict[str, str] = {}
    for cell in cells:
        if cell.dataset not in lacking:
            try:
                _ = cell.split
            except DataError as error:
                lacking[cell.dataset] = str(error)
    for dataset, reason in lacking.items():
        say(f"no slices of {dataset}: {reason}")
    return [cell for cell in cells if cell.dataset not in lacking]
