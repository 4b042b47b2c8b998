"""Records -> one self-contained HTML page: verdicts, curves, tables, provenance, an explorer."""

from tcf._util import lazy_exports

_HOMES = {
    "Findings": "findings",
    "Verdict": "verdicts",
    "gather": "findings",
    "in_words": "verdicts",
    "neighbour_lists": "neighbours",
    "report_page": "page",
}
__all__ = [
    "Findings",
    "Verdict",
    "gather",
    "in_words",
    "neighbour_lists",
    "report_page",
]
__getattr__ = lazy_exports(__name__, _HOMES)
