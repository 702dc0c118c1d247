"""``python -m dfanp``: the command line."""

from dfanp_cli.main import main

if __name__ == "__main__":
    main()
