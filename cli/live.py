"""What a sweep shows on stderr: a header, one live line while it runs, and how much is done when it is stopped."""

import shutil
import sys
import threading
import time

import click

from .terminal import bar as bar_of
from .terminal import moves

TICK = 0.25  # seconds between two looks at the running jobs
ITEM = 40  # characters beside the bar, on a terminal of 80 columns
FIRST, MOST = 1.0, 30.0  # seconds until the first line in a pipe, and between two later ones
ENOUGH = 50  # the share of the epochs, 1 in 50, from which on the time left is known
BRIEF = ("k", "n", "d", "method", "opt", "hidden", "lr", "seed")  # what is said of a job if many settings differ
SHOWN = 6  # values of a setting in the header; of longer lists the first ones and the last


def header(sweep, out, what="", lists=None, fixed=None):
    """Return the lines that say what a sweep is.

    Args:
        sweep: a ``Sweep``.
        out: its folder.
        what: the problem, as text.
        lists: name of a setting -> the values of the grid, several.
        fixed: name -> value of the settings that have one, where that is not the default.
    """
    lists, fixed = lists or {}, fixed or {}
    runs, done = counted(sweep)
    first, jobs = sweep.settings[0], len(sweep.jobs)
    factors = " × ".join(f"{len(values)} {name}" for name, values in lists.items())
    lines = [
        f"sweep     {what + ': ' if what else ''}{many(runs, 'run')}{f' ({factors})' * bool(factors)}, "
        f"{many(epochs_of(sweep)[0], 'epoch')} in all"
    ]
    named = {name: listed(name, values) for name, values in lists.items()}
    named |= {name: text_of(value) for name, value in fixed.items()}
    if "hidden" in named:
        named["hidden"] += f"  ({networks(lists.get('hidden') or [fixed['hidden']])})"
    wide = max(map(len, named), default=0)
    lines += [f"  {name:{wide}}  {text}" for name, text in named.items()]
    where = f"{many(sweep.workers, 'worker')} of {many(sweep.threads, 'thread')}"
    kernels = ", ".join(dict.fromkeys(f"{each.device}, {each.kernels} kernels" for each in sweep.settings))
    lines.append(f"training  {many(jobs, 'job')} on {sweep.cluster or where}, {kernels}")
    if getattr(first, "held_out", False):
        lines.append("          tested on training examples that are held out")
    lines.append(
        f"folder    {out}"
        + (f" ({done} of {many(runs, 'run')} {'is' if done == 1 else 'are'} there already)" if done else "")
    )
    return lines


def many(number, what):
    """Return a number with its noun."""
    return f"{number} {what}{'s' * (number != 1)}" if number is not None else f"all {what}s"


def listed(name, values):
    """Return the values of a setting as text; of many only some."""
    texts = [text_of(value) for value in values]
    if len(texts) > SHOWN + 2:
        texts = [*texts[:SHOWN], "…", f"{texts[-1]} ({len(texts)} values)"]
    return ", ".join(texts)


def text_of(value):
    """Return the value of a setting as text, widths of layers as 256-512, None as a dash."""
    from dfanp.sweeps.tuning import as_text

    return f"{value:.4g}" if isinstance(value, float) else as_text(value)


def networks(widths):
    """Return in words how many networks these are, and how to write what they may be mistaken for."""
    deep = next((each for each in widths if len(each) > 1), None)
    if deep is None:
        other = f"; one network of {len(widths)} layers is {'-'.join(str(*each) for each in widths[:SHOWN])}"
        return f"{many(len(widths), 'network')} of one layer{other * (1 < len(widths) <= SHOWN)}"
    layers = " and ".join(str(n) for n in sorted({len(each) for each in widths}))
    return f"{many(len(widths), 'network')} of {layers} layers; {len(deep)} of one layer are written {'/'.join(map(str, deep))}"


def counted(sweep):
    """Return the number of runs of a sweep, and of those with a result."""
    total, pending = (sum(len(job.keys) for job in jobs) for jobs in (sweep.jobs, sweep.pending))
    return total, total - pending


def epochs_of(sweep):
    """Return the number of epochs of all runs of a sweep, and of those that are over."""
    length = lambda jobs: sum(len(job.keys) * job.settings[0].epochs for job in jobs)
    total = length(sweep.jobs)
    return total, total - length(sweep.pending)


class View:
    """A bar over all epochs of all runs of a sweep, what runs now, and the time left; without a terminal a line a while.

    Its thread looks at the files of the running jobs; messages are printed above the bar.
    """

    def __init__(self, sweep, quiet):
        self.sweep, self.quiet = sweep, quiet
        (self.runs, self.done), (self.epochs, self.past) = counted(sweep), epochs_of(sweep)
        self.at, self.first, self.began = self.past, self.past, time.monotonic()
        self.names = varied_of(sweep.settings)
        self.next, self.wait = self.began + FIRST, FIRST
        self.jobs, self.said = [], None
        self.bar, self.lock, self.over = None, threading.RLock(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        if not self.quiet and self.done < self.runs:
            if moves(sys.stderr):
                self.bar = bar_of(self.epochs, "epochs", " " * self.room(), self.past)
                self.bar.__enter__()
            self.thread.start()
        return self

    def __exit__(self, *exception):
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()
        if self.bar:
            self._draw()
            self.bar.__exit__(*exception)
            self.bar = None

    def ended(self, outcome):
        """Show the Outcome of a job."""
        with self.lock:
            job = outcome.job
            if outcome.state == "divided":
                self.say(f"{len(job.keys)} runs at once are {outcome.error}: trained as two halves")
            elif outcome.state != "stopped":
                self.done += len(job.keys)
                self.past += len(job.keys) * job.settings[0].epochs
                if outcome.state == "failed":
                    self.say(f"{self.done}/{self.runs} runs  failed: {outcome.error}")
                elif not self.bar and self.done == self.runs:
                    self.say(f"{self.done}/{self.runs} runs  done")
            self._look()

    def say(self, text):
        """Print a line, above the bar if there is one."""
        if self.quiet:
            return
        with self.lock:
            if self.bar:
                self.bar.above(text)
            else:
                click.echo(text, err=True)

    def so_far(self):
        """Return how much is done, in words."""
        return f"{self.done} of {many(self.runs, 'run')} are finished"

    def _watch(self):
        while not self.over.wait(TICK):
            with self.lock:
                self._look()
                now = time.monotonic()
                if not (self.bar or self.sweep.stopping) and now >= self.next and self.done < self.runs:
                    self.wait = min(MOST, max(FIRST, 0.5 * (now - self.began)))
                    self.next = now + self.wait
                    where, doing = f"{self.done}/{self.runs} runs  {self.at}/{self.epochs} epochs", self.now(200)
                    if (where, doing) != self.said:
                        self.said = where, doing
                        self.say(f"{where}{self.left(now)}  now {doing}")

    def left(self, now):
        """Return the time left in words, "" before it is known."""
        steps = self.at - self.first
        if steps <= 0 or steps * ENOUGH < self.epochs - self.first:
            return ""
        return f"  {duration((self.epochs - self.at) * (now - self.began) / steps)} left"

    def _look(self):
        """Ask the running jobs how far they are, and draw the bar."""
        self.jobs = self.sweep.running()
        self.at = self.past + sum(len(job.keys) * epochs for job, epochs in self.jobs)
        self.at = min(self.at, self.epochs)
        self._draw()

    def _draw(self):
        if self.bar:
            room = self.room()
            self.bar.update(
                self.at - self.bar.shown.pos, f"{self.done}/{self.runs} runs: {self.now(room)}"[:room].ljust(room)
            )

    def room(self):
        """The number of characters beside the bar."""
        return max(12, ITEM + shutil.get_terminal_size().columns - 80)

    def now(self, room):
        """Return what runs now, in words: the jobs that fit into some characters, and the number of others."""
        texts = [f"{self.described(job)} {epochs}/{job.settings[0].epochs}" for job, epochs in self.jobs]
        if not texts:
            return "starting" if self.done < self.runs else "done"
        shown = texts[:1]
        for text in texts[1:]:
            if len("; ".join([*shown, text])) > room - 20:
                break
            shown.append(text)
        return "; ".join(shown) + f" +{len(texts) - len(shown)}" * (len(texts) > len(shown))

    def described(self, job):
        """Return the settings of a job that differ within its sweep."""
        first, parts = job.settings[0], []
        for name in (name for name in self.names if hasattr(first, name)):
            values = dict.fromkeys(getattr(each, name) for each in job.settings)
            label = "" if isinstance(getattr(first, name), str) else f"{name} "
            one = f"{label}{text_of(getattr(first, name))}"
            parts.append(one if len(values) == 1 else f"{len(values)} {'rate' if name == 'lr' else name}s")
        return " ".join(parts) or first.method


def varied_of(settings):
    """Return the names of the settings that differ within a sweep, learning rate and seed last."""
    from dfanp.sweeps.grids import varied

    if len(settings) > 5000:  # to compare all would take seconds
        settings = settings[:: len(settings) // 5000]
    names = [name for name in varied([vars(each) for each in settings]) if name != "data_sha256"]
    names = names if len(names) <= len(BRIEF) // 2 + 1 else [name for name in names if name in BRIEF]
    return sorted(names, key=lambda name: (name == "lr") + 2 * (name == "seed"))


def duration(seconds):
    """Return a duration as text."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
