"""What a search may choose, and how a choice gets into a run's config. Loads no torch."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from tcf.train.config import Config, Count, Positive

if TYPE_CHECKING:
    from tcf.study.config import RunConfig

__all__ = ["Choice", "Distribution", "Integer", "LogUniform", "Tuning", "Uniform", "with_settings"]

Number = TypeVar("Number", int, float)


class _Range(Config, Generic[Number]):
    low: Number
    high: Number

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high; got {self.low} and {self.high}")
        return self

    def extremes(self) -> tuple[Any, ...]:
        """Return the values that must be allowed if all between them are to be."""
        return self.low, self.high


class Uniform(_Range[float]):
    """Any number from ``low`` to ``high``, all alike."""

    kind: Literal["uniform"] = "uniform"


class LogUniform(_Range[float]):
    """Any number from ``low`` to ``high``, all orders of magnitude alike."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: Positive


class Integer(_Range[int]):
    """Any whole number from ``low`` to ``high``, both included."""

    kind: Literal["integer"] = "integer"


class Choice(Config):
    """One of a few values, which have no order."""

    kind: Literal["choice"] = "choice"
    values: Annotated[tuple[bool | int | float | str | None, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.values)) != len(self.values):
            raise ValueError(f"a choice needs different values; got {list(self.values)}")
        return self

    def extremes(self) -> tuple[Any, ...]:
        """Return the values that must be allowed."""
        return self.values


Distribution = Annotated[Uniform | LogUniform | Integer | Choice, Field(discriminator="kind")]


class Tuning(Config):
    """A search for settings: the same for every arm of a study.

    The settings of a trial depend on ``seed``, on its number and on the results of the trials
    before its round, and on nothing else: neither on how many run side by side nor on a kill.

    Attributes:
        space: A dotted field of `RunConfig`, such as ``"train.learning_rate"`` or
            ``"backbone.dropout"``, and the values it may take.
        num_trials: Of each arm under each backbone.
        seed: Draws the settings; the same for all arms, so that their random trials are the same.
        trial_seed: With it every trial trains. The runs of the study must have others: what a
            search was lucky with must not be counted again.
        num_random: Trials drawn at random, before Optuna's TPE proposes.
        at_once: Trials of a round, proposed from the results of all rounds before.
    """

    space: Annotated[dict[str, Distribution], Field(min_length=1)]
    num_trials: Count
    seed: Annotated[int, Field(ge=0)] = 0
    trial_seed: Annotated[int, Field(ge=0)] = 1_000_000
    num_random: Count = 10
    at_once: Count = 5

    def rounds(self) -> list[range]:
        """Return the numbers of the trials, round by round."""
        starts = [0, *range(self.num_random, self.num_trials, self.at_once)]
        return [
            range(start, min(stop, self.num_trials))
            for start, stop in zip(starts, [*starts[1:], self.num_trials], strict=True)
        ]

    def check(self, configs: Iterable["RunConfig"]) -> None:
        """Raise unless every value of the space is one that these runs can have.

        Raises:
            ValueError: If a field is not there, is no setting to be tuned, or refuses a value; or
                if a run has the seed of the trials.
        """
        for config in configs:
            if config.seed == self.trial_seed:
                raise ValueError(
                    f"{config.name} has the seed of the trials: give the runs other seeds than "
                    f"trial_seed={self.trial_seed}"
                )
            for field, distribution in self.space.items():
                for value in distribution.extremes():
                    with_settings(config, {field: value})


_NOT_TUNED = ("dataset", "arm", "seed", "tuning")


def with_settings(config: "RunConfig", settings: Mapping[str, Any]) -> "RunConfig":
    """Return the config with other values in some of its fields.

    Args:
        config: A run.
        settings: A dotted field and its value.

    Raises:
        ValueError: If a run has no such field, it says what is compared and not how it is trained,
            or it does not take the value.
    """
    for field, value in settings.items():
        head, _, leaf = field.partition(".")
        part = getattr(config, head, None) if leaf else config
        names = type(part).model_fields if isinstance(part, Config) else {}
        if (leaf or head) not in names or head in _NOT_TUNED or leaf == "name":
            raise ValueError(
                f"a search chooses fields of a run such as 'train.learning_rate' or 'dim', and "
                f"none of {', '.join(_NOT_TUNED)}; {config.name} takes no {field!r} "
                f"{_have(names, leaf)}"
            )
        assert isinstance(part, Config)
        # checked in a copy: a round trip of the whole config would mark every field as set by hand
        checked = type(part).model_validate({**part.model_dump(), (leaf or head): value})
        update = {head: checked if leaf else getattr(checked, head)}
        config = config.model_copy(update=update)
    return config


def _have(names: Mapping[str, Any], leaf: str) -> str:
    if not leaf or not names:
        return "to be tuned"
    return f"among {', '.join(sorted(names))}: leave it out, or tune each backbone in its own study"
