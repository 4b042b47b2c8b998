"""`tcf encode | plan | doctor`: what takes an encoder and texts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tcf.cli.options import (
    CacheOption,
    DtypeOption,
    EncoderArgument,
    ItemsArgument,
    LayerOption,
    MaxTokensOption,
    PlacementOption,
    PoolingOption,
    PromptOption,
    QuantizationOption,
    TextOption,
)
from tcf.cli.shared import one_line_errors, print_rows, read_texts

__all__ = ["doctor", "encode", "plan"]


def encode(
    items: ItemsArgument,
    encoder: Annotated[str, typer.Option(help="Hub name, local folder, or a name like tfidf-svd.")],
    out: Annotated[Path, typer.Option(help="A .safetensors file: vectors, item ids, manifest.")],
    text: TextOption = "{title}",
    pooling: PoolingOption = None,
    layer: LayerOption = -1,
    max_tokens: MaxTokensOption = 30,
    prompt: PromptOption = "{text}",
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    placement: PlacementOption = "auto",
    normalize: Annotated[bool, typer.Option(help="Scale vectors to length 1.")] = False,
    cache: CacheOption = "auto",
) -> None:
    """Turn the texts of an items file into vectors with an encoder.

    Under `accelerate launch -m tcf encode ...` the processes share the work through the cache.
    """
    settings: dict[str, Any] = {
        "pooling": pooling,
        "layer": layer,
        "max_tokens": max_tokens,
        "prompt": prompt,
        "dtype": dtype,
        "quantization": quantization,
        "placement": placement,
        "normalize": normalize,
        "cache": cache,
    }
    with one_line_errors():
        from tcf.data.formats import read_items
        from tcf.encode.items import save_catalog

        if out.suffix != ".safetensors":
            raise ValueError(
                f"vectors with their item ids are written to a .safetensors file; got {str(out)!r}"
            )
        shape = save_catalog(read_items(items, text=text), out, encoder=encoder, **settings)
        if shape is not None:
            typer.echo(f"{out}: {shape[0]} vectors of width {shape[1]}")


def plan(
    encoder: EncoderArgument,
    items: ItemsArgument,
    text: TextOption = "{title}",
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    max_tokens: MaxTokensOption = 30,
    placement: PlacementOption = "auto",
    cache: CacheOption = "auto",
) -> None:
    """Say what encoding would take, and where it would run; downloads no weights."""
    with one_line_errors():
        from tcf.data.formats import read_items
        from tcf.encode.planner import plan as make_plan

        made = make_plan(
            read_items(items, text=text).texts,
            encoder=encoder,
            dtype=dtype,
            quantization=quantization,
            max_tokens=max_tokens,
            placement=placement,
            cache=cache,
        )
        title = f"encoding {items} with {made.spec.display_name}"
        print_rows(("what", "figure"), made.rows(), title=title)


def doctor(
    encoder: EncoderArgument,
    texts: Annotated[
        Path | None, typer.Option(help="Items file as for `encode`, or a .txt with a text a line.")
    ] = None,
    text: TextOption = "{title}",
    pooling: PoolingOption = None,
    layer: LayerOption = -1,
    max_tokens: MaxTokensOption = 30,
    prompt: PromptOption = "{text}",
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    cache: CacheOption = "auto",
) -> None:
    """Check an encoder before a long run; exits with 1 if there is a problem."""
    with one_line_errors():
        from tcf.encode.doctor import diagnose

        findings = diagnose(
            encoder,
            None if texts is None else read_texts(texts, text),
            pooling=pooling,
            layer=layer,
            max_tokens=max_tokens,
            prompt=prompt,
            dtype=dtype,
            quantization=quantization,
            cache=cache,
        )
    print_rows(
        ("check", "verdict", "found", "fix"),
        ((f.check, f.verdict, f.found, f.fix) for f in findings),
        title=encoder,
    )
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(1)
