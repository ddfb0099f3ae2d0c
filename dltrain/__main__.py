"""The `dltrain` command, and `python -m dltrain`."""

from dltrain.signals import end_at_once
from dltrain.streams import settle


def main() -> None:
    """Runs the command line."""
    end_at_once()
    settle()
    from dltrain.cli import app

    app()


if __name__ == "__main__":
    main()
