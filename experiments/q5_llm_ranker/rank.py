"""Asks every ranker about the same candidates: choose 1 of 4, rank 10 of 100.

Run:     python -m experiments.q5_llm_ranker.rank --data FOLDER [--dataset NAME ...]
         ... --url http://localhost:8000/v1 --model NAME   adds a chat endpoint of OpenAI's form
         ... --local FOLDER                                a causal model, in place of a tiny one
         ... --smoke                                       the simulated world, in seconds
Cost:    with what is at hand, about ten minutes on two busy cores; trained runs, ladders and
         answers are kept. A chat endpoint is asked 4 times a user: three orders of 4, one of 100.
Expect:  SASRec far above popularity; the tiny model near chance.

FOLDER holds the folders microlens-50k, ml-latest-small and online-retail. Results go into
results/, one file a data set.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.here import SEED, WORLD
from experiments.q5_llm_ranker.study import KINDS, study
from experiments.quickstart.study import RECIPE
from tcf._util import write_json
from tcf.data.location import cache_folder
from tcf.data.split import Split
from tcf.encode.ladder import Size, train_ladder
from tcf.encode.spec import EncoderSpec
from tcf.evaluate import (
    Candidates,
    ChatModel,
    Ledger,
    ask,
    candidate_scores,
    difference_interval,
    ledger_of_scores,
    likelihood_scores,
    load_prompt,
    mean_interval,
    metric,
    order_agreement,
    position_bias,
    sample_candidates,
)
from tcf.export import rebuild
from tcf.model.popularity import Popularity
from tcf.study.config import Study
from tcf.study.opened import load_split
from tcf.study.runner import run_study
from tcf.train import TrainConfig

HERE = Path(__file__).parent
NUM_USERS = 1024
TASKS = {"choose 1 of 4": (4, 1, ("hr@1",)), "rank 10 of 100": (100, 10, ("hr@10", "ndcg@10"))}
"""Task -> candidates, how many are asked for, and metrics."""
TINY = Size(64, 1, 8)
NUM_ORDERS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Rank each data set and write its results."""
    options = _options(arguments)
    cache = cache_folder(options.cache)
    assert cache is not None
    for dataset in [WORLD] if options.smoke else options.dataset:
        planned = _short(study(dataset)) if options.smoke else study(dataset)
        records = options.out / "records" if options.smoke else HERE / "records"
        run_study(planned, records=records, data=options.data, cache=cache, num_workers=1)
        split, report = load_split(planned, options.data)
        num_users = 40 if options.smoke else NUM_USERS
        sets = draw(split, num_users=num_users)
        told = {
            "dataset": dataset,
            "data": {"checksum": split.checksum, **report.as_dict()},
            "users_asked_for": num_users,
            "candidates": {name: _about(part) for name, part in sets.items()},
            "rankers": rankers(planned, split, sets, cache=cache, options=options),
        }
        path = options.out / f"{dataset.replace(' ', '-')}.json"
        write_json(path, told)
        for name, ranker in told["rankers"].items():
            print(f"{dataset}: {name}: {_line(ranker)}", file=sys.stderr)


def draw(split: Split, *, num_users: int) -> dict[str, Candidates]:
    """Return the candidates of each task; of a smaller data set, those of every fitting user."""
    fitting = int((~split.test.target_in_history).sum())
    return {
        name: sample_candidates(
            split.test,
            num_items=split.num_items,
            num_users=min(num_users, fitting),
            num_candidates=num_candidates,
            seed=SEED,
        )
        for name, (num_candidates, _, _) in TASKS.items()
    }


def rankers(
    planned: Study,
    split: Split,
    sets: Mapping[str, Candidates],
    *,
    cache: Path,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Return what each ranker makes of each task."""
    kind = KINDS[planned.runs[0].dataset]
    runs = [run for run in planned.runs if run.backbone is not None]
    models = [  # trained again where another cache has their weights
        rebuild(planned, run.name, records=HERE, data=options.data, cache=cache, train=True).model
        for run in runs
    ]
    popularity = _ledgers([Popularity(split)], sets)
    ledgers = {"SASRec + ID": _ledgers(models, sets), "popularity": popularity}
    local = options.local or _tiny(split, cache, planned.runs[0].dataset, brief=options.smoke)
    ledgers |= _by_likelihood(str(local), sets, split, kind=kind)
    told = {
        label: {name: _result(found[name], name, popularity[name]) for name in sets}
        for label, found in ledgers.items()
    }
    if options.url:
        model = ChatModel(options.url, options.model, cache=cache / "answers")
        told[options.model] = {
            name: _asked(model, part, split, popularity[name], name, kind=kind, options=options)
            for name, part in sets.items()
        }
    return told


def _asked(
    model: ChatModel,
    part: Candidates,
    split: Split,
    popularity: Sequence[Ledger],
    name: str,
    *,
    kind: str,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Ask a chat model; where it chooses one, in several orders of the candidates."""
    _, wanted, _ = TASKS[name]
    task = "choose" if wanted == 1 else "rank"
    orders = [part]
    if wanted == 1:
        orders += [part.shuffled(seed=SEED + n) for n in range(1, NUM_ORDERS)]
    prompt = load_prompt(task, kind)
    answers = [ask(model, o, split.catalog, prompt=prompt, num_wanted=wanted) for o in orders]
    told = _result([answers[0].ledger], name, popularity)
    told["answers_that_could_not_be_read"] = answers[0].problems()
    told["cost_per_user"] = answers[0].cost(price_in=options.price_in, price_out=options.price_out)
    chosen = np.concatenate([answer.chosen for answer in answers])
    bias = position_bias(chosen[: len(part)], num_candidates=part.num_candidates)
    told["position"] = {**asdict(bias), "shares": bias.shares}
    if len(orders) > 1:
        rows = [
            np.where(a.chosen >= 0, o.rows[np.arange(len(o)), a.chosen], 0)
            for a, o in zip(answers, orders, strict=True)
        ]
        told["same_item_in_another_order"] = order_agreement(rows)
    return told


Ledgers = dict[str, list[Ledger]]
"""Task -> a ledger a seed."""


def _ledgers(models: Sequence[Any], sets: Mapping[str, Candidates]) -> Ledgers:
    return {
        name: [ledger_of_scores(candidate_scores(m, part), part) for m in models]
        for name, part in sets.items()
    }


def _by_likelihood(
    local: str, sets: Mapping[str, Candidates], split: Split, *, kind: str
) -> dict[str, Ledgers]:
    """Return what a causal model makes of each task, by the mean and the sum over tokens."""
    spec, prompt = EncoderSpec(name=local, dtype="float32"), load_prompt("continue", kind)
    found = {
        name: likelihood_scores(spec, part, split.catalog, prompt=prompt)
        for name, part in sets.items()
    }
    label = f"{Path(local).name}, likelihood"
    return {
        f"{label}, {how} over tokens": {
            name: [ledger_of_scores(getattr(found[name], field), part)]
            for name, part in sets.items()
        }
        for how, field in (("mean", "mean"), ("sum", "total"))
    }


def _result(ledgers: Sequence[Ledger], name: str, popularity: Sequence[Ledger]) -> dict[str, Any]:
    """Return each metric with its interval, beside popularity, and what a draw by lot gives."""
    num_candidates, _, metrics = TASKS[name]
    lot = Ledger(np.array([1], np.int32), np.array([num_candidates - 1], np.int32))
    told: dict[str, Any] = {"num_seeds": len(ledgers)}
    for kind in metrics:
        values = [metric(one, kind) for one in ledgers]
        beside = [metric(popularity[0], kind)] * len(ledgers)  # the same whatever the seed
        told[kind] = {
            **asdict(mean_interval(values, seed=SEED)),
            "chance": float(metric(lot, kind)[0]),
            "minus_popularity": asdict(difference_interval(values, beside, seed=SEED)),
        }
    return told


def _tiny(split: Split, cache: Path, dataset: str, *, brief: bool) -> Path:
    """Train a small model on the titles of the catalogue: it knows words, and nothing of users."""
    (folder,) = train_ladder(
        split.catalog.texts,
        folder=cache / "ladders" / f"q5 {dataset}",
        seed=SEED,
        recipe=RECIPE.model_copy(update={"num_epochs": 1}) if brief else RECIPE,
        sizes=[TINY],
        progress=False,
    ).values()
    return folder


def _short(planned: Study) -> Study:
    brief = TrainConfig(max_epochs=2, batch_size=64, learning_rate=3e-3)
    runs = tuple(run.model_copy(update={"train": brief}) for run in planned.runs if run.seed == 0)
    return replace(planned, runs=runs)


def _about(part: Candidates) -> dict[str, Any]:
    return {
        "checksum": part.checksum,
        "num_users": len(part),
        "num_candidates": part.num_candidates,
        "seed": SEED,
    }


def _line(ranker: Mapping[str, Any]) -> str:
    values = [
        f"{kind} {part[kind]['mean']:.4f} [{part[kind]['low']:.4f}, {part[kind]['high']:.4f}]"
        for name, part in ranker.items()
        for kind in TASKS[name][2]
    ]
    return ", ".join(values)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask every ranker about the same candidates.")
    real = [name for name in KINDS if name != WORLD]
    parser.add_argument("--data", type=Path, help="folder of the data sets' folders")
    parser.add_argument("--dataset", nargs="+", choices=real, default=real)
    parser.add_argument("--smoke", action="store_true", help="the simulated world, in seconds")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--cache", default="auto")
    parser.add_argument("--local", help="folder or hub name of a causal model")
    parser.add_argument("--url", help="base of a chat endpoint; its key is in OPENAI_API_KEY")
    parser.add_argument("--model", help="the chat model's name there")
    parser.add_argument("--price-in", type=float, help="of a million tokens read")
    parser.add_argument("--price-out", type=float, help="of a million tokens written")
    options = parser.parse_args(arguments)
    if bool(options.url) != bool(options.model):
        parser.error("--url and --model go together")
    if options.smoke and options.out == HERE / "results":
        parser.error("--smoke writes no committed results: name a folder with --out")
    return options


if __name__ == "__main__":
    main()
