"""The group of commands, and how a failure is reported: one line on stderr and an exit code.

0 done, 1 failed, 2 bad usage, 130 interrupted.
"""

import contextlib
import importlib
import os
import signal
import sys
import warnings
from functools import cache

import click

from .helping import LazyGroup
from .notices import notices

COMMANDS = {  # in the order of the help, after those of the problems, with their summaries
    "tune": "Find the best settings: sweeps that survive interrupts.",
    "results": "Show the results of a sweep.",
    "plot": "Draw runs and sweeps.",
    "report": "Write an HTML report about runs and sweeps.",
    "play": "Write a page on which small networks learn live.",
    "represent": "Probe what a hidden layer represents.",
    "attack": "Attack runs with adversarial examples.",
    "export": "Export the weights of a run, with PyTorch's names.",
    "figure": "Train and draw figures of the thesis.",
    "reproduce": "Train and draw all figures, with a table of results.",
    "published": "Train a published table of results, and compare.",
    "course": "Print the course, or write it as a notebook.",
    "data": "List and fetch data sets.",
    "info": "Show versions, devices and usable kernels.",
    "bench": "Measure the speed of training against PyTorch and others.",
    "completion": "Print a script for completion in the shell.",
}


@cache
def command(name):
    """Return the command of COMMANDS called `name`; its module is imported when it is called."""
    return getattr(importlib.import_module(f"{__package__}.{name}"), name)


def load(name):
    """Return the command called `name`, of COMMANDS or of a problem, or None."""
    if name in COMMANDS:
        return command(name)
    from . import problem

    return problem.command(problem.PROBLEMS[name]) if name in problem.PROBLEMS else None


def summaries(words, silent):
    """Return name -> summary of every command, those of the problems first.

    For a command line that calls another command, problems are not looked up.

    Args:
        words: of a command line: a command's name, and what follows.
        silent: see ``problem.problems``.
    """
    if words and words[0] in COMMANDS:
        return COMMANDS
    from . import problem

    found = problem.problems(words[1:], silent)
    for name in found.keys() & COMMANDS.keys():
        raise click.UsageError(
            f"a plugin has a problem {name!r}, which is the name of a command: choose another name"
        )
    return {name: problem.summary(kind) for name, kind in found.items()} | COMMANDS


class Commands(LazyGroup):
    """The commands; `dfanp train` with a saved run (its folder or config.json) trains it again, whatever its problem."""

    def resolve_command(self, ctx, args):
        if args[0] == "train" and len(args) > 1 and not ctx.resilient_parsing and is_run(args[1]):
            from .configured import problem_in

            args = [problem_in(args[1]), "--config", *args[1:]]
        return super().resolve_command(ctx, args)


def is_run(word):
    """Whether a word is the folder of a run, or a file of its settings."""
    return word.endswith(".json") or os.path.isfile(os.path.join(word, "config.json"))


@click.group(
    cls=Commands,
    load=load,
    summaries=summaries,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
)
@click.version_option(package_name="dfanp", message="%(prog)s %(version)s")
def cli():
    """Train neural networks by backpropagation, feedback alignment and direct feedback alignment.

    `dfanp COMMAND --help` describes a command. Results go to stdout, progress and messages to stderr.

    \b
    Examples:
      dfanp parity --k 3 --method dfa --opt rmsprop
      dfanp tune parity --opt sgd,rmsprop --out tuned
      dfanp results tuned
      dfanp figure 3.4

    Exit status: 0 done, 1 failed, 2 bad usage, 130 interrupted.
    """


class Interrupted(Exception):
    """The user stopped the command; the text says what was saved."""


def main(args=None):
    """Run the command line and exit.

    SIGTERM, and SIGHUP of a terminal that closes, end it as Ctrl-C does, unless they are ignored.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # commands report in one line what their user should know
    for name in (
        "SIGINT",
        "SIGTERM",
        "SIGHUP",
        "SIGBREAK",
    ):  # those of dfanp.system.signals, whose import would load NumPy
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), interrupt)
    sys.exit(run(args))


def interrupt(signum, frame):
    """Do what Ctrl-C does."""
    global interrupted
    interrupted = True
    hush_if_gone()
    raise KeyboardInterrupt


interrupted = False  # whether ``interrupt`` was called


def check_interrupted():
    """Raise the KeyboardInterrupt of ``interrupt`` again, which may be swallowed while a module is loaded."""
    if interrupted:
        raise KeyboardInterrupt


def run(args=None):
    """Run the command line; return its exit code. Every error is reported as one line on stderr."""
    # A stream that was closed from outside is None, and a stream may not be able to encode all characters.
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        if "_DFANP_COMPLETE" in os.environ:
            from . import completion  # noqa: F401  (registers the completion of bash)
        with notices():
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
        # The reader of stdout has closed it: not a failure worth a message, but not a success either.
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
        # A value that the command has read cannot be used. A bad argument is a usage error (options.usage_errors).
        return refused(error)
    except Exception as error:
        from dfanp.backend import gpu_failure
        from dfanp.errors import DfanpError
        from dfanp.plugins import blame

        line = str(error) if isinstance(error, DfanpError) else blame(error) or gpu_failure(error)
        if line is None:
            raise
        complain(line)
        return 1


def refused(error):
    """Report a bad value that does not come from an option, and return the exit code."""
    complain(str(error) or type(error).__name__)
    return 1


def no_option(error):
    """Return a line about an unknown option, with the nearest known one."""
    from dfanp.errors import nearest

    known = [
        name for param in error.ctx.command.get_params(error.ctx) for name in (*param.opts, *param.secondary_opts)
    ]
    return f"no option {error.option_name!r}{nearest(error.option_name, [name for name in known if name[0] == '-'])}"


def flush_or_hush():
    """Flush stdout; if that fails, redirect it to /dev/null, so that Python does not complain again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def hush_if_gone():
    """Redirect stdout and stderr to /dev/null if their terminal has closed, so that final messages cause no error."""
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def complain(message):
    """Print one line on stderr, if it is still open."""
    from .terminal import bad, echo

    with contextlib.suppress(OSError):
        echo(f"{bad('dfanp:')} {' '.join(message.split())}", err=True)


if __name__ == "__main__":
    main()
