"""A finished plot and its numbers, written as ``.svg`` and ``.csv``: always the same bytes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from tcf._util import atomic_write
from tcf.plot.style import saving

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing"]


@dataclass(frozen=True)
class Drawing:
    """A finished plot and exactly the numbers drawn in it.

    Attributes:
        figure: The Matplotlib figure.
        data: One row a mark, in the order of drawing; metrics are fractions, while axes and cells
            show per cent.
    """

    figure: "Figure"
    data: pl.DataFrame

    def save(self, stem: str | Path) -> tuple[Path, Path]:
        """Write ``stem.svg`` and ``stem.csv``, each whole or not at all, always the same bytes."""
        about = cast("Any", {"Date": None, "Creator": "tcf"})
        picture, numbers = Path(f"{stem}.svg"), Path(f"{stem}.csv")
        with atomic_write(picture) as temporary, saving():
            self.figure.savefig(temporary, format="svg", metadata=about)
        with atomic_write(numbers) as temporary:
            self.data.write_csv(temporary)
        return picture, numbers
