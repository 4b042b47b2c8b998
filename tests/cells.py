"""Every backbone, loss and tower, and a choice of their combinations that holds every pair."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from tcf.data.catalog import Catalog
from tcf.encode import TrunkStates, Whitening, apply_transforms, encode_trunk
from tcf.encode.embeddings import Embeddings
from tcf.model import (
    DSSM,
    LOSSES,
    NGCF,
    Alignment,
    AlphaRec,
    Auxiliary,
    BERT4Rec,
    FrozenTextTower,
    GRU4Rec,
    HybridTower,
    IdTower,
    LightGCN,
    MeanHistory,
    MetadataHead,
    MixtureProjector,
    NextItNet,
    Recommender,
    SASRec,
    SelfSupervision,
    SemanticIdTower,
    TextUsers,
    TunedTextTower,
    UserVectors,
)
from tcf.model.backbone import Backbone
from tcf.model.towers import Tower
from tests import tiny_models, worlds

DIM, WIDTH = 16, 24
SPLIT = worlds.block_split()
"""Users stay inside one of four blocks of 15 items: blocks are all there is to learn."""


def _vectors() -> Embeddings:
    """Text vectors: the block's own vector, and as much that is the item's alone."""
    rng = np.random.default_rng(0)
    blocks = np.arange(SPLIT.num_items) // 15
    mean = rng.normal(size=WIDTH)  # as language models have it: one direction shared by all
    vectors = mean + rng.normal(size=(4, WIDTH))[blocks] + rng.normal(size=(len(blocks), WIDTH))
    return worlds.embeddings(SPLIT.catalog, vectors)


VECTORS = _vectors()
WHITENED = apply_transforms(VECTORS, [Whitening()], fit_on=SPLIT.catalog.item_ids)


def _histories() -> UserVectors:
    """What the text of each history says: the mean of what those of its items do."""
    rows = SPLIT.test.rows.reshape(SPLIT.num_users, -1)
    num_users, longest = rows.shape
    items = VECTORS.aligned(SPLIT.catalog)
    means = items[rows].cumsum(1) / np.arange(1, longest + 1)[:, None]
    lengths = np.tile(np.arange(1, longest + 1), num_users)
    users = np.repeat(np.arange(num_users), longest)
    return UserVectors(users, lengths, means.reshape(len(users), -1).astype(np.float32))


@cache
def _states() -> TrunkStates:
    """What enters the last block of a tiny encoder, over titles that tell the block."""
    words = ["blue dress", "red car", "lazy dog", "chili food"]
    ids = SPLIT.catalog.item_ids
    titles = tuple(f"{words[n // 15]} {n}" for n in range(len(ids)))
    made = Path(tempfile.mkdtemp(prefix="tcf-cells-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    folder = tiny_models.tiny_bert(made / "encoder")
    return encode_trunk(
        Catalog(ids, titles), encoder=folder, num_tuned_layers=1, dtype="float32", progress=False
    )


def _tuned(**settings: Any) -> TunedTextTower:
    return TunedTextTower(_states(), SPLIT.catalog, dim=DIM, **settings)


def _with_ids(text: Tower, combine: Any) -> HybridTower:
    return HybridTower(IdTower(SPLIT.num_items, dim=DIM), text, combine=combine)


def _semantic(**settings: Any) -> SemanticIdTower:
    fit_on = np.unique(SPLIT.train.rows)
    return SemanticIdTower(VECTORS, SPLIT.catalog, dim=DIM, fit_on=fit_on, **settings)


def _frozen() -> FrozenTextTower:
    return FrozenTextTower(VECTORS, SPLIT.catalog, dim=DIM)


def _head(backbone: Backbone) -> MetadataHead:
    """Labels that tell a block or a half of it; every seventh item has none."""
    rows = range(SPLIT.num_items)
    labels = tuple("" if n % 7 == 6 else f"{n // 15}|half {n // 15}.{n % 2}" for n in rows)
    return MetadataHead(replace(SPLIT.catalog, labels=labels), width=backbone.width)


BACKBONES: dict[str, Callable[[], Backbone]] = {
    "AlphaRec": lambda: AlphaRec(dim=DIM, **AlphaRec.of_split(SPLIT)),
    "BERT4Rec post-norm": lambda: BERT4Rec(dim=DIM, norm="post"),
    "BERT4Rec": lambda: BERT4Rec(dim=DIM),
    "DSSM": lambda: DSSM(dim=DIM, **DSSM.of_split(SPLIT)),
    "GRU4Rec": lambda: GRU4Rec(dim=DIM),
    "LightGCN": lambda: LightGCN(dim=DIM, **LightGCN.of_split(SPLIT)),
    "MeanHistory": lambda: MeanHistory(dim=DIM),
    "NGCF": lambda: NGCF(dim=DIM, **NGCF.of_split(SPLIT)),
    "NextItNet": lambda: NextItNet(dim=DIM),
    "SASRec pre-norm": lambda: SASRec(dim=DIM, norm="pre"),
    "SASRec": lambda: SASRec(dim=DIM),
    "TextUsers": lambda: TextUsers(dim=DIM, users=_histories()),
}
TOWERS: dict[str, Callable[[], Tower]] = {
    "ID": lambda: IdTower(SPLIT.num_items, dim=DIM),
    "frozen text": _frozen,
    "frozen text, mixture": lambda: FrozenTextTower(
        VECTORS, SPLIT.catalog, dim=DIM, projector=MixtureProjector(WIDTH, DIM, num_experts=3)
    ),
    "semantic IDs": lambda: _semantic(num_levels=2, num_codes=8),
    "semantic IDs, prefixes": lambda: _semantic(num_levels=2, num_codes=8, prefixes=True),
    "frozen text, self-supervised": _frozen,
    "frozen text, metadata head": _frozen,
    "ID, metadata head": lambda: IdTower(SPLIT.num_items, dim=DIM),
    "ID, aligned with text": lambda: IdTower(SPLIT.num_items, dim=DIM),
    "whitened text": lambda: FrozenTextTower(WHITENED, SPLIT.catalog, dim=DIM),
    "tuned text": _tuned,
    "tuned text, LoRA": lambda: _tuned(lora_rank=2),
    "tuned text, adapters": lambda: _tuned(adapter_size=4),
    "ID + frozen text, sum": lambda: _with_ids(_frozen(), "sum"),
    "ID + frozen text, concatenation": lambda: _with_ids(_frozen(), "concatenation"),
    "ID + tuned text, gate": lambda: _with_ids(_tuned(), "gate"),
}
AUXILIARIES: dict[str, Callable[[Backbone], Auxiliary]] = {
    "frozen text, self-supervised": lambda _: SelfSupervision(num_items=40),
    "frozen text, metadata head": _head,
    "ID, metadata head": _head,
    "ID, aligned with text": lambda _: Alignment(VECTORS, SPLIT.catalog, dim=DIM, num_items=40),
}
"""Of some towers."""
LOSS_SETTINGS: dict[str, dict[str, Any]] = {
    name: {"loss": name, "max_epochs": 12} for name in sorted(LOSSES)
}
# fewer negatives than there are items, as both presume; gBCE first learns that most are not taken
LOSS_SETTINGS["gbce"] |= {"num_negatives": 4, "max_epochs": 20}
LOSS_SETTINGS["sampled_softmax"] |= {"num_negatives": 16}

Cell = tuple[str, str, str]
CELLS: list[Cell] = list(product(BACKBONES, LOSS_SETTINGS, TOWERS))


def recommender(cell: Cell, *, seed: int) -> Recommender:
    """Return the untrained recommender of a backbone, loss and tower."""
    backbone, _, tower = cell
    made = BACKBONES[backbone]()
    auxiliary = AUXILIARIES[tower](made) if tower in AUXILIARIES else None
    return Recommender(TOWERS[tower](), made, seed=seed, auxiliary=auxiliary)


def pairwise_cover(cells: Sequence[Cell]) -> list[Cell]:
    """Return cells that hold every pair of values which some cell holds, few and always the same.

    Greedy: the cell with most pairs that are not there yet, the first of several.
    """

    def pairs(cell: Cell) -> set:
        return set(combinations(enumerate(cell), 2))

    missing = set().union(*map(pairs, cells))
    chosen = []
    while missing:
        best = max(cells, key=lambda cell: len(pairs(cell) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen
