import pytest

from feature_extractors.engine.options import (
    ExtractionOptions,
    LazyDevices,
    resolve_device,
    resolve_devices,
    resolve_precision,
)
from feature_extractors.engine.running import _decoders
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


@pytest.mark.parametrize(
    ("workers", "names"),
    [(0, ("cuda:0", "cuda:1")), (1, ("cuda:0",)), (3, ("cuda:0", "cuda:1", "cuda:0"))],
)
def test_every_worker_has_a_device_and_every_device_a_worker_unless_told_otherwise(workers, names):
    devices = LazyDevices("auto", workers, lambda asked: ("cuda:0", "cuda:1"))
    assert devices.names == names
    assert devices.name == "cuda:0"


def test_auto_means_all_gpus_and_one_gpu_has_no_number(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for count, names in ((3, ("cuda:0", "cuda:1", "cuda:2")), (1, ("cuda",))):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert resolve_devices("auto") == names
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_devices("auto") == ("cpu",)


@pytest.mark.parametrize("asked", ["cuda:0,cuda:0", "cpu,cuda:0"])
def test_devices_of_two_kinds_or_twice_the_same_are_refused(asked):
    with pytest.raises(ExtractionError) as caught:
        resolve_devices(asked)
    assert caught.value.code == "MER-E060"


@pytest.mark.parametrize(
    ("n_cores", "n_workers", "each"), [(2, 1, 2), (8, 1, 4), (64, 1, 8), (2, 2, 1), (64, 8, 4), (16, 64, 1)]
)
def test_workers_share_the_cores_for_decoding(n_cores, n_workers, each):
    assert _decoders(n_cores, n_workers) == each
