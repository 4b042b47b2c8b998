"""The spec, and what does not apply."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tcf.encode.encoders import resolve
from tcf.encode.spec import EncoderSpec


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        EncoderSpec(name="x", poling="mean")  # type: ignore[call-arg]


def test_a_short_name_becomes_its_hub_name() -> None:
    assert resolve("opt-125m", layer=3) == EncoderSpec(
        name="facebook/opt-125m", label="OPT-125M", layer=3
    )


def test_a_path_is_a_name() -> None:
    assert resolve(Path("/models/tiny")).name == "/models/tiny"


def test_settings_refine_a_spec_and_defaults_leave_it_alone() -> None:
    spec = EncoderSpec(name="x", layer=2)
    assert resolve(spec, layer=-1, normalize=True) == EncoderSpec(name="x", layer=2, normalize=True)


def test_a_setting_that_contradicts_the_spec_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layer=3 contradicts layer=2 of the EncoderSpec"):
        resolve(EncoderSpec(name="x", layer=2), layer=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "max"}, r"pooling: Input should be 'mean', 'last_token' or 'first_token'"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1; got 0"),
        ({"prompt": "title"}, r"prompt: .*a prompt needs \{text\} exactly once; got 'title'"),
        ({"dtype": "int8"}, "dtype: Input should be 'auto'"),
        ({"quantization": "int3"}, "quantization: Input should be 'int8' or 'nf4'; got 'int3'"),
    ],
)
def test_a_setting_without_meaning_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve("x", **settings)


def test_the_display_name_tells_layers_apart() -> None:
    assert EncoderSpec(name="/a/tiny-bert").display_name == "tiny-bert"
    assert EncoderSpec(name="/a/tiny-bert", layer=2).display_name == "tiny-bert (layer 2)"
    assert EncoderSpec(name="/a/b", label="Mine", layer=2).display_name == "Mine"


def test_import_and_spec_load_no_torch() -> None:
    code = (
        "import sys, tcf, tcf.encode, tcf.encode.encoders, tcf.encode.embeddings; tcf.encode_items;"
        "heavy = {'torch', 'transformers', 'sklearn'} & sys.modules.keys();"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_of_the_package_alone_loads_almost_nothing() -> None:
    code = "import sys, tcf; assert not {'torch', 'numpy', 'pydantic'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_knows_its_version() -> None:
    import tcf

    assert tcf.__version__[0].isdigit()
