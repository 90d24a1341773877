"""Face CNNs: parameters named and shaped as their authors publish them, numbers as an independent network gives them.

The counts and names below are facts read off public code: the modules that pytorch-mcn generates, ``model/manet.py`` of
zengqunzhao/MA-Net with the CBAM it imports, ``emonet/models/emonet.py`` of face-analysis/emonet.
"""

import re

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, linear, max_pool2d

from feature_extractors.face.image_cnn import settle
from feature_extractors.networks.emonet import EmoNet
from feature_extractors.networks.ferplus import FerPlusResNet50
from feature_extractors.networks.inception_resnet_v1 import InceptionResnetV1
from feature_extractors.networks.manet import MaNet
from feature_extractors.networks.resnet18 import ResNet18

PUBLISHED = {
    "resnet50-ferplus": (
        lambda: FerPlusResNet50(squeeze=False, n_classes=8),
        267,
        {
            "conv1_7x7_s2.weight": (64, 3, 7, 7),
            "conv1_7x7_s2_bn.running_var": (64,),
            "conv2_1_1x1_reduce.weight": (64, 64, 1, 1),
            "conv2_1_1x1_proj_bn.bias": (256,),
            "conv3_4_3x3.weight": (128, 128, 3, 3),
            "conv4_6_1x1_increase.weight": (1024, 256, 1, 1),
            "conv5_1_1x1_proj.weight": (2048, 1024, 1, 1),
            "conv5_3_3x3_bn.running_mean": (512,),
            "conv5_3_1x1_increase_bn.weight": (2048,),
            "classifier.weight": (8, 2048, 1, 1),
            "classifier.bias": (8,),
        },
    ),
    "senet50-ferplus": (
        lambda: FerPlusResNet50(squeeze=True, n_classes=8),
        331,
        {
            "conv2_1_1x1_down.weight": (16, 256, 1, 1),
            "conv2_3_1x1_up.bias": (256,),
            "conv3_1_1x1_reduce.weight": (128, 256, 1, 1),
            "conv4_6_1x1_up.weight": (1024, 64, 1, 1),
            "conv5_3_1x1_down.weight": (128, 2048, 1, 1),
            "conv5_3_3x3.weight": (512, 512, 3, 3),
            "classifier.weight": (8, 2048, 1, 1),
        },
    ),
    "manet": (
        lambda: MaNet(n_classes=7),
        588,
        {
            "conv1.weight": (64, 3, 7, 7),
            "layer2.0.downsample.0.weight": (128, 64, 1, 1),
            "layer3_1_p1.0.cbam.ChannelGate.mlp.1.weight": (16, 256),
            "layer3_1_p4.1.cbam.SpatialGate.spatial.conv.weight": (1, 2, 7, 7),
            "layer4_1_p2.0.cbam.ChannelGate.mlp.3.bias": (512,),
            "layer4_1_p3.0.cbam.SpatialGate.spatial.bn.running_var": (1,),
            "layer4_1_p1.0.downsample.1.weight": (512,),
            "layer3_2.0.conv1_2_1.weight": (64, 64, 3, 3),
            "layer4_2.1.conv2_2_4.weight": (128, 128, 3, 3),
            "layer4_2.0.bn2_2_3.running_mean": (128,),
            "fc_1.weight": (7, 512),
            "fc_2.bias": (7,),
        },
    ),
    "emonet": (
        lambda: EmoNet(n_expressions=8),
        571,
        {
            "conv1.weight": (64, 3, 7, 7),
            "conv1.bias": (64,),
            "conv2.downsample.2.weight": (128, 64, 1, 1),
            "conv4.downsample.0.running_mean": (128,),
            "m0.b1_4.conv1.weight": (128, 256, 3, 3),
            "m0.b2_plus_1.conv3.weight": (64, 64, 3, 3),
            "m1.b3_1.bn3.bias": (64,),
            "top_m_1.conv2.weight": (64, 128, 3, 3),
            "conv_last0.weight": (256, 256, 1, 1),
            "bn_end1.running_var": (256,),
            "l0.weight": (68, 256, 1, 1),
            "bl0.weight": (256, 256, 1, 1),
            "al0.weight": (256, 68, 1, 1),
            "conv1x1_input_emo_2.weight": (256, 768, 1, 1),
            "emo_net_2.6.conv1.weight": (128, 256, 3, 3),
            "emo_fc_2.0.weight": (128, 256),
            "emo_fc_2.3.weight": (10, 128),
        },
    ),
}


def random_images(side, n=2, seed=0):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def settled(network, side):
    """With random statistics in its norms; identical in every run."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        settle(network, random_images(side, 4, seed=9))
    return network


def assert_near(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_have_the_published_names_and_shapes(name):
    make, count, spots = PUBLISHED[name]
    with torch.device("meta"):
        state = {k: tuple(v.shape) for k, v in make().state_dict().items() if not k.endswith("num_batches_tracked")}
    assert len(state) == count
    assert {key: state.get(key) for key in spots} == spots


def test_resnet18_is_that_of_torchvision():
    from torchvision.models import resnet18

    reference = settled(resnet18(weights=None), 64)
    ours, headed = ResNet18(), ResNet18(n_classes=1000)
    headed.load_state_dict(reference.state_dict())  # strict: the same names
    missing = ours.load_state_dict(reference.state_dict(), strict=False)
    assert missing.missing_keys == []
    assert missing.unexpected_keys == ["fc.weight", "fc.bias"]
    images = random_images(64)
    with torch.inference_mode():
        assert_near(headed.eval()(images), reference(images))
        assert_near(ours.eval()(images), nn.Sequential(*list(reference.children())[:-1])(images)[:, :, 0, 0])


@pytest.mark.slow
def test_facenet_is_that_of_facenet_pytorch():
    import facenet_pytorch

    reference = facenet_pytorch.InceptionResnetV1(pretrained=None, classify=True, num_classes=8631)
    settled(reference, 160)
    ours = {
        "scores": InceptionResnetV1(n_classes=8631),
        "unit": InceptionResnetV1(),
        "raw": InceptionResnetV1(normalised=False),
    }
    ours["scores"].load_state_dict(reference.state_dict())  # strict: the same names
    for key in ("unit", "raw"):
        assert ours[key].load_state_dict(reference.state_dict(), strict=False).missing_keys == []
    images = random_images(160)
    with torch.inference_mode():
        expected = {"scores": reference(images)}
        reference.classify = False
        expected["unit"] = reference(images)
        reference.classify, reference.logits = True, nn.Identity()
        expected["raw"] = reference(images)
        for key, network in ours.items():
            assert_near(network.eval()(images), expected[key])
    assert not torch.allclose(expected["unit"], expected["raw"])


def caffe_names(theirs):
    """Names of torchvision or timm as pytorch-mcn has them."""
    parts = {
        "conv1": "1x1_reduce",
        "bn1": "1x1_reduce_bn",
        "conv2": "3x3",
        "bn2": "3x3_bn",
        "conv3": "1x1_increase",
        "bn3": "1x1_increase_bn",
        "se_module.fc1": "1x1_down",
        "se_module.fc2": "1x1_up",
        "downsample.0": "1x1_proj",
        "downsample.1": "1x1_proj_bn",
    }
    block = re.fullmatch(r"layer(\d)\.(\d)\.(.+)\.(\w+)", theirs)
    if block:
        return f"conv{int(block[1]) + 1}_{int(block[2]) + 1}_{parts[block[3]]}.{block[4]}"
    for prefix, name in {"conv1.": "conv1_7x7_s2.", "bn1.": "conv1_7x7_s2_bn.", "fc.": "", "last_linear.": ""}.items():
        if theirs.removeprefix("layer0.").startswith(prefix):
            return name and name + theirs.removeprefix("layer0.").removeprefix(prefix)
    raise KeyError(theirs)


def ferplus_reference(squeeze):
    """The architecture as torchvision or timm has it: strides in the first convolution, pooling that rounds up."""
    if squeeze:
        import timm

        return timm.create_model("legacy_seresnet50", num_classes=0)
    from torchvision.models import resnet50

    reference = resnet50(weights=None)
    reference.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    for layer in (reference.layer2, reference.layer3, reference.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    reference.fc = nn.Identity()
    return reference


@pytest.mark.slow
@pytest.mark.parametrize("squeeze", [False, True])
def test_ferplus_networks_are_those_of_torchvision_and_timm(squeeze):
    reference = settled(ferplus_reference(squeeze), 224)
    state = {caffe_names(key): value for key, value in reference.state_dict().items()}
    middle, pooled = (FerPlusResNet50(squeeze=squeeze, layer=x) for x in ("conv5_3_3x3_relu", "pool5_7x7_s1"))
    middle.load_state_dict(state)
    pooled.load_state_dict(state)
    seen = []
    reference.layer4[2].bn2.register_forward_hook(lambda module, inputs, output: seen.append(output.relu()))
    images = random_images(224)
    with torch.inference_mode():
        assert_near(pooled.eval()(images), reference(images))
        assert_near(middle.eval()(images), nn.AvgPool2d(7)(seen[0])[:, :, 0, 0])


class Functional:
    """A network as a function of its parameters, written down from the published code's steps."""

    def __init__(self, network):
        self.state = dict(network.state_dict())

    def conv(self, name, x, stride=1):
        weight = self.state[f"{name}.weight"]
        return conv2d(x, weight, self.state.get(f"{name}.bias"), stride, weight.shape[-1] // 2)

    def norm(self, name, x):
        mean, var, weight, bias = (
            self.state[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    def shortcut(self, name, x, stride):
        if f"{name}.downsample.0.weight" not in self.state:
            return x
        return self.norm(f"{name}.downsample.1", self.conv(f"{name}.downsample.0", x, stride))


class MaNetByHand(Functional):
    def __init__(self, network, opposite):
        super().__init__(network)
        self.opposite = opposite

    def basic(self, name, x, stride, attention=False):
        out = self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x, stride)).clamp(min=0)
        out = self.norm(f"{name}.bn2", self.conv(f"{name}.conv2", out))
        if attention:
            scores = 0
            for pooled in (out.flatten(2).mean(2), out.flatten(2).max(2).values):
                key = f"{name}.cbam.ChannelGate.mlp"
                hidden = linear(pooled, self.state[f"{key}.1.weight"], self.state[f"{key}.1.bias"]).clamp(min=0)
                scores = scores + linear(hidden, self.state[f"{key}.3.weight"], self.state[f"{key}.3.bias"])
            out = out * torch.sigmoid(scores)[..., None, None]
            maps = torch.cat([out.max(1, keepdim=True).values, out.mean(1, keepdim=True)], 1)
            key = f"{name}.cbam.SpatialGate.spatial"
            out = out * torch.sigmoid(self.norm(f"{key}.bn", self.conv(f"{key}.conv", maps)))
        return (out + self.shortcut(name, x, stride)).clamp(min=0)

    def scales(self, name, x, stride):
        out = self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x, stride)).clamp(min=0)
        group = out.shape[1] // 4
        a, b, c, d = (out[:, i * group : (i + 1) * group] for i in range(4))

        def small(chain, i, x):
            return self.norm(f"{name}.bn{chain}_2_{i}", self.conv(f"{name}.conv{chain}_2_{i}", x))

        a1 = small(1, 1, a)
        b1 = small(1, 2, a1.clamp(min=0) + b)
        c1 = small(1, 3, b1.clamp(min=0) + c)
        d1 = small(1, 4, c1.clamp(min=0) + d)
        if self.opposite:
            d2 = small(2, 4, d)
            c2 = small(2, 3, d2.clamp(min=0) + c)
            b2 = small(2, 2, c2.clamp(min=0) + b)
            a2 = small(2, 1, b2.clamp(min=0) + a)
        else:
            a2 = small(2, 1, a)
            b2 = small(2, 2, a2.clamp(min=0) + b)
            c2 = small(2, 3, b2.clamp(min=0) + c)
            d2 = small(2, 4, c2.clamp(min=0) + d)
        out = torch.cat([a1, b1, c1, d1], 1) + torch.cat([a2, b2, c2, d2], 1)
        return (out + self.shortcut(name, x, stride)).clamp(min=0)

    def __call__(self, x):
        x = max_pool2d(self.norm("bn1", self.conv("conv1", x, 2)).clamp(min=0), 3, 2, 1)
        x = self.basic("layer1.1", self.basic("layer1.0", x, 1), 1)
        x = self.basic("layer2.1", self.basic("layer2.0", x, 2), 1)
        assert x.shape[-2:] == (28, 28)
        corners = {1: (0, 0), 2: (0, 14), 3: (14, 0), 4: (14, 14)}
        parts = {}
        for i, (top, left) in corners.items():
            y = x[:, :, top : top + 14, left : left + 14]
            for layer, stride in ((f"layer3_1_p{i}", 2), (f"layer4_1_p{i}", 1)):
                y = self.basic(f"{layer}.1", self.basic(f"{layer}.0", y, stride, True), 1, True)
            parts[i] = y
        above, below = torch.cat([parts[1], parts[2]], 3), torch.cat([parts[3], parts[4]], 3)
        local = torch.cat([above, below], 2).flatten(2).mean(2)
        for layer in ("layer3_2", "layer4_2"):
            x = self.scales(f"{layer}.1", self.scales(f"{layer}.0", x, 2), 1)
        return torch.cat([local, x.flatten(2).mean(2)], 1)


@pytest.mark.parametrize("opposite", [False, True])
def test_manet_equals_its_steps_by_hand(opposite):
    network = settled(MaNet(width=4, opposite=opposite), 224)
    images = random_images(224)
    with torch.inference_mode():
        expected = MaNetByHand(network, opposite)(images)
        assert_near(network(images), expected)
        assert expected.shape == (2, 64)


def test_manet_directions_of_the_second_chain_differ_in_the_global_half_only():
    network = settled(MaNet(width=4), 224)
    other = MaNet(width=4, opposite=True).eval()
    other.load_state_dict(network.state_dict())
    with torch.inference_mode():
        change = (network(random_images(224)) - other(random_images(224))).abs()
    assert change[:, :32].max() == 0
    assert change[:, 32:].max() > 1e-3


class EmoNetByHand(Functional):
    def block(self, name, x):
        one = self.conv(f"{name}.conv1", self.norm(f"{name}.bn1", x).clamp(min=0))
        two = self.conv(f"{name}.conv2", self.norm(f"{name}.bn2", one).clamp(min=0))
        three = self.conv(f"{name}.conv3", self.norm(f"{name}.bn3", two).clamp(min=0))
        if f"{name}.downsample.2.weight" in self.state:
            x = self.conv(f"{name}.downsample.2", self.norm(f"{name}.downsample.0", x).clamp(min=0))
        return torch.cat([one, two, three], 1) + x

    def hourglass(self, name, x):
        sides = []
        for level in (4, 3, 2, 1):
            sides.append(self.block(f"{name}.b1_{level}", x))
            x = self.block(f"{name}.b2_{level}", max_pool2d(x, 2))
        x = self.block(f"{name}.b2_plus_1", x)
        for level in (1, 2, 3, 4):
            x = interpolate(self.block(f"{name}.b3_{level}", x), scale_factor=2) + sides.pop()
        return x

    def __call__(self, images):
        x = self.norm("bn1", self.conv("conv1", images, 2)).clamp(min=0)
        x = self.block("conv4", self.block("conv3", max_pool2d(self.block("conv2", x), 2)))
        seen, previous = [], x
        for i in (0, 1):
            y = self.conv(f"conv_last{i}", self.block(f"top_m_{i}", self.hourglass(f"m{i}", previous)))
            y = self.norm(f"bn_end{i}", y).clamp(min=0)
            maps = self.conv(f"l{i}", y)
            if i == 0:
                y = self.conv("bl0", y)
                previous = previous + y + self.conv("al0", maps)
            seen.append(y)
        seen = torch.cat(seen, 1) * maps.sum(1, keepdim=True)
        y = self.conv("conv1x1_input_emo_2", torch.cat([x, seen], 1))
        for i in (0, 2, 4, 6):
            y = max_pool2d(self.block(f"emo_net_2.{i}", y), 2)
        assert y.shape[-2:] == (4, 4)
        return y.flatten(2).mean(2)


def test_emonet_equals_its_steps_by_hand():
    network = settled(EmoNet(width=4), 256)
    images = random_images(256)
    with torch.inference_mode():
        assert_near(network(images), EmoNetByHand(network)(images))


def test_emonet_leaves_the_classes_of_pytorch_alone():
    """Trap 37: the authors' module puts batch norm in the place of instance norm for the whole process."""
    before = nn.InstanceNorm2d
    network = EmoNet(width=4)
    assert nn.InstanceNorm2d is before
    assert nn.InstanceNorm2d is not nn.BatchNorm2d
    kinds = {type(module) for module in network.modules()}
    assert nn.BatchNorm2d in kinds
    assert nn.InstanceNorm2d not in kinds


@pytest.mark.parametrize(
    ("make", "side", "shape"),
    [
        (lambda: FerPlusResNet50(squeeze=True, n_classes=8, width=8), 224, (2, 8)),
        (lambda: ResNet18(n_classes=5, width=8), 224, (2, 5)),
        (lambda: EmoNet(n_expressions=8, width=4), 256, (2, 10)),
        (lambda: InceptionResnetV1(n_classes=6, width=4), 160, (2, 6)),
        (lambda: MaNet(n_classes=7, width=4), 224, (2, 7)),
    ],
)
def test_networks_with_a_head_train(make, side, shape):
    network = make().train()
    scores = network(random_images(side))
    for part in scores if isinstance(scores, tuple) else (scores,):
        assert part.shape == shape
    total = sum(part.square().sum() for part in scores) if isinstance(scores, tuple) else scores.square().sum()
    total.backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert idle == []
