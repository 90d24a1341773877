"""``python -m mertools.cli`` is ``mertools``."""

import sys

from mertools.cli import main

if __name__ == "__main__":
    sys.exit(main())
