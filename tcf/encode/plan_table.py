"""A plan in words and units."""

from typing import TYPE_CHECKING

from tcf.encode.placement import device_memory, show_bytes

if TYPE_CHECKING:
    from tcf.encode.planner import Plan

__all__ = ["plan_rows"]


def plan_rows(plan: "Plan") -> list[tuple[str, str]]:
    """Return what a plan says, one thing a row: its name and its value with units."""
    shape, needs, rates = plan.shape, plan.needs, plan.rates
    kind = f"{plan.dtype} on {plan.device}"
    if plan.spec.quantization:
        kind += f", blocks in {plan.spec.quantization}"
    peaks = {
        f"peak memory, {placement}": f"{show_bytes(peak)}{_verdict(plan, peak)}"
        for placement, peak in plan.peak_bytes().items()
    }
    return [
        ("encoder", f"{plan.spec.display_name}, from {plan.source.words}"),
        (
            "size",
            f"{_parameters(shape.total)} parameters, "
            f"{_parameters(shape.total - shape.embeddings)} without "
            f"embeddings; {shape.depth} blocks of width {shape.width}",
        ),
        ("runs in", kind),
        ("texts", f"{plan.work.num_texts:,}, of which {plan.work.num_distinct:,} distinct"),
        ("in the store", _stored(plan)),
        ("tokens to encode", _tokens(plan)),
        (
            "weights",
            f"{show_bytes(needs.weights)}: largest block {show_bytes(needs.block)}, "
            f"embeddings {show_bytes(needs.embeddings)}",
        ),
        ("states between blocks", show_bytes(needs.states)),
        *peaks.items(),
        ("free memory", _free(plan)),
        ("to download", show_bytes(plan.download_bytes)),
        ("read from disk", show_bytes(plan.read_bytes) + _at(rates and rates.disk, "B/s")),
        (
            "work",
            f"{_count(plan.flops)}FLOP" + _at(rates and rates.product, f"FLOP/s in {plan.dtype}"),
        ),
        ("expected time", _time(plan)),
        ("placement", f"{plan.choice.placement}: {plan.choice.reason}"),
    ]


def _verdict(plan: "Plan", peak: int) -> str:
    room = device_memory(plan.free, plan.device)
    return "" if peak <= room else f", more than is free on {plan.device}"


def _stored(plan: "Plan") -> str:
    if plan.work.num_stored is None:
        return "unknown before the weights are here: the key hashes them"
    return f"{plan.work.num_stored:,} of the distinct texts"


def _tokens(plan: "Plan") -> str:
    how = "" if plan.work.counted else ", estimated from characters: no tokenizer here yet"
    return f"{plan.work.num_tokens:,}, texts cut at {plan.spec.max_tokens}{how}"


def _free(plan: "Plan") -> str:
    cards = [f"{show_bytes(card)} on cuda:{n}" for n, card in enumerate(plan.free.cuda)]
    return ", ".join([f"{show_bytes(plan.free.host)} of the machine", *cards])


def _time(plan: "Plan") -> str:
    if not plan.work.num_tokens:
        return "0 s: nothing is left to encode"
    read, compute = _seconds(plan.read_seconds), _seconds(plan.compute_seconds)
    joined = "beside" if plan.choice.placement == "streamed" else "then"
    return f"{_seconds(plan.seconds)}: {read} of reading {joined} {compute} of matrix products"


def _at(rate: float | None, unit: str) -> str:
    return "" if rate is None else f" at {_count(rate)}{unit}"


def _seconds(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _parameters(number: int) -> str:
    """1234567890 -> "1.23B", as sizes of models are said."""
    return _count(number).replace("G", "B").replace(" ", "")


def _count(number: float) -> str:
    """1234567 -> "1.23 M"."""
    for unit, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g} "
