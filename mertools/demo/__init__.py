"""The synthetic corpus of ``mertools demo``: clips of one public-domain face and a synthetic voice.

Everything is made on the spot and offline: `script` decides who says what and how, `face` warps the photograph,
`voice` synthesises speech-like sound, `raw` writes clips and CSV files as a researcher would find them.
The clips show that the road works. They say nothing about people, and no number measured on them does either.
"""

from mertools.demo.raw import RawFolder, make_raw
from mertools.demo.script import DemoSettings, Scene, write_script

__all__ = ["DemoSettings", "RawFolder", "Scene", "make_raw", "write_script"]
