"""Draws plots/microlens.svg and .csv from the committed records: python plots/microlens.py."""

from pathlib import Path

from tcf.plot import scaling_plot
from tcf.study.records import read_table

HERE = Path(__file__).parent


def main() -> None:
    """Read the records and draw."""
    table = read_table(HERE.parent / "experiments" / "microlens" / "records")
    scaling_plot(table, title="MicroLens-50k: depths of one frozen encoder").save(
        HERE / "microlens"
    )


if __name__ == "__main__":
    main()
