"""claims(): what a study could be said to show, and which of it a control shows as well. No torch.

A claim is a paired difference whose interval leaves 0 out. It is *explained* by a control that does
as well: one that the arm is not ahead of, or under which the same gain is not there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tcf.evaluate.paired import difference_interval
from tcf.evaluate.stats import Interval
from tcf.study.cells import Cell
from tcf.study.compare import paired_values
from tcf.study.controls import CONTROLS

__all__ = ["Claim", "claims"]

_OF_AN_ARM = tuple(name for name in CONTROLS if name != "width")
_OF_A_CURVE = ("width", "random_weights")
_WORDS = {
    "popularity": "popularity",
    "random_vectors": "random vectors",
    "random_weights": "random weights",
    "shuffled": "shuffled texts",
    "tfidf": "TF-IDF",
    "width": "encoders of one width",
}


@dataclass(frozen=True)
class Claim:
    """A statement that a study invites, and what its controls say of it.

    Attributes:
        dataset, backbone, metric: Where it would hold.
        arm: The arm it is about; of a curve, the largest.
        text: The statement, in words.
        gain: The difference behind it.
        explained_by: What each control that explains it shows, in words; none: it stands.
        missing: Controls that the study has not.
    """

    dataset: str
    backbone: str | None
    metric: str
    arm: str
    text: str
    gain: Interval
    explained_by: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Return the claim with what its controls say, in a sentence or two."""
        span = f"{self.gain.mean:+.4f} ({self.gain.low:+.4f} to {self.gain.high:+.4f})"
        said = f"{self.text}: {span}"
        if self.explained_by:
            said += f". Explained: {'; '.join(self.explained_by)}"
        elif not self.missing:
            said += ". No control explains it"
        if self.missing:
            said += f". Not controlled for: {', '.join(_WORDS[name] for name in self.missing)}"
        return f"{said}."


def claims(cells: Sequence[Cell], *, metric: str = "ndcg@10", seed: int = 0) -> list[Claim]:
    """Return what could be claimed of text in each data set and backbone.

    Of every family of frozen language models with two sizes: that the largest beats the smallest.
    Of the best language model, frozen or tuned: that what it reads in the texts makes it better
    than not reading them, for which each control is a rival. Only what the study's own interval
    supports is a claim; gains are not corrected for their number. What starts from other data sets,
    or learns from a share of the users, is no part of it.

    Args:
        cells: From `read_cells`.
        metric: Such as ``"ndcg@10"``.
        seed: Of the bootstrap.
    """
    cells = [cell for cell in cells if not _learns_otherwise(cell)]
    panels = dict.fromkeys((cell.dataset, cell.backbone) for cell in cells if cell.backbone)
    found = []
    for dataset, backbone in panels:
        panel = [c for c in cells if c.dataset == dataset and c.backbone in (backbone, None)]
        said = (*_of_the_best(panel, metric, seed), *_of_families(panel, metric, seed))
        found += [Claim(dataset, backbone, metric, *one) for one in said]
    return found


_Said = Iterator[tuple[str, str, Interval, tuple[str, ...], tuple[str, ...]]]


def _of_the_best(cells: Sequence[Cell], metric: str, seed: int) -> _Said:
    """The best language model against every control that knows less than it."""
    models = [cell for cell in cells if _arm(cell)["kind"] == "model" and not _control(cell)]
    if not models:
        return
    best = max(models, key=lambda cell: cell.values(metric).mean())
    rivals = {name: _rivals(cells, name, best) for name in _OF_AN_ARM}
    gains = {
        name: min((_gain(best, cell, metric, seed) for cell in found), key=lambda x: x.low)
        for name, found in rivals.items()
        if found
    }
    if not gains:
        return
    explained = tuple(
        f"{_WORDS[name]} cannot be told from it or {'is' if _one(name) else 'are'} ahead "
        f"({gain.mean:+.4f}, {gain.low:+.4f} to {gain.high:+.4f})"
        for name, gain in gains.items()
        if gain.low <= 0
    )
    closest = min(gains.items(), key=lambda item: item[1].low)
    text = f"What {best.arm} reads in the texts counts; closest is {_WORDS[closest[0]]}"
    missing = tuple(name for name in _OF_AN_ARM if name not in gains)
    yield best.arm, text, closest[1], explained, missing


def _of_families(cells: Sequence[Cell], metric: str, seed: int) -> _Said:
    """The largest of each family against the smallest, and what is left of it under controls."""
    frozen = [cell for cell in cells if _is_frozen_text(cell) and _size(cell)]
    for family in dict.fromkeys(_arm(cell)["family"] for cell in frozen):
        members = sorted((c for c in frozen if _arm(c)["family"] == family), key=_size)
        if family is None or len(members) < 2 or _size(members[0]) == _size(members[-1]):
            continue
        smallest, largest = members[0], members[-1]
        gain = _gain(largest, smallest, metric, seed)
        if gain.low <= 0:
            continue
        explained, missing = list[str](), list[str]()
        small, large = _alike(cells, smallest), _alike(cells, largest)
        pairs = [name for name in small if name in large]
        for name in pairs:
            left = _gain(large[name], small[name], metric, seed)
            if left.low <= 0:
                explained.append(f"{name}, the gain is {left.mean:+.4f} and cannot be told from 0")
        rivals = _rivals(cells, "random_weights", largest)
        for rival in rivals:
            ahead = _gain(largest, rival, metric, seed)
            if ahead.low <= 0:
                explained.append(f"random weights do as well ({ahead.mean:+.4f})")
        missing = [x for x, known in zip(_OF_A_CURVE, (pairs, rivals), strict=True) if not known]
        text = f"In {family}, {largest.arm} beats {smallest.arm}"
        yield largest.arm, text, gain, tuple(explained), tuple(missing)


def _rivals(cells: Sequence[Cell], name: str, of: Cell) -> list[Cell]:
    """Return the arms that stand for a control, of this arm where they say of which."""
    return [
        cell
        for cell in cells
        if _control(cell) == name and _arm(cell).get("control_of") in (None, of.arm)
    ]


def _alike(cells: Sequence[Cell], of: Cell) -> dict[str, Cell]:
    """Return what an arm is at the common width, by how it is brought there: PCA, projection."""
    return {
        c.arm.removeprefix(f"{of.arm}, "): c
        for c in cells
        if _control(c) == "width" and _arm(c).get("control_of") == of.arm
    }


def _is_frozen_text(cell: Cell) -> bool:
    """Whether an arm is a language model's vectors and nothing else, so that sizes compare."""
    arm = _arm(cell)
    more = any(arm.get(name) for name in ("tuned", "with_ids", "semantic_ids", "auxiliary"))
    return arm["kind"] == "model" and not more and not _control(cell)


def _learns_otherwise(cell: Cell) -> bool:
    """Whether an arm has more or fewer data to learn from than the others, which no control has."""
    arm = _arm(cell)
    return arm.get("transfer") is not None or arm.get("share", 1) != 1


def _control(cell: Cell) -> str | None:
    """Return what an arm controls for; some kinds are controls by their nature."""
    arm = _arm(cell)
    by_nature = {"random": "random_weights", "popularity": "popularity"}.get(arm["kind"])
    bags = "tfidf" if arm["encoder"] == "tfidf-svd" and arm["kind"] == "static" else None
    return arm.get("control") or by_nature or bags


def _gain(cell: Cell, other: Cell, metric: str, seed: int) -> Interval:
    return difference_interval(*paired_values(cell, other, metric), seed=seed)


def _arm(cell: Cell) -> dict[str, Any]:
    return cell.records[0]["config"]["arm"]


def _size(cell: Cell) -> int:
    return ((cell.records[0]["vectors"] or {}).get("parameters") or {}).get("total") or 0


def _one(name: str) -> bool:
    return name in ("popularity", "tfidf")
