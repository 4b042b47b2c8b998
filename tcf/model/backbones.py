"""All backbones by name."""

from tcf.model.backbone import Backbone
from tcf.model.bert4rec import BERT4Rec
from tcf.model.dssm import DSSM
from tcf.model.gru4rec import GRU4Rec
from tcf.model.mean_history import MeanHistory
from tcf.model.nextitnet import NextItNet
from tcf.model.sasrec import SASRec
from tcf.model.user_texts import TextUsers

BACKBONES: dict[str, type[Backbone]] = {
    "BERT4Rec": BERT4Rec,
    "DSSM": DSSM,
    "GRU4Rec": GRU4Rec,
    "MeanHistory": MeanHistory,
    "NextItNet": NextItNet,
    "SASRec": SASRec,
    "TextUsers": TextUsers,
}
