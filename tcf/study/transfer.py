"""What a transfer is: where the weights of a run start from. Loads no torch."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from tcf.train.config import Config

__all__ = ["Transfer"]


class Transfer(Config):
    """Start from what an arm of the study learned on other data sets.

    A run of the arm that is named is made on the source first, with the same backbone and seed and
    a record of its own; several sources are joined to one training set, every id with its data
    set's name before it. The vectors of source and target must come from one encoder with the same
    settings; transforms are fitted on the source's training items alone, for both.

    Attributes:
        arm: Name of the arm; it must be among the study's runs, where it is trained on the target
            from scratch: what a transfer is to be compared with.
        sources: Names in `Study.sources`.
        carry: ``"backbone"`` the backbone's weights, with a new projector (and encoder, of a tuned
            arm); ``"all"`` these too.
        same_users: Equal user ids of source and target are the same people, so that what a user
            tower learned of them is carried over (of one source, whose ids stay as they are).
            Otherwise a backbone that knows users by IDs is refused.

    Source: Yuan et al., arXiv 2001.04253 (PeterRec), for users known to both.
    """

    added: ClassVar[tuple[str, ...]] = ("same_users",)

    arm: str
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    carry: Literal["backbone", "all"] = "all"
    same_users: bool = False

    @model_validator(mode="after")
    def _names_each_source_once(self) -> "Transfer":
        if len(set(self.sources)) != len(self.sources):
            raise ValueError(f"sources must be different data sets; got {list(self.sources)}")
        if self.same_users and len(self.sources) > 1:
            raise ValueError(
                "users of several sources that are joined are kept apart, so that same_users is "
                f"for one source; got {list(self.sources)}"
            )
        return self

    @property
    def source(self) -> str:
        """Name for people of all sources together."""
        return " + ".join(self.sources)
