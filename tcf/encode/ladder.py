"""Trains a controlled family of language models from scratch: one thing differs, the size.

Every size is a decoder of OPT's architecture with the same tokenizer, the same texts in the same
order, the same number of steps and one rule for the learning rate: a peak of 0.01 at width 32 that
falls with the root of the width. Each is saved as an ordinary Hugging Face folder, so that it is
encoded through the same path as any hub model.

Training runs on one thread: matrices this small gain little from a second one and lose much where
cores are shared, and the weights have the same bytes however many cores there are.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor

from tcf._util import atomic_folder, hash_json, write_json
from tcf.encode.backends.loading import quiet

_FORMAT = 2  # raised by a change to the training that may move a weight
_BATCH = 64


@dataclass(frozen=True)
class Size:
    """The shape of one member: width, blocks, heads. Its feed-forward is four times the width."""

    hidden: int
    layers: int
    heads: int

    @property
    def name(self) -> str:
        """Folder name."""
        return f"opt-h{self.hidden}-l{self.layers}"


SIZES = (
    Size(16, 1, 2),
    Size(24, 1, 3),
    Size(40, 1, 5),
    Size(64, 1, 8),
    Size(72, 2, 9),
    Size(96, 3, 12),
)
"""Six sizes, about 2.5 times apart: a 100-fold range of parameters without embeddings."""


def train_ladder(
    texts: Sequence[str],
    *,
    folder: str | os.PathLike[str],
    seed: int,
    sizes: Sequence[Size] = SIZES,
    num_epochs: int = 8,
    vocab_size: int = 1024,
    random_member: bool = True,
    progress: bool = True,
) -> dict[str, Path]:
    """Train each size on the texts, next token by next token, and save it; finished ones are found.

    Args:
        texts: Distinct or not; one in twenty distinct ones is held out, the same for every size.
        folder: One Hugging Face folder a size is written here, each with a ``ladder.json`` that
            says its shape, parameters, losses, steps and seconds.
        seed: Decides the initial weights, the held-out texts and the order of the batches.
        sizes: Shapes, smallest first.
        num_epochs: Passes over the texts, the same for every size.
        vocab_size: Of the byte-level BPE tokenizer trained on the texts, at the most.
        random_member: Also save the largest shape untrained, as ``random``.
        progress: Show a bar on stderr.

    Returns:
        Name of each member -> its folder.

    Raises:
        ValueError: If there are fewer than 40 distinct texts, no size, or a negative number of
            epochs, or if a member's folder holds something that this function did not write.
    """
    distinct = sorted(set(texts))
    if len(distinct) < 40 or not sizes:
        raise ValueError(
            f"a ladder needs at least 40 distinct texts and one size; "
            f"got {len(distinct)} and {len(sizes)}"
        )
    if num_epochs < 0:
        raise ValueError(f"num_epochs must not be negative; got {num_epochs}")
    folder = Path(folder)
    plan = [(size.name, size, num_epochs) for size in sizes]
    if random_member:
        plan.append(("random", max(sizes, key=num_parameters), 0))
    settings = {"format": _FORMAT, "texts": hash_json(distinct), "seed": seed, "vocab": vocab_size}
    members = {name: folder / name for name, _, _ in plan}
    keys = {
        name: hash_json({**settings, "size": asdict(size), "epochs": epochs})
        for name, size, epochs in plan
    }
    todo = [step for step in plan if _found_key(members[step[0]]) != keys[step[0]]]
    for name, _, _ in todo:
        _check_replaceable(members[name])
    if todo:
        tokenizer = train_tokenizer(distinct, vocab_size=vocab_size)
        for name, size, epochs in _bar(todo, shown=progress):
            _make(members[name], tokenizer, distinct, size, epochs, seed=seed, key=keys[name])
    return members


def num_parameters(size: Size) -> int:
    """Return the parameters of a shape without its embeddings, counted on the meta device."""
    with torch.device("meta"):
        model = _model(size, vocab_size=8)
    tables = sum(
        p.numel()
        for m in model.modules()
        if isinstance(m, torch.nn.Embedding)
        for p in m.parameters()
    )
    return sum(p.numel() for p in model.parameters()) - tables


def train_tokenizer(texts: Sequence[str], *, vocab_size: int) -> Tokenizer:
    """Return a byte-level BPE tokenizer of these texts; ``<s>`` stands before each, as in OPT."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def _model(size: Size, *, vocab_size: int) -> Any:
    from transformers import OPTConfig, OPTForCausalLM

    return OPTForCausalLM(
        OPTConfig(
            vocab_size=vocab_size,
            hidden_size=size.hidden,
            word_embed_proj_dim=size.hidden,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            ffn_dim=4 * size.hidden,
            max_position_embeddings=128,
            dropout=0.0,
            attention_dropout=0.0,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
        )
    )


def _make(
    folder: Path,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    size: Size,
    num_epochs: int,
    *,
    seed: int,
    key: str,
) -> None:
    """Train one member and put its folder in place whole."""
    from transformers import PreTrainedTokenizerFast

    began = time.perf_counter()
    init_seed, held_out_seed, order_seed = np.random.SeedSequence(seed).spawn(3)
    with torch.random.fork_rng(devices=[]):  # Transformers draws weights from the global generator
        torch.manual_seed(int(init_seed.generate_state(1)[0]))
        model = _model(size, vocab_size=tokenizer.get_vocab_size())
    ids = [encoding.ids[:128] for encoding in tokenizer.encode_batch(list(texts))]
    shuffled = np.random.default_rng(held_out_seed).permutation(len(ids))
    held_out, train = np.split(shuffled, [len(ids) // 20])
    num_steps = num_epochs * -(-len(train) // _BATCH)
    with _one_thread():
        order = np.random.default_rng(order_seed)
        train_loss = _train(model, ids, train, size, num_epochs, rng=order)
        held_out_loss = _held_out_loss(model, ids, held_out)
    about = {
        "key": key,
        "size": asdict(size),
        "parameters": sum(p.numel() for p in model.parameters()),
        "parameters_without_embeddings": num_parameters(size),
        "num_steps": num_steps,
        "train_loss": train_loss,
        "held_out_loss": held_out_loss,
        "seconds": round(time.perf_counter() - began, 2),
        "seed": seed,
    }
    with atomic_folder(folder) as temporary, quiet():
        model.save_pretrained(temporary)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>"
        ).save_pretrained(temporary)
        write_json(temporary / "ladder.json", about)


def _train(
    model: Any,
    ids: list[list[int]],
    train: np.ndarray,
    size: Size,
    num_epochs: int,
    *,
    rng: np.random.Generator,
) -> float | None:
    """Train in place; return the mean loss of the last epoch, in nats a token."""
    if num_epochs == 0:
        return None
    peak = 0.01 * (32 / size.hidden) ** 0.5  # wider models take smaller steps
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01, fused=True)
    num_steps = num_epochs * -(-len(train) // _BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_up_and_cosine(num_steps))
    model.train()
    losses: list[float] = []
    for _ in range(num_epochs):
        losses = []
        for batch in _batches(ids, rng.permutation(train)):
            loss = _loss(model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return float(np.mean(losses))


def _warm_up_and_cosine(num_steps: int):
    warm_up = max(1, num_steps // 10)

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, num_steps - warm_up)))

    return factor


@torch.inference_mode()
def _held_out_loss(model: Any, ids: list[list[int]], held_out: np.ndarray) -> float:
    model.eval()
    losses = [(_loss(model, batch).item(), len(batch)) for batch in _batches(ids, held_out)]
    return float(np.average([loss for loss, _ in losses], weights=[n for _, n in losses]))


def _batches(ids: list[list[int]], order: np.ndarray) -> Iterator[Tensor]:
    """Yield ``(n, T)`` token ids, padded on the right with 0."""
    for start in range(0, len(order), _BATCH):
        rows = [torch.tensor(ids[i]) for i in order[start : start + _BATCH]]
        yield torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _loss(model: Any, batch: Tensor) -> Tensor:
    """Mean next-token loss over real tokens.

    Padding is on the right and a decoder looks only to the left, so real tokens never see it: no
    attention mask is needed, and only real positions reach the vocabulary.
    """
    states = model.model(input_ids=batch, use_cache=False).last_hidden_state[:, :-1]
    following = batch[:, 1:]
    real = following != 0
    return torch.nn.functional.cross_entropy(model.lm_head(states[real]), following[real])


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check_replaceable(folder: Path) -> None:
    """Refuse a folder with foreign files in it: a stale member is replaced, nothing else is."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "ladder.json").exists():
        raise ValueError(
            f"{folder} must be empty or hold a member of a ladder, as it would be replaced; "
            f"it has files but no ladder.json: name another folder"
        )


def _found_key(folder: Path) -> str | None:
    try:
        return json.loads((folder / "ladder.json").read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError):
        return None


def _bar(todo: list, *, shown: bool) -> Iterator:
    from rich.console import Console
    from rich.progress import track

    quiet = not shown
    return iter(track(todo, "train ladder", console=Console(stderr=True), disable=quiet))
