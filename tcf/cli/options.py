"""Options and arguments that commands share, each spelt once."""

from pathlib import Path
from typing import Annotated

import typer

CacheOption = Annotated[
    str, typer.Option(help="Folder for vectors; 'auto': $TCF_CACHE, the checkout's, or the user's.")
]
TextOption = Annotated[str, typer.Option(help="Template of an item's text.")]
DtypeOption = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
QuantizationOption = Annotated[str | None, typer.Option(help="int8 or nf4.")]
MaxTokensOption = Annotated[int, typer.Option(help="Texts are cut there.")]
PromptOption = Annotated[str, typer.Option(help="Template with {text}.")]
PoolingOption = Annotated[str | None, typer.Option(help="mean, last_token or first_token.")]
LayerOption = Annotated[int, typer.Option(help="0: embedding output, k: block k, -1: last.")]
PlacementOption = Annotated[str, typer.Option(help="auto, resident, sharded or streamed.")]
RecordsArgument = Annotated[Path, typer.Argument(help="Folder with run records.")]
ItemsArgument = Annotated[Path, typer.Argument(help="Items file: TSV, CSV (.gz too) or Parquet.")]
EncoderArgument = Annotated[str, typer.Argument(help="Hub name, local folder, or a short name.")]
StudyArgument = Annotated[Path, typer.Argument(help="A Python file with `def study() -> Study`.")]
DataOption = Annotated[Path | None, typer.Option(help="Folder with the study's data.")]
RecordsOption = Annotated[
    Path | None, typer.Option(help="Folder for records and ledgers; default beside the file.")
]
KeyArgument = Annotated[
    list[str] | None, typer.Argument(help="First digits of a key; default every store.")
]
