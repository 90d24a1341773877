"""Corrupts a corpus in a process of its own and says when a clip is done: ``CORPUS NOISE OUT``."""

import sys

from mertools import Corpus
from mertools.corruption import Settings, corrupt

if __name__ == "__main__":
    corpus, noise, out = sys.argv[1:]
    corrupt(
        Corpus.read(corpus),
        out,
        Settings(seed=3, blur=(2, 4)),
        noise=noise,
        workers=2,
        progress=lambda summary: print(summary.n_done + summary.n_skipped, summary.n_skipped, flush=True),
    )
