"""The shapes of a ladder: given, or in equal ratios of parameters. Loads no torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Size", "equal_ratios", "num_parameters", "train_flops"]

_HEAD_WIDTHS = (64, 32, 16, 8)
_ASPECT = 32  # width per block that is aimed at; OPT has 43 to 128, being larger
_TOLERANCE = 0.03


@dataclass(frozen=True)
class Size:
    """The shape of one member: a decoder of OPT's architecture.

    Attributes:
        hidden: Width of the states.
        layers: Blocks.
        heads: Attention heads in each.
        feed_forward: Width inside the feed-forward; None: four times ``hidden``, as in OPT.
    """

    hidden: int
    layers: int
    heads: int
    feed_forward: int | None = None

    @property
    def inner(self) -> int:
        """Width inside the feed-forward."""
        return 4 * self.hidden if self.feed_forward is None else self.feed_forward

    @property
    def name(self) -> str:
        """Folder name: the shape, or the parameters where the feed-forward was fitted to them."""
        if self.feed_forward is None:
            return f"opt-h{self.hidden}-l{self.layers}"
        return f"opt-{_shortened(num_parameters(self))}"


def equal_ratios(num: int, *, smallest: int, largest: int) -> tuple[Size, ...]:
    """Return shapes whose parameters without embeddings are in equal ratios, within 3% each.

    All have heads of one width, the largest of 64, 32, 16 and 8 that leaves the smallest shape four
    heads. Widths are whole heads, there is a block for about every 32 of width, and the
    feed-forward is about four times as wide as the states: it takes up what is left to the count.

    Args:
        num: Number of shapes, at least two.
        smallest: Parameters of the first, without embeddings.
        largest: Of the last.

    Raises:
        ValueError: If that is no range, or there is no shape so small, or two come out alike.
    """
    if num < 2 or not 0 < smallest < largest:
        raise ValueError(
            "a ladder needs at least two sizes, from a smallest to a larger number of parameters; "
            f"got {num} from {smallest:,} to {largest:,}"
        )
    wanted = [smallest * (largest / smallest) ** (k / (num - 1)) for k in range(num)]
    head = next((h for h in _HEAD_WIDTHS if _fitted(smallest, h).heads >= 4), _HEAD_WIDTHS[-1])
    sizes = tuple(_fitted(count, head) for count in wanted)
    for size, count in zip(sizes, wanted, strict=True):
        if abs(num_parameters(size) / count - 1) > _TOLERANCE:
            raise ValueError(
                f"no shape has about {count:,.0f} parameters without embeddings; the nearest has "
                f"{num_parameters(size):,}: begin with 1,000 or more"
            )
    if len({size.name for size in sizes}) < num:
        raise ValueError(
            f"sizes must differ by a tenth or more; {num} from {smallest:,} to {largest:,} do not: "
            "take fewer, or a wider range"
        )
    return sizes


def num_parameters(size: Size) -> int:
    """Return the parameters of a shape without its token and position tables."""
    h, f = size.hidden, size.inner
    attention, feed_forward, norms = 4 * h * h + 4 * h, 2 * h * f + f + h, 4 * h
    return size.layers * (attention + feed_forward + norms) + 2 * h


def train_flops(size: Size, *, vocab_size: int, num_tokens: int, length: float) -> int:
    """Return the floating-point operations of a training: forward, and twice that backward.

    Per token those are two for each weight of a matrix, the head over the vocabulary included, and
    in each block two products of attention over ``length`` tokens; padding is not counted.

    Source: Kaplan et al. (2020), table 1.
    """
    matrices = size.layers * (4 * size.hidden**2 + 2 * size.hidden * size.inner)
    attention = size.layers * 2 * size.hidden * length
    return round(6 * num_tokens * (matrices + attention + vocab_size * size.hidden))


def _fitted(count: float, head: int) -> Size:
    """Return the shape for a number of parameters whose proportions are nearest to the usual."""
    return min(_shapes(count, head), key=lambda size: _oddness(size, count))


def _oddness(size: Size, count: float) -> float:
    miss = max(0.0, abs(num_parameters(size) / count - 1) - _TOLERANCE / 2)
    wide, deep = size.inner / (4 * size.hidden), size.hidden / (_ASPECT * size.layers)
    return 1000 * miss + abs(math.log(wide)) + 0.5 * abs(math.log(deep))


def _shapes(count: float, head: int) -> Iterable[Size]:
    most = max(1, round(math.sqrt(count / 4) / head))  # one block of that width has too many
    for heads in range(1, most + 1):
        hidden = head * heads
        middle = max(1, round(count / (12 * hidden**2)))
        for layers in {1, middle, middle + 1, max(1, middle - 1)}:
            left = (count - 2 * hidden) / layers - 4 * hidden**2 - 9 * hidden
            one = layers * (2 * hidden + 1)  # parameters that a unit of the feed-forward has
            step = 8 if 8 * one <= _TOLERANCE * count else 1
            inner = max(step, step * round(left * layers / one / step))
            yield Size(hidden, layers, heads, inner)


def _shortened(count: int) -> str:
    """Return a count with two digits: 75,432 is "75k"."""
    rounded = float(f"{count:.2g}")
    for letter, unit in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rounded >= unit:
            return f"{rounded / unit:g}{letter}"
    return f"{rounded:g}"
