"""What was published of "GPT-4V with Emotion" (Lian et al., 2023): numbers, and the files of answers behind them.

The answers themselves have no licence and are not here; what is recorded of each published file is its SHA-256, the
numbers that its scoring gives, and those that were printed. With them a user's own copy is recognised and checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recorded:
    """Numbers of a published file under one protocol.

    Attributes:
        file: ``data set/file``.
        sha256: of the file.
        protocol: the protocol.
        n_scored: rows scored.
        recomputed: metric -> percent, in full digits, by an independent scoring of the published file.
        published: metric -> percent, as printed.
    """

    file: str
    sha256: str
    protocol: str
    n_scored: int
    recomputed: Mapping[str, float]
    published: Mapping[str, float] = field(default_factory=dict)


def recorded(protocol: str, file: str) -> Recorded | None:
    """What is recorded of a published file under a protocol; None if nothing is."""
    return next((r for r in RECORDED if r.protocol == protocol and r.file == file), None)


RECORDED = (
    Recorded(
        "ckplus/label-gpt4v.csv",
        "c04e8d8f1451991c34e7797177a46879ce1d0f0af0403374eff610718052c219",
        "A",
        981,
        {"accuracy": 69.72477064220183, "uar": 60.83770741523301, "waf": 69.19595573044695},
        {"accuracy": 69.72},
    ),
    Recorded(
        "sfew2/label-gpt4v.csv",
        "9f123679a4b5213c28253afa0ab28ce043ec2146a890d4f9e94c17ae3e25a62d",
        "A",
        435,
        {"accuracy": 57.24137931034483, "uar": 50.054710113016675, "waf": 55.246632607146275},
        {"accuracy": 57.24},
    ),
    Recorded(
        "rafdb/label-gpt4v-rgb.csv",
        "c9eb4e6743854b66fffb8a150f0e28294f8d674afb3bbcf05c55ba2a1f11069f",
        "A",
        3067,
        {"accuracy": 75.80697750244538, "uar": 68.97556900384362, "waf": 76.49262043638964},
        {"accuracy": 75.81},
    ),
    Recorded(
        "rafdb/label-gpt4v-grey.csv",
        "82acc5e63c8c35343304db0a71bddb93040be97619e21422753e48c22db317ae",
        "A",
        3068,
        {"accuracy": 74.28292046936114, "uar": 67.80082953410506, "waf": 74.91634996058902},
        {},
    ),
    Recorded(
        "ferplus/label-gpt4v.csv",
        "59bee7a92d24aee0b30cbc78579758037722d6a979502e705dc1e229c0a9b8ec",
        "A",
        3572,
        {"accuracy": 64.24972004479284, "uar": 48.718014292101074, "waf": 65.1088558749104},
        {"accuracy": 64.25},
    ),
    Recorded(
        "affectnet/label-gpt4v.csv",
        "0286aaf691d9f757119c65ae2c86ce42ce667e4ab250ed741ff44af74f8e4f44",
        "A",
        4000,
        {"accuracy": 42.775, "uar": 42.775, "waf": 39.756164288836274},
        {"accuracy": 42.77},
    ),
    Recorded(
        "abstract/label-gpt4v.csv",
        "9d09efdd4b43ccf22b3a94baacda969d2ca56d0416e681263bfb4091ff4059c7",
        "P",
        227,
        {"accuracy": 71.80616740088107, "uar": 64.2617724002616, "waf": 67.31057090946587},
        {"accuracy": 71.81},
    ),
    Recorded(
        "artphoto/label-gpt4v.csv",
        "8e1d6f757924d330376dbb1e6c16a2569f294908c78d45f8cc7fe3b34af2ccf7",
        "P",
        801,
        {"accuracy": 80.39950062421973, "uar": 80.93147684605756, "waf": 80.32699693916133},
        {"accuracy": 80.4},
    ),
    Recorded(
        "twitter1/label-five-gpt4v.csv",
        "a8dd7bec17a6bb1c15d05af7abd39a9dd19c20050ab5014d4433c24a7bac33ec",
        "A",
        868,
        {"accuracy": 97.81105990783409, "uar": 97.40062260536398, "waf": 97.80815292270722},
        {"accuracy": 97.81},
    ),
    Recorded(
        "twitter1/label-four-gpt4v.csv",
        "5511f5b1ee53756fc39e308b5f889a6071b8ae2150b6151296680caa1d633114",
        "A",
        1099,
        {"accuracy": 94.63148316651501, "uar": 94.15143935218553, "waf": 94.66735647224041},
        {"accuracy": 94.63},
    ),
    Recorded(
        "twitter1/label-three-gpt4v.csv",
        "b2106bf26075e79f09852d189540804a6f422b2238e69f137a1a49a62ca9eeaa",
        "A",
        1249,
        {"accuracy": 90.71257005604484, "uar": 90.2099584299607, "waf": 90.74783142576237},
        {"accuracy": 90.71},
    ),
    Recorded(
        "twitter2/label-gpt4v.csv",
        "a35cd79fb6c744b5a0f71707fc520e29b18a3e548bde6aa7d1d39e739f66e1b3",
        "A",
        589,
        {"accuracy": 87.94567062818336, "uar": 82.51225616236415, "waf": 87.99698853029524},
        {"accuracy": 87.95},
    ),
    Recorded(
        "casme1/label-gpt4v.csv",
        "e096d73d311dca8ff68a5cfadaa6be25e639fbdad4a1627b30f1b895cb893a99",
        "A",
        176,
        {"accuracy": 36.93181818181818, "uar": 32.54268924584295, "waf": 32.361616039301985},
        {"accuracy": 36.93},
    ),
    Recorded(
        "casme2/label-gpt4v.csv",
        "9a5072db07481ec28ab275437d1222b5189d64100293e24768e782929e4155be",
        "A",
        239,
        {"accuracy": 14.644351464435147, "uar": 20.92598713202891, "waf": 12.538193160599295},
        {"accuracy": 14.64},
    ),
    Recorded(
        "samm/label-gpt4v.csv",
        "e1f47f2da57787a4844a2ba030907d52ca0edec5fb784f99b946003bca7ab06a",
        "A",
        135,
        {"accuracy": 17.037037037037038, "uar": 16.855600539811068, "waf": 9.783659492159359},
        {"accuracy": 17.04},
    ),
    Recorded(
        "dfew/label-gpt4v.csv",
        "941a8de8ff0422e43a76c10a228a32bdb91ee1e143075dc5ee7393a0b5dcf056",
        "B",
        2331,
        {"accuracy": 43.800943800943806, "uar": 36.96013744225257, "waf": 43.66407282169069},
        {"accuracy": 43.8, "uar": 36.96},
    ),
    Recorded(
        "ferv39k/label-gpt4v.csv",
        "3021a5ebba49e42cb5bd62931cb6cdc5dd9934dafa7a2f182f53e8cfd4ca76b0",
        "B",
        7536,
        {"accuracy": 34.288747346072185, "uar": 24.9215570154204, "waf": 29.978657124689462},
        {"accuracy": 34.29, "uar": 24.92},
    ),
    Recorded(
        "ravdess/label-gpt4v-3.csv",
        "fae993ad871c0a813774b07e7fd4f253c3ff48ab5b0044a9c9e41f2c62ac602f",
        "B",
        1440,
        {"accuracy": 34.30555555555556, "uar": 36.979166666666664, "waf": 29.957255821468337},
        {"accuracy": 34.31, "uar": 36.98},
    ),
    Recorded(
        "enterface/label-gpt4v-3.csv",
        "5c57eb3dfef9b74ba0a802a16d4ddaf2dcb71c1a4ea807838a0266c05faeded3",
        "B",
        1253,
        {"accuracy": 33.28012769353552, "uar": 33.11177853928851, "waf": 27.95194843037409},
        {"accuracy": 33.28, "uar": 33.11},
    ),
    Recorded(
        "ravdess/label-gpt4v-2.csv",
        "c036ffd95f76c33f96560024c05cb26186603a74ee68b6d021a8b24f43a4b381",
        "B",
        1440,
        {"accuracy": 22.291666666666668, "uar": 25.325520833333336, "waf": 20.588057932742473},
        {},
    ),
    Recorded(
        "enterface/label-gpt4v-2.csv",
        "1215120f3cac160637952b413c2108d96382491675b8eeb86fedc36789e68b20",
        "B",
        1068,
        {"accuracy": 23.782771535580522, "uar": 24.062878881238717, "waf": 17.255633790462234},
        {},
    ),
    Recorded(
        "cmumosi/label-gpt4v-multi.csv",
        "2514f8308e327f4eaac9f84e20dc93908234d1de7a3705984a2c8ec006df78d4",
        "S",
        652,
        {"accuracy": 80.98159509202453, "waf": 80.42669720927678},
        {"waf": 80.43},
    ),
    Recorded(
        "cmumosi/label-gpt4v-text.csv",
        "78ff6cc823c3aed1a40e81e524d6e48aec58a9855a2714ca894bbe0be5a355b5",
        "S",
        655,
        {"accuracy": 82.59541984732824, "waf": 82.31911056043847},
        {},
    ),
    Recorded(
        "cmumosi/label-gpt4v-video.csv",
        "02be7868802c5af01da6e8c27728a3bd2fe114199639ad5287d57c0e0755172c",
        "S",
        655,
        {"accuracy": 55.87786259541985, "waf": 51.173796293032815},
        {},
    ),
    Recorded(
        "sims/label-gpt4v-multi.csv",
        "e9938620506b446e21ba6c2bfefb3a828b4932afc03bea28fbb0e19e46a227a7",
        "S",
        385,
        {"accuracy": 82.07792207792208, "waf": 81.2440055470479},
        {"waf": 81.24},
    ),
    Recorded(
        "sims/label-gpt4v-text.csv",
        "db1aa476ee7767e4d4f68a3650d14b886404e3ce8b33c8a9321a1e6bc01ebf73",
        "S",
        388,
        {"accuracy": 71.1340206185567, "waf": 70.06510707005533},
        {},
    ),
    Recorded(
        "sims/label-gpt4v-video.csv",
        "bef6582a8b8a1740dda0765441c6be9a51bf4cadabc6604538e18ad42c114797",
        "S",
        387,
        {"accuracy": 77.2609819121447, "waf": 76.12517719982996},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-multi.csv",
        "bb9c8395abc48c6d645b66aa18cdff34e4a9161a5cc0c609da08eb5223f7e387",
        "A",
        411,
        {"accuracy": 63.503649635036496, "uar": 55.214832045901666, "waf": 63.29030429127298},
        {"accuracy": 63.5},
    ),
    Recorded(
        "mer2023/label-gpt4v-text.csv",
        "2536c65acbb3e01002f1517725141f17f2b24873276dd7292af8a8d789387d5f",
        "A",
        411,
        {"accuracy": 34.0632603406326, "uar": 28.484227430746955, "waf": 34.003991534845305},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-video.csv",
        "31beb2bff63d8ed7e73be6df5f8bba86af52bce0575f9d7013598fbf20b5f532",
        "A",
        411,
        {"accuracy": 45.49878345498784, "uar": 39.28885446754717, "waf": 44.66046779916276},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-multi.csv",
        "bb9c8395abc48c6d645b66aa18cdff34e4a9161a5cc0c609da08eb5223f7e387",
        "A+alias",
        411,
        {"accuracy": 64.96350364963503, "waf": 65.39249407229488},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-text.csv",
        "2536c65acbb3e01002f1517725141f17f2b24873276dd7292af8a8d789387d5f",
        "A+alias",
        411,
        {"accuracy": 34.54987834549878, "waf": 34.5690963146899},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-video.csv",
        "31beb2bff63d8ed7e73be6df5f8bba86af52bce0575f9d7013598fbf20b5f532",
        "A+alias",
        411,
        {"accuracy": 47.201946472019465, "waf": 46.23261827642272},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-multi.csv",
        "bb9c8395abc48c6d645b66aa18cdff34e4a9161a5cc0c609da08eb5223f7e387",
        "W",
        411,
        {"accuracy": 64.96350364963503, "waf": 65.39249407229488},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-text.csv",
        "2536c65acbb3e01002f1517725141f17f2b24873276dd7292af8a8d789387d5f",
        "W",
        411,
        {"accuracy": 34.54987834549878, "waf": 34.5690963146899},
        {},
    ),
    Recorded(
        "mer2023/label-gpt4v-video.csv",
        "31beb2bff63d8ed7e73be6df5f8bba86af52bce0575f9d7013598fbf20b5f532",
        "W",
        411,
        {"accuracy": 47.201946472019465, "waf": 46.23261827642272},
        {},
    ),
)


FILES = {r.sha256: r.file for r in RECORDED}
"""SHA-256 of each published file -> its name."""
