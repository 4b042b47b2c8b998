"""diff(): in what two runs, or two arms over their seeds, differ, and by how much. No torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel, ValidationError

from tcf.errors import DataError
from tcf.evaluate.slices import members, slice_names
from tcf.study.cells import Cell
from tcf.study.compare import compare_pairs
from tcf.study.movers import movers

if TYPE_CHECKING:
    from tcf.data.split import Split

__all__ = ["Diff", "Difference", "costs", "diff", "differences"]


@dataclass(frozen=True)
class Difference:
    """A field in which two cells differ.

    Attributes:
        part: ``"config"``, ``"data"`` or ``"environment"``.
        field: Dotted, such as ``"train.learning_rate"``.
        a, b: Its value; None where it has none; a list of them where the seeds of a cell differ.
    """

    part: str
    field: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Diff:
    """How cell ``b`` differs from cell ``a``.

    Attributes:
        a, b: The cells: one run, or an arm over its seeds.
        differences: In config, data and environment; none where nothing differs.
        costs: Columns field, a, b: means over the seeds; null where a cell has none.
        slices: As `compare_pairs`; differences are b - a.
        users, items: Those that moved most, as `movers`; None without the data.
    """

    a: Cell
    b: Cell
    differences: tuple[Difference, ...]
    costs: pl.DataFrame = field(repr=False)
    slices: pl.DataFrame = field(repr=False)
    users: pl.DataFrame | None = field(repr=False)
    items: pl.DataFrame | None = field(repr=False)

    @property
    def is_one_run(self) -> bool:
        """Whether both have the same fingerprints: what decides their figures is the same."""
        return _fingerprints(self.a) == _fingerprints(self.b)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        frames = {name: getattr(self, name) for name in ("costs", "slices", "users", "items")}
        return {
            **{name: _about(cell) for name, cell in (("a", self.a), ("b", self.b))},
            "is_one_run": self.is_one_run,
            "differences": [asdict(one) for one in self.differences],
            **{x: None if frame is None else frame.to_dicts() for x, frame in frames.items()},
        }


def diff(
    a: Cell,
    b: Cell,
    *,
    metrics: Sequence[str] = ("ndcg@10",),
    slices: Sequence[str] | None = None,
    seed: int = 0,
    split: "Split | None" = None,
    top: int = 10,
) -> Diff:
    """Return how ``b`` differs from ``a``: config, data, environment, cost, and metrics by slice.

    Users are paired. The p-values of all slices and metrics are corrected together.

    Args:
        a, b: From `open_pair` or `read_cells`.
        metrics: Such as ``"ndcg@10"``; by the first of them users and items move.
        slices: As in `evidence`; None: all users, and every slice that holds some but not all.
        seed: Of the resampling.
        split: The data themselves, for the users and items that moved most: ledgers hold no ids.
        top: Users and items listed each way.

    Raises:
        DataError: If the cells are of different splits (`differences` and `costs` still tell what
            differs), or ``split`` is not theirs.
    """
    slices = _slices(b) if slices is None else slices
    table = compare_pairs([(b, a)], metrics=metrics, slices=slices, seed=seed)
    moved = (None, None) if split is None else movers(a, b, split, metric=metrics[0], top=top)
    return Diff(a, b, differences(a, b), costs(a, b), table, *moved)


def differences(a: Cell, b: Cell) -> tuple[Difference, ...]:
    """Return the fields of config, data and environment in which two cells differ.

    A setting that is newer than a record has its default there, which is how the run was made. What
    is not trained has no settings of training.

    Raises:
        DataError: If a record's config is none that this version knows.
    """
    readers = {"config": _config, "data": _data, "environment": _environment}
    found: list[Difference] = []
    for part, read in readers.items():
        here, there = _over_seeds(a, read), _over_seeds(b, read)
        for name in {**here, **there}:
            values, others = here.get(name, [None]), there.get(name, [None])
            if sorted(map(repr, values)) != sorted(map(repr, others)):
                found.append(Difference(part, name, _alone(values), _alone(others)))
    return tuple(found)


def costs(a: Cell, b: Cell) -> pl.DataFrame:
    """Return what two cells cost, as the columns field, a, b: means over their seeds."""
    columns = []
    for cell in (a, b):
        runs = [_cost(record) for record in cell.records]
        names = dict.fromkeys(name for run in runs for name in run)
        columns.append({x: fmean(run[x] for run in runs if x in run) for x in names})
    here, there = columns
    rows = [(name, here.get(name), there.get(name)) for name in {**here, **there}]
    schema = {"field": pl.String, "a": pl.Float64, "b": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _slices(cell: Cell) -> list[str]:
    """Return what a whole table of slices is made of: a slice of everyone would be there twice."""
    shares = {name: members(cell.split, name).mean() for name in slice_names()}
    return [name for name, share in shares.items() if name == "all" or 0 < share < 1]


def _over_seeds(
    cell: Cell, read: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, list[Any]]:
    """Return the distinct values of each field, most often one, in the order of the seeds."""
    runs = []
    for path, record in zip(cell.paths, cell.records, strict=True):
        try:
            runs.append(read(record))
        except ValidationError as error:
            raise DataError(
                f"{path}: its config must be one that this version knows: "
                f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}: read it with the version "
                "that made it, or run the study again"
            ) from error
    found: dict[str, list[Any]] = {}
    for run in runs:
        for name, value in run.items():
            values = found.setdefault(name, [])
            values += [] if value in values else [value]
    return found


def _alone(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _config(record: Mapping[str, Any]) -> dict[str, Any]:
    from tcf.study.config import RunConfig

    config = RunConfig.model_validate(record["config"])
    if config.backbone is not None:
        return dict(_leaves(config))
    return dict(_leaves({"dataset": config.dataset, "arm": config.arm, "seed": config.seed}))


def _data(record: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in record["data"].items() if name != "audit"}
    return dict(_leaves({**data, "vectors": record["vectors"]}))  # the checksum says it all


def _environment(record: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in record["provenance"].items() if name != "seed"}
    where = {name: record["compute"][name] for name in ("device", "num_threads")}
    return dict(_leaves({**made, **where, "numbers": record.get("numbers", 1)}))


def _cost(record: Mapping[str, Any]) -> dict[str, float]:
    history, tuning = record["history"] or {}, record.get("tuning") or {}
    compute = {x: y for x, y in record["compute"].items() if x not in ("device", "num_threads")}
    training = {**history, "epochs": len(history["epochs"])} if history else {}
    told = {
        "parameters": record["parameters"],
        **compute,
        **{name: training.get(name) for name in ("epochs", "best_epoch", "hit_epoch_limit")},
        "tuning": {name: tuning.get(name) for name in ("num_trials", "seconds")},
    }
    return {name: float(value) for name, value in _leaves(told) if value is not None}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names and plain values, defaults included; what is empty counts as None."""
    if isinstance(value, BaseModel):
        value = {x: getattr(value, x) for x in type(value).model_fields}
    if isinstance(value, list | tuple):
        value = tuple(value) or None
        if value and isinstance(value[0], dict | BaseModel):
            value = {str(n): x for n, x in enumerate(value)}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _fingerprints(cell: Cell) -> set[str]:
    return {record["fingerprint"] for record in cell.records}


def _about(cell: Cell) -> dict[str, Any]:
    return {
        "name": cell.name,
        "seeds": list(cell.seeds),
        "records": [path.name for path in cell.paths],
        "fingerprints": [record["fingerprint"] for record in cell.records],
        "split": cell.checksum,
    }
