import pytest

from feature_extractors.engine.options import ExtractionOptions, resolve_device, resolve_precision
from mertools.errors import ExtractionError, MachineError


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"retry": ("no_fase",)}, "MER-E002", "Did you mean 'no_face'"),
        ({"shard": "0/3"}, "MER-E003", "0/3"),
        ({"shard": "4/3"}, "MER-E003", "4/3"),
        ({"shard": "3"}, "MER-E003", "'3'"),
        ({"limit": 0}, "MER-E004", "limit is 0"),
        ({"address": "host:1"}, "MER-E013", "host:1"),
    ],
)
def test_what_types_do_not_say_is_checked(options, code, said):
    with pytest.raises(ExtractionError) as caught:
        ExtractionOptions(**options)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_a_column_is_a_sound_or_a_transcript_by_its_name():
    options = ExtractionOptions(column=("text_en", "audio_denoised"))
    assert (options.audio_column, options.text_column) == ("audio_denoised", "text_en")
    assert (ExtractionOptions().audio_column, ExtractionOptions().text_column) == ("audio", "text")
    with pytest.raises(ExtractionError, match="text_en and text_de"):
        _ = ExtractionOptions(column=("text_en", "text_de")).text_column


def test_a_device_that_is_not_there_is_an_error_that_names_it():
    with pytest.raises(MachineError, match="nonsense"):
        resolve_device("nonsense")
    assert resolve_device("cpu") == "cpu"


def test_precision_follows_the_device_unless_chosen():
    assert resolve_precision(None, "cpu") == "fp32"
    assert resolve_precision(None, "cuda") == "bf16"
    assert resolve_precision("fp16", "cpu") == "fp16"
