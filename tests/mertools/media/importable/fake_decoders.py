"""Functions for decoder processes: well-behaved, hanging, crashing, greedy."""

import ctypes
import os
import signal
import sys
import time


def shape(frames):
    return frames.pixels.shape


def whole(frames):
    return frames


def first_grey(frames):
    return [(int(i), int(p[-1, -1, 0])) for i, p in zip(frames.index, frames.pixels, strict=True)]


def hang(frames):
    while True:
        time.sleep(3600)


def hang_holding_the_interpreter(frames):
    ctypes.PyDLL(None).sleep(3600)


def abort(frames):
    os.abort()


def segfault(frames):
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)


def killed(frames):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(frames):
    os._exit(3)


def greedy(frames):
    hoard = []
    while True:
        hoard.append(bytearray(64 << 20))


def wrong(frames):
    raise ValueError("a bug in a function")


def scribble(frames):
    frames.pixels[:] = 0


def unpicklable(frames):
    return lambda: None


def process(frames):
    return os.getpid()


def modules(frames):
    return sorted(m for m in sys.modules if m.partition(".")[0] in ("torch", "torchaudio", "transformers"))


def interrupted(frames):
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def path_entries(frames):
    return list(sys.path)
