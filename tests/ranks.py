"""Calls of `fit` in several processes on this machine's CPU, each a rank of one training."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from safetensors.torch import save_file

from tcf.model.auxiliary import Alignment, SelfSupervision
from tcf.model.dssm import DSSM
from tcf.model.lightgcn import AlphaRec
from tcf.model.metadata import MetadataHead
from tcf.model.ngcf import NGCF
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower
from tcf.train import TrainConfig, fit
from tests import worlds
from tests.fuse import Kill, fused

REPOSITORY = Path(__file__).parents[1]
SPLIT = worlds.random_split(num_users=41, num_items=60, seed=0)
DIM = 8


def recommender(arm: str, *, seed: int = 0, dropout: float = 0) -> Recommender:
    """A recommender; without dropout, ranks and one process draw the same: nothing."""
    if arm == "DSSM":
        backbone = DSSM(num_users=SPLIT.num_users, dim=DIM, num_layers=1, dropout=dropout)
    elif arm == "NGCF":
        backbone = NGCF(dim=DIM, num_layers=2, dropout=dropout, **NGCF.of_split(SPLIT))
    elif arm == "AlphaRec":
        backbone = AlphaRec(dim=DIM, **AlphaRec.of_split(SPLIT))
    else:
        backbone = SASRec(dim=DIM, max_history=6, dropout=dropout)
    vectors = np.random.default_rng(0).normal(size=(SPLIT.num_items, 6))
    items = worlds.embeddings(SPLIT.catalog, vectors)
    auxiliary = None
    if arm in ("text", "AlphaRec", "self-supervised"):
        tower = FrozenTextTower(items, SPLIT.catalog, dim=DIM, dropout=dropout)
    else:
        tower = IdTower(SPLIT.num_items, dim=DIM)
    if arm == "self-supervised":
        auxiliary = SelfSupervision(masked=dropout)
    elif arm == "aligned":
        auxiliary = Alignment(items, SPLIT.catalog, dim=DIM)
    elif arm == "labels":
        told = tuple("" if n % 3 == 0 else f"{n % 5}|{n % 2}" for n in range(SPLIT.num_items))
        labelled = replace(SPLIT.catalog, labels=told)
        auxiliary = MetadataHead(labelled, width=backbone.width, weight=1)
    return Recommender(tower, backbone, seed=seed, auxiliary=auxiliary)


def train(
    case: dict[str, Any], folder: Path, *, name: str, accelerator: Accelerator | None, rank: int = 0
) -> None:
    """Train and write weights and history, or what went wrong, as ``{name}-{rank}``.

    Args:
        case: ``arm``, ``config``, and where wanted ``dropout``, ``seeds`` of the two ranks' models,
            the name of a ``checkpoint`` and ``steps`` after which the training is killed.
        folder: Takes the files.
        name: Of the case.
        accelerator: None for one process.
        rank: Of this process.
    """
    seed = case.get("seeds", [0, 0])[rank]
    model = recommender(case["arm"], seed=seed, dropout=case.get("dropout", 0))
    checkpoint: dict[str, Any] = {}
    if "checkpoint" in case:
        path = folder / f"{case['checkpoint']}.checkpoint"
        checkpoint = {"checkpoint": path, "checkpoint_every_seconds": 0}
    config = TrainConfig(**case["config"])
    loss = fused(config.loss, case.get("steps"))
    settings: dict[str, Any] = {"seed": 3, "loss": loss, "progress": False, **checkpoint}
    try:
        history = fit(model, SPLIT, config, accelerator=accelerator, **settings)
    except (Kill, ValueError) as error:
        (folder / f"{name}-{rank}.error").write_text(str(error))
        return
    save_file(model.state_dict(), folder / f"{name}-{rank}.safetensors")
    losses = [[epoch.loss, epoch.validation] for epoch in history.epochs]
    (folder / f"{name}-{rank}.json").write_text(json.dumps(losses))


def in_two_processes(cases: dict[str, dict[str, Any]], folder: Path) -> list[str]:
    """Train each case on two ranks; returns what each rank says to stderr where it fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "cases.json").write_text(json.dumps(cases))
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.ranks", str(folder)],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    ended = [process.communicate(timeout=300)[1] for process in started]
    return ["" if p.returncode == 0 else e for p, e in zip(started, ended, strict=True)]


def main() -> None:
    """Train every case that the folder names."""
    folder = Path(sys.argv[1])
    accelerator = Accelerator(cpu=True)
    for name, case in json.loads((folder / "cases.json").read_text()).items():
        train(case, folder, name=name, accelerator=accelerator, rank=accelerator.process_index)
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main()
