"""Times as files give them -> seconds."""

from collections.abc import Callable

import numpy as np
import polars as pl

from tcf.data.formats.tables import Table
from tcf.errors import DataError

# A count since 1970: seconds stay below 1e11 until the year 5138, milliseconds are above it since
# March 1973, and so on in steps of a thousand.
_STEPS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (np.inf, 1_000_000_000))


def read_times(table: Table, column: str, *, date_format: str | None = None) -> pl.Series:
    """Return a column's times as ``(n,)`` Int64 where all are whole numbers, else Float64.

    Args:
        table: The rows.
        column: Its name.
        date_format: As ``strftime`` writes it, of dates in UTC, which become seconds since 1970;
            None reads numbers.

    Raises:
        DataError: If a time is not such; the first is named.
    """
    cells = table.frame[column]
    if date_format is not None:
        stamps = cells.str.to_datetime(date_format, time_unit="ms", strict=False).dt.epoch("ms")
        _refuse(table, cells, stamps.is_null(), f"a date like {date_format}")
        whole = not (stamps % 1000 != 0).any()
        return stamps // 1000 if whole else stamps / 1000
    times = cells.cast(pl.Int64, strict=False)
    if times.null_count():
        times = cells.cast(pl.Float64, strict=False)
    _refuse(table, cells, times.is_null() | ~times.cast(pl.Float64).is_finite(), "a number")
    return times


def unit_of(times: np.ndarray, at: Callable[[int], str], column: str) -> int:
    """Return how many of the times' unit make a second, by the size of the numbers.

    Rule: at 1e11 and more (and below 1e14) they are milliseconds since 1970, from there on
    microseconds, from 1e17 on nanoseconds, the sign left aside (dates before 1970 are negative).
    Smaller numbers stay as they are: seconds, or counts of another kind.

    Args:
        times: ``(n,)`` int64 or float64.
        at: Names a row, for the message.
        column: Their name, for the message.

    Raises:
        DataError: If the numbers are of two units.
    """
    if not len(times) or max(times.max(), -times.min()) < _STEPS[0][0]:
        return 1
    magnitudes = np.abs(times)
    stamps = magnitudes >= 1e8  # smaller ones may be zeros or days, and tell no unit
    limits = [limit for limit, _ in _STEPS]
    size = int(np.digitize(magnitudes.max(), limits))
    odd = stamps & (magnitudes < limits[size - 1])
    if odd.any():
        row, largest = int(np.argmax(odd)), times[np.argmax(magnitudes)]
        raise DataError(
            f"{at(row)}: the times of {column} must be of one unit; {times[row]} cannot be "
            f"of the unit of {largest}: write them all in seconds"
        )
    return _STEPS[size][1]


def in_seconds(times: np.ndarray, unit: int) -> np.ndarray:
    """Return times in seconds: int64 where all are whole seconds, else float64."""
    if unit == 1:
        return times
    whole = times.dtype == np.int64 and not (times % unit).any()
    return times // unit if whole else times / unit


def _refuse(table: Table, cells: pl.Series, bad: pl.Series, wanted: str) -> None:
    if bad.any():
        row = int(bad.arg_true()[0])
        raise DataError(f"{table.at(row)}: {cells.name} must be {wanted}; got {cells[row]!r}")
