"""report_page(): a study's findings as one HTML page that asks nothing of any network."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any

from tcf.report.data import page_data
from tcf.report.findings import Findings
from tcf.report.verdicts import Verdict, in_words, listed

__all__ = ["report_page"]

_MARK = re.compile(r"\{\{(\w+)\}\}")
_SCRIPTS = ("base", "marks", "curves", "tables", "records", "datasets", "explorer", "start")
# What would end the script element, or a line of JavaScript, inside embedded JSON.
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def report_page(
    findings: Findings, *, title: str, explorer: Mapping[str, Any] | None = None
) -> str:
    """Return the page: verdicts, curves, tables, provenance, data and explorer in one file.

    The same findings give the same text. Whatever comes from the data is escaped, and the page's
    own content policy lets no script run but its own and nothing be fetched.

    Args:
        findings: From `gather`.
        title: Heading.
        explorer: From `neighbour_lists`; None: the page says how to get it.
    """
    style, script = _asset("page.css"), "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return _filled(
        _asset("page.html"),
        {
            "title": escape(title),
            "about": escape(_about(findings)),
            "verdicts": _verdicts(in_words(findings)),
            "style": style,
            "script": script,
            "style_hash": _hash(style),
            "script_hash": _hash(script),
            "data": _json(page_data(findings, explorer=explorer)),
        },
    )


def _asset(name: str) -> str:
    return files("tcf.report").joinpath("assets", name).read_text(encoding="utf-8")


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """Put ``parts`` in place of ``{{name}}``, once: what is put in is not looked at again."""
    return _MARK.sub(lambda mark: parts[mark[1]], template)


def _hash(text: str) -> str:
    """Return what a content policy calls an inline element by (CSP level 2)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_UNSAFE).encode("utf-8", "backslashreplace").decode()  # half a surrogate


def _about(findings: Findings) -> str:
    """Say how much there is: runs, arms, data sets, backbones."""
    runs = sum(len(cell.records) for cell in findings.cells)
    arms = len({cell.arm for cell in findings.cells})
    datasets = list(dict.fromkeys(cell.dataset for cell in findings.cells))
    backbones = list(dict.fromkeys(cell.backbone for cell in findings.cells if cell.backbone))
    on = f" under {listed(backbones)}" if backbones else ""
    return f"{runs} runs of {arms} arms{on} on {listed(datasets)}"


def _verdicts(verdicts: list[Verdict]) -> str:
    parts = []
    for (dataset, backbone), group in groupby(verdicts, lambda v: (v.dataset, v.backbone)):
        name = " · ".join(x for x in (backbone, dataset) if x)
        items = "".join(
            f'<li class="{verdict.tone}"><span class="tone">{escape(verdict.label)}</span> '
            f"<p>{escape(verdict.text)}</p></li>\n"
            for verdict in group
        )
        parts.append(
            f'<article>\n<h3>{escape(name)}</h3>\n<ul class="verdicts">\n{items}</ul>\n</article>'
        )
    return "\n".join(parts)
