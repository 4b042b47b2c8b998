"""`tcf ladder`: language models of several sizes from texts of your own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tcf.cli.options import TextOption
from tcf.cli.shared import one_line_errors, print_rows, read_texts, spell_seconds

if TYPE_CHECKING:
    from tcf.encode.ladder import Cost

__all__ = ["ladder"]


def ladder(
    texts: Annotated[
        list[Path],
        typer.Argument(help="A .txt with a text a line, an items file, or a data set's folder."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to; finished sizes in it are kept.")],
    tokens: Annotated[int, typer.Option(help="To train each size on, text after text.")],
    seed: Annotated[int, typer.Option(help="Of weights, held-out texts and order.")],
    sizes: Annotated[int, typer.Option(help="How many, in equal ratios.")] = 6,
    smallest: Annotated[int, typer.Option(help="Parameters without embeddings.")] = 30_000,
    largest: Annotated[int, typer.Option(help="Likewise.")] = 3_000_000,
    text: TextOption = "{title}",
    vocab: Annotated[int, typer.Option(help="Of the tokenizer trained on the texts.")] = 4096,
    max_tokens: Annotated[int, typer.Option(help="Texts are cut there.")] = 64,
    batch: Annotated[int, typer.Option(help="Texts a step.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Peak of one block of width 64.")] = 0.01,
    dtype: Annotated[str, typer.Option(help="Of products: auto, float32 or bfloat16.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it takes; train and write nothing.")
    ] = False,
) -> None:
    """Train language models that differ in size alone, each an encoder for studies.

    Left at any moment and called again, it goes on.
    """
    with one_line_errors():
        from tcf.encode.backends.processor import pick_dtype
        from tcf.encode.ladder import Recipe, equal_ratios, ladder_costs, train_ladder

        recipe = Recipe.model_validate(
            {
                "num_tokens": tokens,
                "vocab_size": vocab,
                "max_tokens": max_tokens,
                "batch_size": batch,
                "learning_rate": learning_rate,
                "dtype": pick_dtype(dtype, device),
            }
        )
        shapes = equal_ratios(sizes, smallest=smallest, largest=largest)
        found = [line for path in texts for line in read_texts(path, text) if line.strip()]
        if dry_run:
            made = ladder_costs(found, recipe=recipe, sizes=shapes, seed=seed, device=device)
            _print_costs(made)
            return
        train_ladder(found, folder=out, recipe=recipe, sizes=shapes, seed=seed, device=device)
        _print_losses(out)


def _print_costs(costs: Sequence["Cost"]) -> None:
    rows = [
        (
            cost.size.name,
            f"{cost.parameters:,}",
            f"{cost.parameters_without_embeddings:,}",
            f"{cost.num_tokens:,}",
            f"{cost.num_steps:,}",
            f"{cost.train_flops:.2e}",
            spell_seconds(cost.seconds),
        )
        for cost in costs
    ]
    columns = ("size", "parameters", "without embeddings", "tokens", "steps", "FLOPs", "time")
    whole = f"{sum(cost.train_flops for cost in costs):.2e} FLOPs"
    time = spell_seconds(sum(cost.seconds for cost in costs))
    print_rows(columns, rows, title=f"to be trained: {whole}, about {time} on one core")


def _print_losses(folder: Path) -> None:
    from tcf.study.ladders import read_ladder

    rows = [
        (
            row["name"],
            f"{row['parameters']:,}",
            f"{row['parameters_without_embeddings']:,}",
            f"{row['num_tokens']:,}",
            f"{row['train_flops']:.2e}",
            f"{row['validation_loss']:.4f}",
            f"{row['validation_loss_per_byte']:.4f}",
            spell_seconds(row["seconds"]),
        )
        for row in read_ladder(folder).iter_rows(named=True)
    ]
    columns = ("size", "parameters", "without embeddings", "tokens", "FLOPs")
    columns += ("nats a token", "nats a byte", "time")
    print_rows(columns, rows, title=f"validation loss: {folder}")
