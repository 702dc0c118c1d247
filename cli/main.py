"""The group of commands, and what a shell is told when one fails: one line on stderr and an exit code.

0 done, 1 failed, 2 bad usage, 130 interrupted.
"""

import contextlib
import importlib
import os
import sys
import warnings

import click

from .helping import LazyGroup

COMMANDS = {  # in the order of the help, each with what it does
    "parity": "Train on the parity of k digits.",
    "synthetic": "Train on disks in a plane.",
    "tune": "Find the best settings: sweeps that survive interrupts.",
    "results": "Show what came of a sweep.",
    "plot": "Draw runs and sweeps.",
    "report": "Make one page about some runs.",
    "represent": "Show what a hidden layer says about its inputs.",
    "export": "Write a run's weights as PyTorch names them.",
    "figure": "Train and draw figures of the thesis.",
    "reproduce": "Train and draw all of them, with the table of results.",
    "data": "List and fetch data sets.",
    "info": "Show what this machine can do.",
    "bench": "Measure how fast it trains, against PyTorch and others.",
    "completion": "Let the shell complete commands, options and names.",
}


def command(name):
    """Return a command; its module is imported when it is called, so that ``dfanp --version`` need not import NumPy."""
    return getattr(importlib.import_module(f"{__package__}.{name}"), name)


@click.group(
    cls=LazyGroup,
    load=command,
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
)
@click.version_option(package_name="dfanp", message="%(prog)s %(version)s")
def cli():
    """Train neural networks by backpropagation, feedback alignment and direct feedback alignment.

    `dfanp COMMAND --help` tells all about a command. Results go to stdout, progress and messages to stderr.

    \b
    Examples:
      dfanp parity --k 3 --method dfa --opt rmsprop
      dfanp tune parity --opt sgd,rmsprop --out tuned
      dfanp results tuned
      dfanp figure 3.4

    Exit status: 0 done, 1 failed, 2 bad usage, 130 interrupted.
    """


class Interrupted(Exception):
    """The user stopped the command; the text says what was kept."""


def main(args=None):
    """Run the command line and exit."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # a command says itself, in a line, what its user is to know
    sys.exit(run(args))


def run(args=None):
    """Run the command line; return its exit code. Whatever goes wrong is one line on stderr."""
    # A stream that was closed from outside is None, and one may not know all our characters.
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        if "_DFANP_COMPLETE" in os.environ:
            from . import completion  # noqa: F401  (tells click how bash is answered)
        code = cli.main(args, prog_name="dfanp", standalone_mode=False) or 0
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.NoSuchOption as error:
        complain(no_option(error))
        return error.exit_code
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
    except (ValueError, ArithmeticError) as error:
        # What a command has read is not what can be computed with. What it was given is a usage error (options.usage_errors).
        return refused(error)
    except Exception as error:
        from dfanp.errors import DfanpError

        if not isinstance(error, DfanpError):
            raise
        complain(str(error))
        return 1


def refused(error):
    """Say what is wrong with a value that no option gave, and return the exit code."""
    complain(str(error) or type(error).__name__)
    return 1


def no_option(error):
    """Return a line about an option that there is not, in the words of other misspelt names."""
    from dfanp.errors import nearest

    known = [
        name for param in error.ctx.command.get_params(error.ctx) for name in (*param.opts, *param.secondary_opts)
    ]
    return f"no option {error.option_name!r}{nearest(error.option_name, [name for name in known if name[0] == '-'])}"


def flush_or_hush():
    """Flush stdout; where that is impossible, point it at nothing, so that Python does not complain again at its exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message):
    """Print one line on stderr, if anybody still reads it."""
    from .terminal import bad, echo

    with contextlib.suppress(OSError):
        echo(f"{bad('dfanp:')} {' '.join(message.split())}", err=True)


if __name__ == "__main__":
    main()
