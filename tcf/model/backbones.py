"""All backbones by name."""

from tcf.model.backbone import Backbone
from tcf.model.bert4rec import BERT4Rec
from tcf.model.dssm import DSSM
from tcf.model.gru4rec import GRU4Rec
from tcf.model.lightgcn import AlphaRec, LightGCN
from tcf.model.mean_history import MeanHistory
from tcf.model.nextitnet import NextItNet
from tcf.model.ngcf import NGCF
from tcf.model.sasrec import SASRec
from tcf.model.user_texts import TextUsers

BACKBONES: dict[str, type[Backbone]] = {
    "AlphaRec": AlphaRec,
    "BERT4Rec": BERT4Rec,
    "DSSM": DSSM,
    "GRU4Rec": GRU4Rec,
    "LightGCN": LightGCN,
    "MeanHistory": MeanHistory,
    "NGCF": NGCF,
    "NextItNet": NextItNet,
    "SASRec": SASRec,
    "TextUsers": TextUsers,
}
