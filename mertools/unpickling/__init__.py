"""Pickles from strangers, read without running anything in them: label npz files and label ``.pkl`` files.

MERTools keeps labels as npz files whose entries are zero-dimensional object arrays, each a pickled dict, and as
pickled tuples of dicts. Python's own unpickler imports and calls whatever a file names. This reader interprets the
opcodes itself, knows only those that build plain data, and stands inert marks in for the few names that numpy's own
arrays need; any other name, and any opcode that makes objects, is refused before anything is built from it.

Built are: dict, list, tuple, set, str, bytes, bool, None, int, float, and numpy arrays and scalars of the plain types
bool, integer, float, text and bytes. Strings of Python 2 are read as Latin-1 (``encoding="latin1"``).
"""

from mertools.unpickling.arrays import DamagedError, NotPlainError, TooLargeError
from mertools.unpickling.files import read_npz, read_pickle
from mertools.unpickling.machine import unpickled

__all__ = ["DamagedError", "NotPlainError", "TooLargeError", "read_npz", "read_pickle", "unpickled"]
