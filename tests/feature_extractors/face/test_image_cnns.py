"""Face CNNs as extractors: what the authors' scripts compute, crop by crop through PIL, and the released files."""

import shutil
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

from feature_extractors import EXTRACTORS, create_extractor, extract
from feature_extractors.base import FaceCrops
from mertools.corpus import Clip, Corpus, Split
from mertools.errors import ConfigError, ExtractionError
from mertools.store import open_store

NAMES = [
    "face/resnet50-ferplus",
    "face/senet50-ferplus",
    "face/manet",
    "face/emonet",
    "face/msceleb-resnet18",
    "face/imagenet-resnet18",
    "face/facenet-vggface2",
]
FERPLUS = NAMES[:2]
IMAGENET = transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])


def as_ferplus():
    mean = transforms.Normalize(mean=[131.0912, 103.8827, 91.4953], std=[1, 1, 1])
    return [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), lambda x: x * 255.0, mean]


THEIRS = {
    "face/resnet50-ferplus": as_ferplus(),
    "face/senet50-ferplus": as_ferplus(),
    "face/manet": [transforms.Resize((224, 224)), transforms.ToTensor()],
    "face/emonet": [transforms.Resize((256, 256)), transforms.ToTensor()],
    "face/msceleb-resnet18": [transforms.Resize((224, 224)), transforms.ToTensor(), IMAGENET],
    "face/imagenet-resnet18": [transforms.Resize((224, 224)), transforms.ToTensor(), IMAGENET],
    "face/facenet-vggface2": [
        transforms.Resize((160, 160)),
        lambda image: torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1),
        lambda x: (x - 127.5) / 128.0,
    ],
}


@pytest.fixture(scope="module")
def frames():
    data = pytest.importorskip("skimage.data")
    face = data.astronaut()[:224, 120:344]
    return np.stack([face[i : i + 112, i : i + 112] for i in range(0, 100, 20)])


def crops(pixels):
    return FaceCrops(pixels, np.arange(len(pixels)) / 25)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def make(tiny_options):
    def loaded(name, **options):
        extractor = create_extractor(name, **{**tiny_options(name), **options})
        extractor.load("cpu", "fp32")
        return extractor

    return loaded


def embed(extractor, pixels):
    return extractor.embed([crops(pixels)], "frame")[0].values


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


# numbers


def test_equals_the_authors_steps_crop_by_crop(name, make, tiny_options, frames):
    """RGB crops through PIL and the authors' transforms, one at a time; then the network, in its plain layout."""
    target, facts = EXTRACTORS.entry(name).target, EXTRACTORS.entry(name).facts
    network = target.network(facts, target.fake_width, target.Config()).eval()
    network.load_state_dict(load_file(f"{tiny_options(name)['weights']}/model.safetensors"))
    transform = transforms.Compose(THEIRS[name])
    with torch.inference_mode():
        expected = [network(transform(Image.fromarray(frame))[None])[0].numpy() for frame in frames]
    rows = make(name).embed([crops(frames)], "frame")[0]
    near(rows.values, np.stack(expected))
    assert rows.values.dtype == np.float32
    np.testing.assert_array_equal(rows.times_s, np.arange(len(frames)) / 25)


@pytest.mark.parametrize("shape", [(112, 112), (256, 256), (224, 224)])
def test_preprocessing_is_that_of_pil_for_every_crop_policy(name, shape):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (2, shape[0] // 8, shape[1] // 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    ours = EXTRACTORS.entry(name).target.preprocessing
    found = ours.normalise(ours(pixels)).numpy()
    expected = np.stack([transforms.Compose(THEIRS[name])(Image.fromarray(frame)).numpy() for frame in pixels])
    assert found.shape == expected.shape
    levels = np.abs(found - expected) * np.reshape(ours.std, (3, 1, 1)) / ours.scale
    assert (
        levels.max() < 2.01 if shape[0] > 112 else levels.max() < 1e-3
    )  # grey levels; PIL rounds other when it shrinks
    assert (levels > 0.01).mean() < 0.02


def test_colours_are_red_green_blue(name, make, frames):
    extractor = make(name)
    assert np.abs(embed(extractor, frames) - embed(extractor, frames[..., ::-1])).max() > 1e-3


def test_published_networks_are_as_wide_as_declared(name):
    entry = EXTRACTORS.entry(name)
    shape = entry.target.published_shape(entry.facts)
    assert (shape.dim, shape.rows) == (entry.facts["dim"], 2)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("face/resnet50-ferplus", 23.51),
        ("face/senet50-ferplus", 26.04),
        ("face/msceleb-resnet18", 11.18),
        ("face/facenet-vggface2", 23.48),
    ],
)
def test_published_networks_have_the_known_number_of_parameters(name, millions):
    """Those of torchvision, timm and facenet-pytorch without their heads."""
    entry = EXTRACTORS.entry(name)
    assert entry.target.published_shape(entry.facts).parameters / 1e6 == pytest.approx(millions, abs=0.01)


# options


@pytest.mark.parametrize("name", FERPLUS)
def test_pooled_layer_of_ferplus_is_four_times_as_wide(name, make, frames):
    middle, pooled = make(name), make(name, layer="pool5_7x7_s1")
    assert pooled.dim == 4 * middle.dim
    assert embed(pooled, frames).shape == (len(frames), pooled.dim)
    assert middle.settings() != pooled.settings()
    with torch.device("meta"):
        facts, target = EXTRACTORS.entry(name).facts, type(pooled)
        widths = [target.network(facts, target.width, extractor.config).dim for extractor in (middle, pooled)]
    assert widths == [512, 2048]


@pytest.mark.parametrize("name", FERPLUS)
def test_unknown_layer_is_refused(name):
    with pytest.raises(ConfigError, match=r"layer: 'conv1' is not one of: conv5_3_3x3_relu, pool5_7x7_s1"):
        create_extractor(name, layer="conv1")


@pytest.mark.parametrize("name", [*FERPLUS, "face/manet", "face/msceleb-resnet18", "face/imagenet-resnet18"])
def test_rows_behind_a_rectifier_are_not_negative(name, make, frames):
    assert embed(make(name), frames).min() >= 0


def test_facenet_rows_have_unit_length_unless_asked(make, frames):
    unit, raw = make("face/facenet-vggface2"), make("face/facenet-vggface2", normalised=False)
    rows = embed(raw, frames)
    near(np.linalg.norm(embed(unit, frames), axis=1), np.ones(len(frames)))
    near(embed(unit, frames), rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).min() > 0.01


def test_manet_runs_the_second_chain_the_other_way_if_asked(make, frames):
    same, opposite = make("face/manet"), make("face/manet", opposite=True)
    change = np.abs(embed(same, frames) - embed(opposite, frames))
    half = same.dim // 2
    assert change[:, :half].max() == 0
    assert change[:, half:].max() > 1e-3
    assert same.settings() != opposite.settings()


# what goes wrong elsewhere


def test_clip_without_a_crop_gives_no_row(name, make, frames):
    """Trap 9: clips in which no face was found crash the authors' scripts."""
    extractor = make(name)
    none = FaceCrops(np.empty((0, 112, 112, 3), np.uint8), np.empty(0))
    alone = extractor.embed([none], "frame")[0]
    assert alone.values.shape == (0, extractor.dim)
    assert alone.values.dtype == np.float32
    before, empty, after = extractor.embed([crops(frames[:2]), none, crops(frames[2:])], "frame")
    assert empty.values.shape == (0, extractor.dim)
    near(np.concatenate([before.values, after.values]), embed(extractor, frames))


def test_clip_without_a_face_is_a_status_and_the_next_clip_goes_on(tmp_path, make, tiny_options, frames):
    """Trap 9, through the engine: for a clip without a face OpenFace's collector writes an empty array."""
    folder = tmp_path / "faces"
    crops_of = {"faceless": np.empty(0), "there": frames[..., ::-1]}  # BGR, as MERTools stores them
    for clip, pixels in crops_of.items():
        (folder / clip).mkdir(parents=True)
        np.save(folder / clip / f"{clip}.npy", pixels)
    clips = tuple(Clip(clip, "train") for clip in crops_of)
    corpus = Corpus("two", tmp_path, clips, tmp_path, (Split("train"),))
    store = open_store(tmp_path / "store", create=True)
    weights = tiny_options("face/manet")["weights"]
    spec = f"face/manet:weights={weights}:crop=openface-folder:folder={folder}"
    extract(corpus, [spec], store, device="cpu", level="frame", quiet=True)
    (space,) = store.spaces()
    assert store.status(space)["faceless"][0] == "no_face"
    near(store.read(space, "there").values, embed(make("face/manet"), frames))


def test_few_crops_at_a_time_are_on_the_device(make, frames, monkeypatch):
    """Trap 18: the authors' script moves a whole clip to the device before it is cut into batches."""
    extractor = make("face/msceleb-resnet18")
    seen = []
    extractor.model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    rows = extractor.embed([crops(frames[np.arange(70) % len(frames)]), crops(frames)], "frame")
    assert sum(seen) == 75
    assert max(seen) <= 16
    near(rows[0].values[-5:], rows[1].values)


def test_nothing_deprecated_is_called(name, make, frames):
    """Trap 36."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        warnings.simplefilter("error", FutureWarning)
        embed(make(name), frames[:1])


def test_making_every_network_leaves_pytorch_as_it_was(make):
    """Trap 37."""
    before = {key: getattr(torch.nn, key) for key in dir(torch.nn)}
    for each in NAMES:
        make(each)
    assert {key: getattr(torch.nn, key) for key in dir(torch.nn)} == before


# released files


class RecorderMeter:
    """The object that MA-Net's training script keeps in its checkpoints."""

    def __init__(self):
        self.epoch_losses = np.zeros((100, 2), np.float32)
        self.current_epoch = 62


RecorderMeter.__module__ = "__main__"  # where the script that wrote the released file was


def heads(name):
    """Parameters that the released files have and embeddings do not need."""
    return {
        "face/manet": {"fc_1.weight": torch.ones(7, 32), "fc_2.bias": torch.ones(7)},
        "face/emonet": {"emo_fc_2.0.weight": torch.ones(8, 16), "emo_fc_2.3.bias": torch.ones(10)},
        "face/facenet-vggface2": {"logits.weight": torch.ones(8631, 2)},
    }.get(name, {"classifier.weight": torch.ones(8, 9, 1, 1)} if "ferplus" in name else {"fc.bias": torch.ones(1000)})


def released(name, state, folder, monkeypatch):
    """A file as the authors of `name` release it: wrapper, prefix and what else their script wrote."""
    state = {**state, **heads(name)}
    content = state
    if name == "face/manet":
        monkeypatch.setattr("__main__.RecorderMeter", RecorderMeter, raising=False)
        content = {
            "epoch": 63,
            "state_dict": {f"module.{key}": value for key, value in state.items()},
            "best_acc": torch.tensor(88.33),
            "optimizer": {"state": {}, "param_groups": [{"lr": 0.01, "params": [0, 1]}]},
            "recorder": RecorderMeter(),
        }
    elif name == "face/msceleb-resnet18":
        content = {"state_dict": state}
    elif name == "face/emonet":
        content = {f"module.{key}": value for key, value in state.items()}
    if "ferplus" in name:  # written before PyTorch counted steps
        content = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    path = folder / EXTRACTORS.entry(name).facts["files"][0]
    torch.save(content, path, _use_new_zipfile_serialization=name not in (*FERPLUS, "face/manet"))
    return path


def test_released_file_and_its_folder_give_the_same_numbers(name, make, tiny_options, tmp_path, frames, monkeypatch):
    """Trap 35: the published layouts load through weights_only, unrenamed."""
    state = load_file(f"{tiny_options(name)['weights']}/model.safetensors")
    path = released(name, state, tmp_path, monkeypatch)
    expected = embed(make(name), frames)
    by_file, by_folder = make(name, weights=str(path)), make(name, weights=str(tmp_path))
    np.testing.assert_array_equal(embed(by_file, frames), expected)
    np.testing.assert_array_equal(embed(by_folder, frames), expected)
    assert by_file.settings() == by_folder.settings()
    assert by_file.dim == expected.shape[1]


def test_file_of_another_network_is_refused_by_name(name, tiny_options, make):
    other = "face/manet" if name != "face/manet" else "face/resnet50-ferplus"
    with pytest.raises(ExtractionError, match=r"MER-E19[58]") as error:
        make(name, weights=tiny_options(other)["weights"])
    assert "model.safetensors" in error.value.message


def test_missing_and_unknown_parameters_are_named(name, tiny_options, make, tmp_path):
    state = load_file(f"{tiny_options(name)['weights']}/model.safetensors")
    gone = next(key for key in reversed(state) if key.endswith("running_var"))
    del state[gone]
    state["surprise"] = torch.ones(3)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(ExtractionError, match=r"MER-E195") as error:
        make(name, weights=str(tmp_path / "net.pth"))
    assert f"it lacks {gone}; it has unknown surprise" in error.value.message


def test_without_weights_the_message_says_where_they_are(name, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    facts = EXTRACTORS.entry(name).facts
    with pytest.raises(ExtractionError, match=r"MER-E19[01]") as error:
        _ = create_extractor(name).dim
    assert facts["files"][0] in error.value.hint
    assert facts["source"] in error.value.hint
    assert f"{name}:weights=FILE" in error.value.hint


def test_half_a_file_is_named(name, tiny_options, make, tmp_path):
    folder = shutil.copytree(tiny_options(name)["weights"], tmp_path / "half")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ExtractionError, match=r"MER-E197.*model\.safetensors"):
        make(name, weights=str(folder))


def test_a_clip_of_many_seconds_keeps_its_times(make, frames):
    times = np.array([float(Fraction(i, 30)) for i in range(40)])
    rows = make("face/msceleb-resnet18").embed([FaceCrops(frames[np.arange(40) % 5], times)], "frame")[0]
    np.testing.assert_array_equal(rows.times_s, times)
