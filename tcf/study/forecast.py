"""forecast(): what a study will take, from configs and counts alone, before any download."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tcf._util import hash_json
from tcf.data.catalog import Catalog, Interactions
from tcf.data.dataset import Counts
from tcf.data.split import Split, leave_one_out
from tcf.encode.embeddings import Embeddings
from tcf.encode.encoders import ENCODERS
from tcf.encode.machine import product_rate
from tcf.encode.planner import Plan, plan
from tcf.errors import EncoderError
from tcf.model.backbones import BACKBONES
from tcf.model.graph import GraphBackbone
from tcf.model.losses import LOSSES
from tcf.model.user_texts import UserVectors
from tcf.study.arms import Arm
from tcf.study.build import build
from tcf.study.config import RunConfig, Study
from tcf.study.provenance import training_flops
from tcf.study.user_texts import ItemsAndUsers, states_of

__all__ = ["CellForecast", "forecast"]

_FLOATS_A_PARAMETER = 4  # AdamW: itself, its gradient, two moments
_FLOAT = 4
_TRAINING = 3  # a forward and a backward pass, in forward passes
_HISTORIES = 3  # a user's: before the last training item and each target
_LEAST = 5  # interactions a stand-in user has: two are held out, and two make an example


@dataclass(frozen=True)
class CellForecast:
    """What the runs of one cell take together.

    Attributes:
        name: Data set, backbone and arm.
        encoder: Its name; empty where no language model is read.
        reading: Tells encoders and ways of reading apart: cells of one share vectors on disk.
        num_runs: One a seed.
        download_bytes: Weights of the encoder that are not here yet; cells of one encoder share it.
        disk_bytes: Vectors, or states of a tuned arm, in the store; shared within a reading.
        encode_seconds: To encode once the items, and histories that are texts; shared within a
            reading.
        train_flops: Of all runs at their most epochs, ranking after each included.
        train_seconds: What these take here.
        peak_bytes: At the fullest moment of encoding or of training a run.
    """

    name: str
    encoder: str
    reading: str
    num_runs: int
    download_bytes: int
    disk_bytes: int
    encode_seconds: float
    train_flops: float
    train_seconds: float
    peak_bytes: int


def forecast(study: Study, counts: Counts) -> list[CellForecast]:
    """Say what each cell of a study will take on this machine; read no data and no weights.

    A metadata head is left out: how many labels there are is not known beforehand. Times are those
    of matrix products at the rate measured here: lower bounds. Every item counts as
    a text of the arm's ``max_tokens`` and every slot of a batch as an item of its own: upper bounds
    of the work. A search for settings is not counted, nor is what a transfer starts from: those are
    runs of its sources.

    Args:
        study: What to run.
        counts: Users, items and interactions that its filters leave.

    Raises:
        ValueError: If a count is missing, or users have too few interactions to train on.
        EncoderError: If an encoder's config cannot be found, or the study makes it itself.
    """
    users, items, interactions = counts.users, counts.items, counts.interactions
    if users is None or items is None or interactions is None:
        raise ValueError(f"a forecast needs users, items and interactions; got {counts}")
    if interactions < _LEAST * users:
        raise ValueError(f"a forecast needs {_LEAST} interactions a user or more; got {counts}")
    _check_known(study)
    cells: dict[str, list[RunConfig]] = {}
    for config in study.runs:
        cells.setdefault(config.cell, []).append(config)
    rate = product_rate(dtype="float32", device="cpu", shape=(1024, 512, 512))
    plans: dict[str, Plan] = {}
    return [_cell(runs, items, users, interactions, rate, plans) for runs in cells.values()]


def _check_known(study: Study) -> None:
    """Raise where a name may be the study's own: making it to measure it would be no plan."""
    arms = [run.arm for run in study.runs]
    models = [arm for arm in arms if "static" not in (arm.kind, arm.encoder_kind)]
    names = {arm.encoder for arm in models if arm.encoder} - ENCODERS.keys()
    if study.encoders is not None and names:
        raise EncoderError(
            f"what {study.name} takes is not known beforehand: it makes or finds encoders itself, "
            f"by the names {', '.join(sorted(names))}; a plan needs hub names or short names"
        )


def _cell(
    runs: Sequence[RunConfig],
    items: int,
    users: int,
    interactions: int,
    rate: float,
    plans: dict[str, Plan],
) -> CellForecast:
    config, arm = runs[0], runs[0].arm
    made, reading = _plan(arm, items, plans)
    seconds = made.seconds if made else 0.0
    width = made.shape.width if made else (config.dim if arm.has_text else 0)
    vectors, kept = items * width * _FLOAT, 0
    if made is not None:
        token = width * (2 if arm.tuned and arm.tuned.states == "float16" else _FLOAT)
        kept = items * arm.max_tokens * token if arm.tuned else vectors
    if made is not None and arm.user_text is not None:
        longer = arm.model_copy(update={"max_tokens": arm.user_text.max_tokens})
        read, how = _plan(longer, _HISTORIES * users, plans)
        assert read is not None
        reading, seconds = f"{reading} {how}", seconds + read.seconds
        kept += _HISTORIES * users * width * _FLOAT
    flops, trained = 0.0, 0
    if config.backbone is not None:
        whole = issubclass(BACKBONES[config.backbone.name], GraphBackbone)
        shown = users if whole else min(users, 2 * config.train.batch_size)
        split = _stand_in(items, shown, interactions // users)
        flops, trained = _epoch(config, split, width, users, items, interactions)
        flops += _tuning(config, made, users, interactions)
        trained += _tuned_parameters(arm, made)
    flops *= (config.train.max_epochs if arm.share else 1) * len(runs)  # zero-shot ranks once
    held = trained * _FLOATS_A_PARAMETER * _FLOAT + (0 if arm.tuned else vectors)
    return CellForecast(
        name=config.cell,
        encoder=(arm.encoder or "") if made else "",
        reading=reading,
        num_runs=len(runs),
        download_bytes=made.download_bytes if made else 0,
        disk_bytes=kept,
        encode_seconds=seconds,
        train_flops=flops,
        train_seconds=flops / rate,
        peak_bytes=max(held, made.peak_bytes()[made.choice.placement] if made else 0),
    )


def _plan(arm: Arm, num_texts: int, plans: dict[str, Plan]) -> tuple[Plan | None, str]:
    """Return the plan of encoding so many texts of full length, and what tells it from others."""
    if not arm.has_text or "static" in (arm.kind, arm.encoder_kind):
        return None, ""
    about = {"encoder": arm.encoder, "tuned": bool(arm.tuned), "num_texts": num_texts}
    reading = hash_json({**about, **arm.encoding()})
    if reading not in plans:
        assert arm.encoder is not None
        texts = [f"{n:0{4 * arm.max_tokens}d}" for n in range(num_texts)]  # four characters a token
        plans[reading] = plan(texts, encoder=arm.encoder, cache=None, **arm.encoding())
    return plans[reading], reading


def _stand_in(items: int, users: int, length: int) -> Split:
    """Return users of one length, two batches of them or the whole graph; items differ."""
    rows = np.arange(users * length, dtype=np.int32) % items + 1
    ids = tuple(map(str, range(int(rows.max()))))
    catalog = Catalog(ids, ("",) * len(ids))
    offsets = np.arange(users + 1, dtype=np.int64) * length
    return leave_one_out(catalog, Interactions(tuple(map(str, range(users))), rows, offsets))


def _epoch(
    config: RunConfig, split: Split, width: int, users: int, items: int, interactions: int
) -> tuple[float, int]:
    """Return the FLOPs of an epoch and of ranking after it, and the trained parameters."""
    # codes are looked up; the projector in their place is no less work
    left_out = {"tuned": None, "transforms": (), "semantic_ids": None}
    if config.arm.reads_labels:
        left_out["auxiliary"] = None
    arm = config.arm.model_copy(update=left_out)
    vectors = None
    if arm.has_text:
        about: dict[str, Any] = {"name": "", "parameters": {}}
        ids = split.catalog.item_ids
        vectors = Embeddings(tuple(ids), np.ones((len(ids), width), np.float32), about, "0" * 64)
    if arm.user_text is not None:
        assert vectors is not None
        states, lengths, _ = states_of(split)
        texts = UserVectors(states, lengths, np.ones((len(states), width), np.float32))
        vectors = ItemsAndUsers(vectors, texts, vectors.key)
    model = build(config.model_copy(update={"arm": arm}), split, vectors)
    pairs = model.backbone.examples == "pairs"
    share = (interactions - 2 * users) / split.train.num_interactions
    share = share if pairs else users / split.num_users
    flops = training_flops(model, split, config.train) * share * config.arm.share
    if LOSSES[config.train.loss].candidates == "catalog":
        slots = split.train.num_interactions * share * config.arm.share
        flops += _TRAINING * 2.0 * slots * max(items - split.num_items, 0) * config.dim
    ranking = 2.0 * users * items * config.dim
    tables = (items - split.num_items) * config.dim * (arm.kind == "id" or arm.with_ids is not None)
    tables += (users - split.num_users) * config.dim * pairs
    trained = sum(n for name, n in model.num_parameters().items() if name != "frozen")
    return flops + ranking, trained + tables


def _tuning(config: RunConfig, made: Plan | None, users: int, interactions: int) -> float:
    """Return the FLOPs of an epoch in an encoder's tuned blocks, every slot a text of its own."""
    tuned = config.arm.tuned
    if tuned is None or made is None:
        return 0.0
    share = min((tuned.num_tuned_layers or made.shape.depth) / made.shape.depth, 1.0)
    slots = interactions - 2 * users
    return _TRAINING * made.flops / made.work.num_texts * share * slots * config.arm.share


def _tuned_parameters(arm: Arm, made: Plan | None) -> int:
    """Return the encoder's parameters that are trained, or lie in memory to be trained through."""
    if arm.tuned is None or made is None:
        return 0
    return made.shape.largest_block * min(
        arm.tuned.num_tuned_layers or made.shape.depth, made.shape.depth
    )
