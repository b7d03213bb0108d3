"""``python -m cnncli`` is the ``cnncli`` command."""

from cnncli.cli import main

if __name__ == "__main__":
    main()
