"""A ladder's ``ladder.json`` made by hand: losses that follow a law, without a training."""

from pathlib import Path

from tcf._util import write_json

SIZES = {
    f"opt-{name}": n
    for name, n in zip(
        ("1k", "3k", "10k", "30k", "100k", "1M"),
        (1000, 3000, 10**4, 30_000, 10**5, 10**6),
        strict=True,
    )
}


def loss(size: int) -> float:
    """Nats a byte: 1 that stays, and what falls with size."""
    return 1 + 20 * size**-0.3


def write_ladder(folder: Path) -> Path:
    """Write six trained sizes and an untrained one; return ``folder``."""
    members = [_member(name, size, loss(size), 100) for name, size in SIZES.items()]
    members.append(_member("random", 10**6, 5.5, 0))
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "ladder.json", {"members": members})
    return folder


def _member(name: str, size: int, nats_a_byte: float, num_steps: int) -> dict[str, object]:
    return {
        "name": name,
        "parameters": 2 * size,
        "parameters_without_embeddings": size,
        "num_steps": num_steps,
        "num_tokens": 10 * num_steps,
        "num_passes": 1.5,
        "train_flops": 6 * size * num_steps,
        "train_loss": 3 * nats_a_byte if num_steps else None,
        "validation_loss": 3 * nats_a_byte,
        "validation_loss_per_byte": nats_a_byte,
        "seconds": 1.0,
    }
