"""All backbones by name."""

from tcf.model.backbone import Backbone
from tcf.model.dssm import DSSM
from tcf.model.sasrec import SASRec

BACKBONES: dict[str, type[Backbone]] = {"DSSM": DSSM, "SASRec": SASRec}
