"""Settings of each backbone and projector, with the study's as defaults. Loads no torch."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tcf.train.config import Config, Count

Share = Annotated[float, Field(ge=0, lt=1)]
Steps = Annotated[int, Field(ge=0)]


class SASRecConfig(Config):
    """Settings of `tcf.model.SASRec`; the defaults are the study's."""

    added: ClassVar[tuple[str, ...]] = ("norm",)

    name: Literal["SASRec"] = "SASRec"
    num_layers: Count = 2
    num_heads: Count = 2
    max_history: Count = 20
    dropout: Share = 0.1
    norm: Literal["post", "pre"] = "post"


class DSSMConfig(Config):
    """Settings of `tcf.model.DSSM`."""

    name: Literal["DSSM"] = "DSSM"
    num_layers: Steps = 0
    dropout: Share = 0.1


class GRU4RecConfig(Config):
    """Settings of `tcf.model.GRU4Rec`."""

    name: Literal["GRU4Rec"] = "GRU4Rec"
    num_layers: Count = 1
    max_history: Count = 20
    dropout: Share = 0.1


class NextItNetConfig(Config):
    """Settings of `tcf.model.NextItNet`."""

    name: Literal["NextItNet"] = "NextItNet"
    kernel_size: Annotated[int, Field(ge=2)] = 3
    dilations: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 4)
    max_history: Count = 20
    dropout: Share = 0.1


class BERT4RecConfig(Config):
    """Settings of `tcf.model.BERT4Rec`."""

    name: Literal["BERT4Rec"] = "BERT4Rec"
    num_layers: Count = 2
    num_heads: Count = 2
    max_history: Annotated[int, Field(ge=2)] = 20
    dropout: Share = 0.1
    hidden_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    norm: Literal["post", "pre"] = "pre"


class MeanHistoryConfig(Config):
    """Settings of `tcf.model.MeanHistory`."""

    name: Literal["MeanHistory"] = "MeanHistory"
    max_history: Count = 20


class LightGCNConfig(Config):
    """Settings of `tcf.model.LightGCN`."""

    name: Literal["LightGCN"] = "LightGCN"
    num_layers: Steps = 3


class NGCFConfig(Config):
    """Settings of `tcf.model.NGCF`."""

    name: Literal["NGCF"] = "NGCF"
    num_layers: Steps = 3
    dropout: Share = 0.1


class AlphaRecConfig(Config):
    """Settings of `tcf.model.AlphaRec`."""

    name: Literal["AlphaRec"] = "AlphaRec"
    num_layers: Steps = 2


class TextUsersConfig(Config):
    """Settings of `tcf.model.TextUsers`, of arms with ``user_text``.

    Attributes:
        shared: The items' projector is the users' too.
    """

    name: Literal["TextUsers"] = "TextUsers"
    shared: bool = False


class ProjectorConfig(Config):
    """Settings of the projector of `tcf.model.FrozenTextTower` and `TunedTextTower`."""

    added: ClassVar[tuple[str, ...]] = ("activation",)

    num_layers: Count = 2
    dropout: Share = 0.1
    activation: bool = True


class MixtureConfig(Config):
    """Settings of `tcf.model.MixtureProjector`, the projector of a frozen arm."""

    name: Literal["mixture"] = "mixture"
    num_experts: Count = 8
    dropout: Share = 0.2
    noise: bool = True


AnyProjector = ProjectorConfig | MixtureConfig

AnyBackbone = (
    AlphaRecConfig
    | BERT4RecConfig
    | DSSMConfig
    | GRU4RecConfig
    | LightGCNConfig
    | MeanHistoryConfig
    | NGCFConfig
    | NextItNetConfig
    | SASRecConfig
    | TextUsersConfig
)
Backbone = Annotated[AnyBackbone, Field(discriminator="name")]
