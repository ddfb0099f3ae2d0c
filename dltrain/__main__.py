"""The `dltrain` command, and `python -m dltrain`."""

import sys


def main() -> None:
    """Runs the command line."""
    try:
        from dltrain.cli import app
    except KeyboardInterrupt:  # Ctrl-C before anything has begun
        sys.exit(130)
    app()


if __name__ == "__main__":
    main()
