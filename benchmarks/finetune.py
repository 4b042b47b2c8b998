"""One epoch of tuning MiniLM's top two blocks against the study's way, in one run.

    python -m benchmarks.finetune FOLDER [--repeats 5] [--share 0.1]

FOLDER holds MicroLens-50k, of which 5,000 users are taken. Both ways have made the states that
enter the tuned blocks beforehand, once. The study's way (witness_tuned.py) then takes every slot of
a batch through the blocks, repeats and padding to 30 tokens included; `tcf` takes each distinct
text once. A third arm runs the frozen blocks over the distinct texts of each batch. All work on the
same share of an epoch, scaled to the whole, with the same optimiser and rates, in fp32, in turns;
figures are medians and go to results/finetune.json, with the difference of the two gradients and
what bf16 autocast gives.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import median_ratio, spread, take_turns, timed, write_result
from benchmarks.witness import WitnessHistories, witness_log_popularity
from benchmarks.witness_tuned import WitnessTuned, witness_tuned_epoch
from tcf.cli import load_study
from tcf.data import filter_interactions, leave_one_out, read_folder, sample_users
from tcf.data.batches import Batch
from tcf.data.split import Split
from tcf.encode import TrunkStates, encode_trunk
from tcf.encode.backends.transformer import TransformerReader
from tcf.model import Recommender, SASRec, TunedTextTower
from tcf.train import TrainConfig, log_popularity, training_batches
from tcf.train.examples import loss_of
from tcf.train.optimizer import Optimizer

STUDY = Path(__file__).parents[1] / "experiments" / "microlens" / "study.py"
NUM_USERS, NUM_TUNED, DIM = 5000, 2, 64
CONFIG = TrainConfig()  # the published rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.1)
    arguments = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    split = read(arguments.folder)
    folder = find_encoder()
    num_batches = -(-split.num_users // CONFIG.batch_size)
    part = max(1, round(num_batches * arguments.share))
    with tempfile.TemporaryDirectory() as cache:
        states = trunk(split, folder, cache=cache)
        arms = {
            "witness": witness_arm(split, folder, num_batches=part),
            "tcf": tcf_arm(split, states, num_batches=part),
            "trunk": trunk_arm(split, states, num_batches=part),
        }
        seconds = take_turns(arms, repeats=arguments.repeats)
        found = {
            "users": split.num_users,
            "items": split.num_items,
            "batches_of_an_epoch": num_batches,
            "batches_timed": part,
            "gradient": gradients(split, folder),
            "bf16_gain": bf16_gain(split, states, repeats=arguments.repeats),
        }
    scale = num_batches / part
    epochs = {name: [scale * value for value in values] for name, values in seconds.items()}
    with_trunk = [a + b for a, b in zip(epochs["tcf"], epochs["trunk"], strict=True)]
    found |= {f"{name}_epoch_seconds": spread(values) for name, values in epochs.items()}
    found["ratio_to_the_studys_way"] = median_ratio(epochs["witness"], epochs["tcf"], digits=2)
    found["ratio_to_running_the_trunk_too"] = median_ratio(with_trunk, epochs["tcf"], digits=2)
    write_result("finetune", found)


def read(folder: str) -> Split:
    """The data of the study, cut down to 5,000 users drawn from those who stay."""
    catalog, interactions, _ = filter_interactions(*read_folder(folder))
    some = sample_users(interactions, num_users=NUM_USERS, rng=np.random.default_rng(0))
    catalog, interactions, _ = filter_interactions(catalog, some)
    return leave_one_out(catalog, interactions)


def find_encoder() -> Path:
    """The folder of all-MiniLM-L6-v2, checked by its hash."""
    study = load_study(STUDY)
    assert study.encoders is not None
    (folder,) = study.encoders(["all-MiniLM-L6-v2"], None, Path()).values()  # type: ignore[arg-type]
    return folder


def trunk(split: Split, folder: Path, **settings: str) -> TrunkStates:
    how = {"pooling": "mean", "dtype": "float32", "progress": False, **settings}
    return encode_trunk(split.catalog, encoder=folder, num_tuned_layers=NUM_TUNED, **how)  # type: ignore[arg-type]


def recommender(split: Split, states: TrunkStates) -> Recommender:
    tower = TunedTextTower(states, split.catalog, dim=DIM)
    return Recommender(tower, SASRec(dim=DIM), seed=0)


def witness_arm(split: Split, folder: Path, *, num_batches: int) -> Callable[[], float]:
    histories = np.split(split.train.rows, split.train.offsets[1:-1])
    shares = witness_log_popularity(histories, num_items=split.num_items)
    model = WitnessTuned(folder, split.catalog.texts, num_tuned=NUM_TUNED, dim=DIM)
    optimizer = model.optimizer()
    return lambda: timed(
        lambda: witness_tuned_epoch(
            model, histories, shares, optimizer, seed=0, num_batches=num_batches
        )
    )


def tcf_arm(split: Split, states: TrunkStates, *, num_batches: int) -> Callable[[], float]:
    """What `fit` does for each batch, on the first ones of an epoch."""
    model, loss, shares = recommender(split, states), loss_of(CONFIG), log_popularity(split)
    optimizer = Optimizer(model, CONFIG, loss=loss, num_batches=num_batches)

    def run() -> None:
        model.train()
        for batch in first_batches(model, split, num_batches=num_batches):
            optimizer.refresh(batch)
            model.loss(batch, log_popularity=shares, loss=loss).backward()
            optimizer.step()

    return lambda: timed(run)


def trunk_arm(split: Split, states: TrunkStates, *, num_batches: int) -> Callable[[], float]:
    """The frozen blocks over each batch's distinct texts."""
    reader = TransformerReader(
        states.folder,
        layers=[states.first],
        max_tokens=30,
        device="cpu",
        dtype="float32",
        quantization=None,
        batch_tokens="auto",
        trust_remote_code=False,
        padding_side="right",
    )
    model, text_of_row = recommender(split, states), states.text_of_row(split.catalog)

    def run() -> None:
        for batch in first_batches(model, split, num_batches=num_batches):
            assert batch.rows is not None
            texts = np.unique(text_of_row[batch.rows.numpy()])
            for _ in reader.token_states(states.tokens, texts, layer=states.first):
                pass

    return lambda: timed(run)


def first_batches(model: Recommender, split: Split, *, num_batches: int) -> list[Batch]:
    rng = np.random.default_rng(0)
    batches = training_batches(model, split, CONFIG, rng, loss=loss_of(CONFIG))
    return [batch for batch, _ in zip(batches, range(num_batches), strict=False)]


def gradients(split: Split, folder: Path, *, num_users: int = 8) -> dict[str, float]:
    """How far the gradients of the tuned blocks lie from the witness's, relative to their length.

    In fp64 and without dropout, for a random linear function of the item vectors of some slots.
    """
    rows = [
        WitnessHistories(np.split(split.train.rows, split.train.offsets[1:-1]))[n][0]
        for n in range(num_users)
    ]
    used, slots = torch.stack(rows).unique(return_inverse=True)
    catalog = split.catalog.select(used[used > 0].numpy())
    slots = slots.flatten() + int(used[0] > 0)
    weights = torch.randn(len(slots), DIM, generator=torch.Generator().manual_seed(0)).double()
    witness = WitnessTuned(folder, catalog.texts, num_tuned=NUM_TUNED, dim=DIM).double().eval()
    witness.states = witness.states.double()
    vectors = witness.projector(witness.pooled(slots))
    ((vectors * weights)[slots > 0]).sum().backward()
    wanted = flat([p.grad for p in witness.blocks.parameters()])
    found = {}
    for kept in ("float32", "float16"):
        how = {"encoder": folder, "num_tuned_layers": NUM_TUNED, "pooling": "mean"}
        states = encode_trunk(catalog, dtype="float32", states=kept, progress=False, **how)  # type: ignore[arg-type]
        tower = TunedTextTower(states, catalog, dim=DIM, batch_tokens=64, kept_tokens=256)
        tower.projector.load_state_dict(witness.projector.state_dict())
        tower.double().eval()
        ((tower.all()[slots] * weights)[slots > 0]).sum().backward()
        made = flat([p.grad for p in tower.encoder.parameters()])
        found[f"difference_with_{kept}_states"] = float((made - wanted).norm() / wanted.norm())
    return found


def flat(gradients: list[Tensor | None]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients if g is not None])


def bf16_gain(split: Split, states: TrunkStates, *, repeats: int) -> float:
    """How much faster the tower's forward and backward pass of one batch is under autocast."""
    model = recommender(split, states).train()
    (batch,) = first_batches(model, split, num_batches=1)

    def run(enabled: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            vectors = model.tower(batch.rows)
        vectors.float().sum().backward()

    arms = {str(on): lambda on=on: timed(lambda: run(on)) for on in (False, True)}
    seconds = take_turns(arms, repeats=repeats, show=False)
    return median_ratio(seconds["False"], seconds["True"], digits=2)


if __name__ == "__main__":
    main()
