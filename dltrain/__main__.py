"""`python -m dltrain`: the same as the `dltrain` command."""

from dltrain.cli import main

if __name__ == "__main__":
    main()
