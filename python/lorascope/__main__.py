"""The command ``lorascope``, and ``python -m lorascope``."""

import signal
import sys


def main() -> None:
    """Runs the command line and exits with its code."""
    from . import _lorascope

    # Python's own handler would only note Ctrl-C until the command has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_lorascope.main(["lorascope", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
