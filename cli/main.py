"""The group of commands, and what a shell is told when one fails: one line on stderr and an exit code.

0 done, 1 failed, 2 bad usage, 130 interrupted.
"""

import contextlib
import importlib
import os
import sys

import click

COMMANDS = (
    "parity", "synthetic", "tune", "results", "plot", "report", "represent", "export", "figure", "reproduce", "data", "info", "bench",
)  # fmt: skip


class Commands(click.Group):
    """Loads a command's module when it is called, so that ``dfanp --version`` need not import NumPy."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"{__package__}.{name}"), name)

    def resolve_command(self, ctx, args):
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from dfanp.errors import nearest

            ctx.fail(f"no command {args[0]!r}: expected one of {', '.join(COMMANDS)}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.version_option(package_name="dfanp", message="%(prog)s %(version)s")
def cli():
    """Train neural networks by backpropagation, feedback alignment and direct feedback alignment.

    \b
    dfanp parity --k 3 --method dfa --opt rmsprop    train on the parity of three digits
    dfanp synthetic --method bp                      train on disks in a plane
    dfanp tune parity --opt sgd,rmsprop --out tuned  find the best learning rates
    dfanp results tuned                              what came of a sweep
    dfanp report runs/bp runs/dfa --out report.html  one page about them
    dfanp represent runs/dfa                         what its hidden layer says about digits
    dfanp export runs/dfa --out dfa.npz              its weights, as PyTorch names them
    dfanp figure 3.4                                 train and draw a figure of the thesis
    dfanp reproduce                                  all of them, and the table of results
    dfanp data fetch mnist                           get MNIST
    dfanp info                                       what this machine can do
    dfanp bench cpu                                  how fast it trains, against PyTorch and others
    """


class Interrupted(Exception):
    """The user stopped the command; the text says what was kept."""


def main(args=None):
    """Run the command line and exit."""
    sys.exit(run(args))


def run(args=None):
    """Run the command line; return its exit code. Whatever goes wrong is one line on stderr."""
    # A stream that was closed from outside is None, and one may not know all our characters.
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(args, prog_name="dfanp", standalone_mode=False) or 0
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        complain(error.format_message())
        return error.exit_code
    except (KeyboardInterrupt, click.Abort, Interrupted) as stop:
        complain(f"interrupted{'; ' + str(stop) if str(stop) else ''}")
        return 130
    except BrokenPipeError:
        # Who read our output has left; that is no failure worth a word, but not a success either.
        flush_or_hush()
        return 1
    except OSError as error:
        flush_or_hush()
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}")
        return 1
    except MemoryError as error:
        complain(f"out of memory ({error}); smaller --hidden, --batch-size or --repeats take less")
        return 1
    except Exception as error:
        from dfanp.errors import DfanpError

        if not isinstance(error, DfanpError):
            raise
        complain(str(error))
        return 1


def flush_or_hush():
    """Flush stdout; where that is impossible, point it at nothing, so that Python does not complain again at its exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message):
    """Print one line on stderr, if anybody still reads it."""
    with contextlib.suppress(OSError):
        click.echo(f"dfanp: {' '.join(message.split())}", err=True)


if __name__ == "__main__":
    main()
