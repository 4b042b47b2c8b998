"""What settings a trial tries: Optuna proposes. It is asked, and keeps nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tcf.study.space import Choice, Distribution, Integer, LogUniform, Tuning

__all__ = ["propose"]


def propose(tuning: Tuning, trials: Sequence[Mapping[str, Any]], *, number: int) -> dict[str, Any]:
    """Return the settings of a trial.

    Args:
        tuning: The search.
        trials: The results of the rounds before: ``settings`` and ``value``, None where it failed.
        number: Of the trial, from 0; gives its draws a seed of their own, so that a search that
            goes on does not draw again what it has drawn before.

    Raises:
        ValueError: If Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ValueError(
            f"a search for settings needs {error.name}: pip install 'tcf[optuna]'"
        ) from error
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState, create_trial

    space = {name: _in_optuna(distribution) for name, distribution in tuning.space.items()}
    seed = int(np.random.SeedSequence([tuning.seed, number]).generate_state(1)[0])
    sampler = TPESampler(seed=seed, n_startup_trials=tuning.num_random)
    with _quiet_optuna():
        study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in trials:
        failed = trial["value"] is None
        study.add_trial(
            create_trial(
                params=trial["settings"],
                distributions=space,
                value=trial["value"],
                state=TrialState.FAIL if failed else TrialState.COMPLETE,
            )
        )
    return study.ask(space).params


def _in_optuna(distribution: Distribution) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(distribution, Choice):
        return CategoricalDistribution(distribution.values)
    if isinstance(distribution, Integer):
        return IntDistribution(distribution.low, distribution.high)
    log = isinstance(distribution, LogUniform)
    return FloatDistribution(distribution.low, distribution.high, log=log)


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing each study that `propose` makes to ask one question."""
    from optuna import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(level)
