"""train_ladder(): a folder of language models that differ in size alone."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from tcf._checkpoint import Checkpoint
from tcf._util import atomic_folder, differing, hash_json, write_json
from tcf.encode.ladder.corpus import Corpus, distinct_texts
from tcf.encode.ladder.model import build, save
from tcf.encode.ladder.recipe import Recipe
from tcf.encode.ladder.sizes import Size, num_parameters, train_flops
from tcf.encode.ladder.training import Course, Trainer, one_thread
from tcf.encode.machine import machine_name

__all__ = ["train_ladder"]

_FORMAT = 3  # raised by a change to the training that may move a weight


def train_ladder(
    texts: Sequence[str],
    *,
    folder: str | os.PathLike[str],
    recipe: Recipe,
    sizes: Sequence[Size],
    seed: int,
    random_member: bool = False,
    device: str = "cpu",
    progress: bool = True,
    checkpoint_every_seconds: float = 60.0,
) -> dict[str, Path]:
    """Train each size on the texts, next token by next token, and save it; finished ones are found.

    All sizes have one tokenizer, trained on all the texts, and see the same texts in the same order
    for as many tokens. A kill loses at most what came after the last checkpoint, and the weights
    are those of a training that was left alone: on one processor, to the bit, on however many
    cores, as training takes one thread. Two processes never train the same folder at once.

    Args:
        texts: Each is read by itself. Equal ones count once; one in twenty is held out, along with
            those that differ from it in case, spaces, marks or accents alone.
        folder: One Hugging Face folder a size is written here, which `tcf.encode_items` takes as
            encoder, each with a ``ladder.json`` on its training; and a ``ladder.json`` on all: the
            recipe, texts, parameters with and without embeddings, tokens, FLOPs, seconds, machine,
            training and validation loss on the way and at the end, in nats a token and, to compare
            tokenizers, a byte of UTF-8. No end of a text is predicted.
        recipe: What all sizes share.
        sizes: Their shapes, such as `equal_ratios` gives.
        seed: Decides the initial weights, the held-out texts and the order of the batches.
        random_member: Also save the largest shape untrained, as ``random``.
        device: Torch device to train on.
        progress: Show a bar a size on stderr, with the validation loss.
        checkpoint_every_seconds: At least so long between two checkpoints of a size.

    Returns:
        Name of each member -> its folder.

    Raises:
        ValueError: If there are fewer than 40 distinct texts, a blank one, or no size; if the
            folder holds a ladder of another recipe, seed or texts, or a member's folder something
            that this function did not write; or if a loss is no number.
        CacheError: If a checkpoint in the folder is damaged or of another training.
    """
    distinct = distinct_texts(texts)
    plan = _plan(sizes, recipe, random_member)
    folder, settings = Path(folder), {"seed": seed, "texts": hash_json(distinct)}
    head = _as_json({"format": _FORMAT, **settings, "recipe": recipe.model_dump()})
    _check_family(folder, head)
    todo = [member for member in plan if not _found(folder / member, settings, *plan[member])]
    if todo:
        folder.mkdir(parents=True, exist_ok=True)
        _, held_out, order = np.random.SeedSequence(seed).spawn(3)
        corpus = Corpus.of(distinct, recipe, held_out=held_out, order=order)
        num_texts = {"num_texts": len(corpus.train), "num_held_out": len(corpus.held_out)}
        with FileLock(folder / ".lock"), one_thread():
            _sum_up(folder, head | num_texts)
            for number, name in enumerate(todo):
                if _found(folder / name, settings, *plan[name]):
                    continue  # another process has made it meanwhile
                _Member(folder / name, *plan[name], settings, corpus).make(
                    device=device,
                    shown=f"{name}, {number + 1} of {len(todo)}" if progress else "",
                    every=checkpoint_every_seconds,
                )
                _sum_up(folder, head | num_texts)
    return {name: folder / name for name in plan}


def _plan(
    sizes: Sequence[Size], recipe: Recipe, random_member: bool
) -> dict[str, tuple[Size, Recipe]]:
    if not sizes:
        raise ValueError("a ladder needs at least one size; got none")
    plan = {size.name: (size, recipe) for size in sizes}
    if len(plan) < len(sizes):
        raise ValueError(
            f"sizes must differ in their names; got {', '.join(size.name for size in sizes)}"
        )
    if random_member:
        untrained = recipe.model_copy(update={"num_tokens": None, "num_epochs": 0})
        plan["random"] = (max(sizes, key=num_parameters), untrained)
    return plan


class _Member:
    """One member's training, from its start to its folder."""

    def __init__(
        self,
        folder: Path,
        size: Size,
        recipe: Recipe,
        settings: Mapping[str, Any],
        corpus: Corpus,
    ) -> None:
        self.folder, self.size, self.recipe, self.corpus = folder, size, recipe, corpus
        self.identity = _identity(settings, size, recipe)

    def make(self, *, device: str, shown: str, every: float) -> None:
        """Train and put the folder in place whole."""
        init = np.random.SeedSequence(self.identity["seed"]).spawn(1)[0]
        model = build(
            self.size,
            self.recipe,
            vocab_size=self.corpus.tokenizer.get_vocab_size(),
            seed=int(init.generate_state(1)[0]),
        ).to(device)
        num_parameters = sum(weight.numel() for weight in model.parameters())
        num_steps, _ = self.corpus.duration(self.recipe)
        path = self.folder.with_name(f".{self.folder.name}.checkpoint")
        trainer = Trainer(
            model, self.size, corpus=self.corpus, recipe=self.recipe, num_steps=num_steps
        )
        keeper = Checkpoint(path, every_seconds=every, identity=self.identity)
        course = trainer.run(keeper, what=shown, shown=bool(shown))
        about = self._about(course, num_parameters)
        with atomic_folder(self.folder) as temporary:
            scale = self.recipe.logit_scale(self.size.hidden)
            save(model, self.corpus.tokenizer, temporary, logit_scale=scale)
            write_json(temporary / "ladder.json", {**self.identity, **about, "device": device})
        path.unlink(missing_ok=True)

    def _about(self, course: Course, num_weights: int) -> dict[str, Any]:
        corpus, last = self.corpus, course.points[-1]
        return {
            "name": self.folder.name,
            "parameters": num_weights,
            "parameters_without_embeddings": num_parameters(self.size),
            "vocab_size": corpus.tokenizer.get_vocab_size(),
            "num_steps": course.step,
            "num_tokens": course.num_tokens,
            "num_passes": round(course.num_tokens / int(corpus.lengths[corpus.train].sum()), 3),
            "train_flops": train_flops(
                self.size,
                vocab_size=corpus.tokenizer.get_vocab_size(),
                num_tokens=course.num_tokens,
                length=float(corpus.lengths[corpus.train].mean()) + 1,
            ),
            **{key: last[key] for key in last if key.endswith(("_loss", "_per_byte"))},
            "points": course.points,
            "seconds": round(course.seconds, 2),
            "machine": machine_name(),
            "versions": {name: version(name) for name in ("tcf", "torch", "transformers")}
            | {"python": platform.python_version()},
        }


def _identity(settings: Mapping[str, Any], size: Size, recipe: Recipe) -> dict[str, Any]:
    shape = {**asdict(size), "feed_forward": size.inner}
    return _as_json({"format": _FORMAT, **settings, "recipe": recipe.model_dump(), "size": shape})


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(value))


def _check_family(folder: Path, head: Mapping[str, Any]) -> None:
    """Refuse a folder whose ladder was begun with other settings, whichever its sizes."""
    if (there := _told(folder / "ladder.json", head)) is not None:
        _refuse(folder, head, there)


def _found(folder: Path, settings: Mapping[str, Any], size: Size, recipe: Recipe) -> bool:
    """Whether a member is there; what is not ours or has other settings is never replaced.

    A damaged one, or one that an older version of this code made, is made anew.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return False
    if not (folder / "ladder.json").exists():
        raise ValueError(
            f"{folder} must be empty or hold a member of a ladder, as it would be replaced; "
            f"it has files but no ladder.json: name another folder"
        )
    here = _identity(settings, size, recipe)
    if (there := _told(folder / "ladder.json", here)) is None:
        return False
    _refuse(folder, here, there)
    return True


def _told(path: Path, here: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a ``ladder.json`` says of these fields; None if damaged or of an older format."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        there = {key: told[key] for key in here}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return there if there["format"] == _FORMAT else None


def _refuse(folder: Path, here: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    if shown := differing(here, there):
        raise ValueError(
            f"{folder}: a ladder goes on with what it was made by; this one differs in {shown}: "
            "take another folder, or remove this one"
        )


def _sum_up(folder: Path, head: Mapping[str, Any]) -> None:
    """Write the ``ladder.json`` of all members that are there, the smallest first."""
    told = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*/ladder.json"))
        if _told(path, {"format": _FORMAT}) is not None
    ]
    told.sort(key=lambda one: (one["parameters_without_embeddings"], one["num_steps"]))
    members = [{key: one[key] for key in one if key not in head} for one in told]
    write_json(folder / "ladder.json", {**head, "members": members})
