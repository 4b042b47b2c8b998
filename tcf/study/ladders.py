"""Is a better language model a better item encoder? A ladder's losses beside a study. No torch."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tcf.errors import DataError
from tcf.evaluate.stats import Interval
from tcf.study.cells import Cell
from tcf.study.curves import Curve
from tcf.study.evidence import evidence
from tcf.study.scaling import fit_curve
from tcf.study.series import series_of

if TYPE_CHECKING:
    from tcf.study.curve_fit import CurveFit

__all__ = [
    "LossRank",
    "fit_loss",
    "loss_evidence",
    "loss_fit_table",
    "loss_ranks",
    "rank_correlation",
    "read_ladder",
]

_BYTE = math.log(256)  # nats of a byte of which nothing is known
_COLUMNS = {
    "name": pl.String,
    "parameters": pl.Int64,
    "parameters_without_embeddings": pl.Int64,
    "num_steps": pl.Int64,
    "num_tokens": pl.Int64,
    "num_passes": pl.Float64,
    "train_flops": pl.Int64,
    "train_loss": pl.Float64,
    "validation_loss": pl.Float64,
    "validation_loss_per_byte": pl.Float64,
    "seconds": pl.Float64,
}
_NUM_POINTS = 40


@dataclass(frozen=True)
class LossRank:
    """How a metric follows the validation loss over the sizes of a family.

    Attributes:
        dataset, backbone, series, metric: What it is of.
        num_sizes: Sizes of the ladder among the family's arms.
        correlation: Spearman's, with its interval; 1 where a lower loss always means a higher
            metric. None where it was refused.
        refused: The reason, or empty.
    """

    dataset: str
    backbone: str | None
    series: str
    metric: str
    num_sizes: int
    correlation: Interval | None
    refused: str


def read_ladder(path: str | PathLike[str]) -> pl.DataFrame:
    """Return a row a member of a ladder, the smallest first, as its ``ladder.json`` has it.

    Args:
        path: That file, or the folder that it is in.

    Returns:
        Columns name, parameters, parameters_without_embeddings, num_steps (0: untrained),
        num_tokens, num_passes, train_flops, train_loss and validation_loss (nats a token),
        validation_loss_per_byte, seconds.

    Raises:
        DataError: If it is missing, damaged, or has no member.
    """
    path = Path(path)
    path = path / "ladder.json" if path.is_dir() else path
    try:
        members = json.loads(path.read_text(encoding="utf-8"))["members"]
        rows = [{name: member[name] for name in _COLUMNS} for member in members]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: the ladder.json that `tcf ladder` writes beside the sizes is needed "
            f"({type(error).__name__}: {error})"
        ) from error
    if not rows:
        raise DataError(f"{path}: a ladder needs a finished size; it has none yet: train it")
    return pl.DataFrame(rows, schema=_COLUMNS)


def fit_loss(ladder: pl.DataFrame, *, seed: int) -> "CurveFit":
    """Fit how much of a byte's uncertainty is gone against size, a number between 0 and 1.

    That is ``1 - loss / log(256)`` with the loss in nats a byte, fitted by `fit_curve` over the
    parameters without embeddings; intervals are about the scatter around the curve.
    `loss_fit_table` gives losses back.

    Args:
        ladder: From `read_ladder`; what is untrained is left out.
        seed: Of the resampling.

    Raises:
        ValueError: If fewer than four sizes are trained.
    """
    trained = ladder.filter(pl.col("num_steps") > 0)
    known = 1 - trained["validation_loss_per_byte"].to_numpy() / _BYTE
    sizes = trained["parameters_without_embeddings"].to_numpy()
    return fit_curve(sizes, [np.float64(x) for x in known], seed=seed)


def loss_fit_table(fit: "CurveFit") -> pl.DataFrame:
    """Return the curve of `fit_loss` in nats a byte: columns form, x (size), value, low, high."""
    form = fit.bent or fit.best
    sizes = np.geomspace(fit.curve.sizes[0], fit.curve.sizes[-1], _NUM_POINTS)
    known, (low, high) = form.predict(np.log(sizes)), fit.band(sizes)
    heights = {"value": known, "low": np.maximum(high, known), "high": np.minimum(low, known)}
    losses = {name: (1 - height) * _BYTE for name, height in heights.items()}
    return pl.DataFrame({"form": [form.form.name] * len(sizes), "x": sizes, **losses})


def loss_evidence(
    cells: Sequence[Cell], ladder: pl.DataFrame, *, metrics: Sequence[str], seed: int = 0
) -> pl.DataFrame:
    """Return the evidence with a column ``loss``: of a ladder's member, its nats a byte, else null.

    Arms and members belong together by the name of the arm's encoder.

    Raises:
        ValueError: If no arm's encoder is a trained member, or one has another size than it.
    """
    table = evidence(cells, metrics=metrics, seed=seed)
    losses = {
        (cell.dataset, cell.backbone, cell.arm): loss for cell, loss in _matched(cells, ladder)
    }
    keys = table.select("dataset", "backbone", "arm").rows()
    return table.with_columns(loss=pl.Series([losses.get(key) for key in keys], dtype=pl.Float64))


def loss_ranks(
    cells: Sequence[Cell], ladder: pl.DataFrame, *, metrics: Iterable[str], seed: int
) -> list[LossRank]:
    """Return for each family under each backbone how the metric follows the loss.

    Args:
        cells: From `tcf.study.read_cells`.
        ladder: From `read_ladder`.
        metrics: Such as ``"ndcg@10"``.
        seed: Of the resampling.

    Raises:
        ValueError: As `loss_evidence`.
    """
    families: dict[tuple[str, str | None, str], list[tuple[Cell, float]]] = {}
    for cell, loss in _matched(cells, ladder):
        names = (cell.dataset, cell.backbone, series_of(_arm(cell)))
        families.setdefault(names, []).append((cell, loss))
    return [
        _ranked(names, members, metric, seed)
        for names, members in families.items()
        for metric in metrics
    ]


def rank_correlation(
    losses: Sequence[float],
    values: Sequence[Any],
    *,
    seed: int,
    level: float = 0.95,
    num_resamples: int = 1000,
) -> Interval:
    """Spearman's correlation of falling losses and a metric's means over seeds and users.

    The losses are taken as they are. Users are drawn anew once for all sizes and seeds as
    `Curve.draw` does it; the interval is percentiles of the correlations: it is about these sizes
    with new users and seeds, not about other sizes.

    Args:
        losses: ``(n,)``, at least four, all different.
        values: ``(num_seeds, num_users)`` of each, the same users in the same order.
        seed: Of the resampling.
        level: Nominal coverage.
        num_resamples: How many.

    Raises:
        ValueError: As `Curve.of`.
    """
    curve = Curve.of(losses, values)
    drawn = _spearman(-curve.sizes, curve.draw(num_resamples, rng=np.random.default_rng(seed)))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    found = _spearman(-curve.sizes, curve.means[None]).item()
    return Interval(found, min(float(low), found), max(float(high), found), level, curve.about)


def _ranked(
    names: tuple[str, str | None, str],
    members: Sequence[tuple[Cell, float]],
    metric: str,
    seed: int,
) -> LossRank:
    found, refused = None, ""
    try:
        losses = [loss for _, loss in members]
        found = rank_correlation(losses, [cell.values(metric) for cell, _ in members], seed=seed)
    except ValueError as error:
        refused = str(error)
    return LossRank(*names, metric, len(members), found, refused)


def _spearman(x: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Of ``(n,)`` and each row of ``(R, n)``; 0 where all means of a row are equal."""
    from scipy.stats import rankdata

    a = rankdata(x) - (len(x) + 1) / 2
    b = rankdata(means, axis=1) - (len(x) + 1) / 2
    spread = np.sqrt((a @ a) * (b * b).sum(1))
    return np.divide(b @ a, spread, out=np.zeros(len(b)), where=spread > 0)


def _matched(cells: Sequence[Cell], ladder: pl.DataFrame) -> list[tuple[Cell, float]]:
    """Return the cells whose encoder is a trained member, with its loss."""
    trained = ladder.filter(pl.col("num_steps") > 0)
    members = {row["name"]: row for row in trained.iter_rows(named=True)}
    found = []
    for cell in cells:
        arm = _arm(cell)
        member = members.get(Path(arm.get("encoder") or "").name)
        if arm["kind"] != "model" or arm.get("control") or member is None:
            continue
        here = (cell.records[0]["vectors"] or {}).get("parameters") or {}
        ours, theirs = here.get("without_embeddings"), member["parameters_without_embeddings"]
        if ours != theirs:
            raise ValueError(
                f"{cell.name}: its encoder must be the ladder's {member['name']}; that has "
                f"{theirs:,} parameters without embeddings, the run's {ours}: name its own ladder"
            )
        found.append((cell, float(member["validation_loss_per_byte"])))
    if not found:
        named = sorted({str(_arm(cell).get("encoder")) for cell in cells} - {"None"})
        raise ValueError(
            f"the arms' encoders must be sizes of the ladder, {', '.join(members) or 'none'}; "
            f"they are {', '.join(named) or 'none'}: name the ladder that the study took"
        )
    return found


def _arm(cell: Cell) -> dict[str, Any]:
    return cell.records[0]["config"]["arm"]
