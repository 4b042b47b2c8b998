"""How often intervals held in simulated studies whose truth is known. Loads no torch.

Measured in experiments/truth at a nominal 95%, over seed noise of 0.3, 1 and 3 times the noise of
users, 2,000 studies each; a test keeps this table equal to its results.
"""

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS

__all__ = ["COVERAGE", "MISREAD", "coverage_note", "measured_coverage"]

MISREAD = f"{NEW_USERS}, read as {NEW_SEEDS}"
_ENOUGH = 0.93

COVERAGE: dict[str, dict[int, tuple[float, float]]] = {
    NEW_USERS: {2: (0.935, 0.957), 3: (0.945, 0.956), 5: (0.946, 0.95), 10: (0.943, 0.959)},
    NEW_SEEDS: {3: (0.951, 0.967), 5: (0.95, 0.964), 10: (0.947, 0.961)},
    MISREAD: {
        1: (0.35, 0.953),
        2: (0.407, 0.948),
        3: (0.425, 0.952),
        5: (0.495, 0.946),
        10: (0.616, 0.946),
    },
    "slope": {2: (0.954, 0.959), 3: (0.95, 0.957), 5: (0.949, 0.958), 10: (0.945, 0.957)},
    "exponent": {2: (0.958, 0.964), 3: (0.946, 0.953), 5: (0.944, 0.959), 10: (0.943, 0.948)},
    "ceiling": {2: (0.954, 0.961), 3: (0.944, 0.952), 5: (0.942, 0.953), 10: (0.939, 0.945)},
    "crossing": {2: (0.95, 0.962), 3: (0.942, 0.951), 5: (0.949, 0.964), 10: (0.952, 0.953)},
}
"""What an interval is about -> number of seeds -> lowest and highest share of studies covered."""


def measured_coverage(num_seeds: int, about: str) -> tuple[float, float] | None:
    """Return how often 95% intervals held: the least and the most, over how noisy seeds may be.

    Args:
        num_seeds: Of each arm; for a number that was not simulated, the next smaller that was.
        about: What the interval is about, a key of `COVERAGE`: `Interval.about`, `MISREAD`, or the
            ``"slope"``, ``"exponent"``, ``"ceiling"`` or ``"crossing"`` of a curve.

    Returns:
        Two fractions; None where so few seeds were not simulated.

    Raises:
        ValueError: If there is no such key.
    """
    if about not in COVERAGE:
        raise ValueError(f"about must be one of {', '.join(map(repr, COVERAGE))}; got {about!r}")
    measured = [seeds for seeds in COVERAGE[about] if seeds <= num_seeds]
    return COVERAGE[about][max(measured)] if measured else None


def coverage_note(num_seeds: int, about: str) -> str:
    """Return what to print beside a 95% interval: empty where it held at least 93% of the time.

    An interval about these trained models holds for them, and the note says how often it held when
    it was asked about new seeds.

    Args, raises: as `measured_coverage`.
    """
    asked = MISREAD if about == NEW_USERS else about
    found = measured_coverage(num_seeds, asked)
    if found is None or found[0] >= _ENOUGH:
        return ""
    seeds = f"{num_seeds} seed{'' if num_seeds == 1 else 's'}"
    what = f"{NEW_USERS}, asked about new seeds" if about == NEW_USERS else about
    return f"with {seeds}, 95% intervals of this kind ({what}) held {_range(found)} of the time"


def _range(found: tuple[float, float]) -> str:
    low, high = (f"{100 * x:.0f}%" for x in found)
    return low if low == high else f"{low} to {high}"
