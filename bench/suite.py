"""What is measured. Each measurement is one dict that goes into the JSON as it is:

name, settings, unit            what was timed; "s" is the time of one run
peer                            whom the ratios are against (the fastest of JAX and PyTorch, eager and compiled)
times                           title -> median, min, max; low and high without outliers; outliers, the numbers of their rounds; all
faster                          title -> how many times as fast as the peer (median of the rounds' quotients)
failed                          title -> why it could not run
floor                           of a network: its multiply-adds, the seconds that they take at BLAS' peak, the share of it that is reached
"""

from dataclasses import dataclass
from itertools import product

from dfanp.experiments.rates import default_rate
from dfanp.settings import ParitySettings

from . import blas, roofline, startup
from .candidates import same_losses
from .interleave import speedup, summary, take_turns

OPTIMIZERS = ("sgd", "adagrad", "adadelta", "rmsprop", "adam")
TORCH, JAX = ("PyTorch eager", "PyTorch compiled"), "JAX"
OUR_FIT, THEIR_FIT = "DFAClassifier.fit", "MLPClassifier.fit"  # of one epoch, with all that a fit does around it
PEAK = "dense peak"  # how fast BLAS multiplies large matrices
THESIS, PAIR, JOINT, SOLO = "thesis' way", "dense pair", "joint", "one after another"
ONE_THREAD = ", 1 thread"  # of PyTorch on a problem so small that two threads wait for each other


@dataclass(frozen=True)
class Plan:
    """What to run, and how much of it.

    Attributes:
        data, data_dir, threads, tiers, opts, rules, rounds: as the command's options.
        torch: whether PyTorch and the thesis' way take part. jax: whether JAX does.
        train_size, test_size: examples of an epoch. steps: in a turn, where steps are timed. epochs: of the full batch.
        networks: how many others are measured.
    """

    data: str
    data_dir: str | None
    threads: int
    tiers: tuple
    opts: tuple = OPTIMIZERS
    rules: tuple = ("dfa", "bp")
    rounds: int = 5
    torch: bool = True
    jax: bool = False
    train_size: int = ParitySettings.train_size
    test_size: int = ParitySettings.test_size
    steps: int = 400
    epochs: int = 500
    hidden: int = 512
    networks: int = 13

    def settings(self, rule, opt, **more):
        """Return the settings of a candidate on parity."""
        return {
            "data": self.data,
            "data_dir": self.data_dir,
            "threads": self.threads,
            "k": 3,
            "hidden": self.hidden,
            "batch": 128,
            "rule": rule,
            "opt": opt,
            "lr": default_rate(self.data, rule, opt).lr,
            "train_size": self.train_size,
            "test_size": self.test_size,
        } | more


def measurement(name, settings, seconds, failed, peers):
    """Return a measurement's dict; the peer is the fastest of `peers` that ran."""
    times = {title: runs["run"] for title, runs in seconds.items()}
    medians = {title: summary(each) for title, each in times.items()}
    peer = min((p for p in peers if p in times), key=lambda p: medians[p]["median"], default=None)
    faster = {title: speedup(each, times[peer]) for title, each in times.items()} if peer else {}
    return {
        "name": name,
        "settings": {key: value for key, value in settings.items() if key != "data_dir"},
        "unit": "s",
        "peer": peer,
        "times": medians,
        "faster": faster,
        "failed": failed,
    }


def peers_of(plan, torch):
    """Return the titles of the peers that take part: JAX, those of PyTorch, or without either NumPy's."""
    found = ([JAX] if plan.jax else []) + (list(torch) if plan.torch else [])
    return tuple(found) or ("numpy",)


WIDTHS = 64, 128, 256, 1024, 2048, 4096  # hidden units, beside the 512 of the main experiment
WIDE = 512  # above, an epoch has fewer examples, so that it does not last longer


def networks(plan, say):
    """Yield the measurement of an epoch of other networks by the fastest tier, against JAX, on all threads and on one.

    The main experiment, with biases, ten classes (there PyTorch and the estimators take part, too), more layers, 64 to 4096
    units. Each has a floor, the multiply-adds that no way
    around is known for at the speed of BLAS on large matrices: see ``roofline.epoch``.
    """
    width, tier = plan.hidden, plan.tiers[0]
    large = dict(
        hidden=[max(2 * width - 24, 2)] * 2, bias=True, activation="tanh", lr=0.0003
    )  # two of 1000 by default
    rows = [("epoch", "dfa", "rmsprop", dict(bias=bias)) for bias in (False, True)]
    rows += [("classes", rule, "adam", large) for rule in ("dfa", "bp")]
    rows += [("epoch", rule, "rmsprop", dict(hidden=[width] * 2)) for rule in ("dfa", "bp")]
    rows += [("epoch", "dfa", "rmsprop", dict(hidden=[width] * 3))]
    few = lambda units: plan.train_size if units <= WIDE else max(plan.train_size * WIDE // units // 128, 1) * 128
    rows += [("epoch", "dfa", "rmsprop", dict(hidden=units, train_size=few(units))) for units in WIDTHS]
    for (what, rule, opt, more), threads in product(rows[: plan.networks], sorted({plan.threads, 1}, reverse=True)):
        settings = plan.settings(rule, opt, **more) | {"threads": threads}
        everybody = {tier: (f"dfanp {what}", settings | {"tier": tier})}
        everybody |= {JAX: (f"jax {what}", settings)} if plan.jax else {}
        everybody |= others_on_classes(plan, settings) if what == "classes" else {}
        everybody |= {PEAK: ("blas peak", {"threads": threads})}
        hidden = more.get("hidden", width)
        layers = "-".join(map(str, hidden if isinstance(hidden, list) else [hidden]))
        talk = lambda text, title=f"{what}, {rule}, {layers}, threads {threads}": say(f"{title}: {text}")
        seconds, failed = take_turns(
            everybody,
            plan.rounds,
            check=same_losses,
            unchecked=(PEAK, OUR_FIT, THEIR_FIT),
            optional=(TORCH[1],),
            say=talk,
        )
        (peak,) = seconds.pop(PEAK).values()
        found = measurement("network", settings | {"what": what}, seconds, failed, (JAX,) if plan.jax else (tier,))
        operations = roofline.epoch(settings, what)
        least = operations * min(peak) / blas.OF_PEAK
        share = least / found["times"][tier]["median"]
        yield found | {"floor": {"multiply_adds": operations, "seconds": least, "reached": share}}


def others_on_classes(plan, settings):
    """Return title -> candidate: who else trains ten classes. MLPClassifier knows BP alone."""
    found = {OUR_FIT: ("dfanp fit", settings)}
    found |= {THEIR_FIT: ("scikit-learn fit", settings)} if settings["rule"] == "bp" else {}
    torch = {title: ("torch classes", settings | {"compiled": title == TORCH[1]}) for title in TORCH}
    return found | (torch if plan.torch else {})


def epochs(plan, say):
    """Yield the measurement of a whole epoch (draw, train, test) for each rule and optimizer."""
    for rule in plan.rules:
        for opt in plan.opts:
            settings = plan.settings(rule, opt)
            ours = {tier: ("dfanp epoch", settings | {"tier": tier}) for tier in plan.tiers}
            torch = {title: ("torch epoch", settings | {"compiled": title == TORCH[1]}) for title in TORCH}
            # The thesis' way is not among those checked: its eps stand at other places.
            thesis = {THESIS: ("thesis epoch", settings)}
            jax = {JAX: ("jax epoch", settings)} if plan.jax else {}
            title = f"epoch, {rule} {opt}"
            talk = lambda text, title=title: say(f"{title}: {text}")
            everybody = ours | jax | (torch | thesis if plan.torch else {})
            seconds, failed = take_turns(
                everybody, plan.rounds, check=same_losses, unchecked=(THESIS,), optional=(TORCH[1],), say=talk
            )
            yield measurement("epoch", settings, seconds, failed, peers_of(plan, TORCH))


def steps_against_blas(plan, say):
    """Yield the measurement of training steps against the dense pair of products alone, for each optimizer under DFA."""
    for opt in plan.opts:
        settings = plan.settings("dfa", opt, steps=plan.steps)
        pixels = {"digits": 64}.get(plan.data, 784)
        dense = {"n": 128, "D": 3 * pixels, "H": plan.hidden, "steps": plan.steps, "threads": plan.threads}
        everybody = {tier: ("dfanp steps", settings | {"tier": tier}) for tier in plan.tiers}
        talk = lambda text, opt=opt: say(f"{plan.steps} steps, {opt}: {text}")
        seconds, failed = take_turns(everybody | {PAIR: ("blas pair", dense)}, plan.rounds, say=talk)
        yield measurement("step", settings, seconds, failed, (PAIR,))


def full_batch(plan, say):
    """Yield the measurement of 500 epochs of a full batch of 256 × 25, each tested on the same examples; BP, SGD."""
    settings = {"n": 256, "D": 25, "hidden": plan.hidden, "epochs": plan.epochs, "threads": plan.threads}
    settings |= {"rule": "bp", "opt": "sgd", "lr": 0.5}
    everybody = {tier: ("dfanp full batch", settings | {"tier": tier}) for tier in plan.tiers}
    peers = [("", plan.threads)] + ([(ONE_THREAD, 1)] if plan.threads > 1 else [])
    torch = {
        title + ending: ("torch full batch", settings | {"threads": threads, "compiled": title == TORCH[1]})
        for title in TORCH
        for ending, threads in peers
    }
    everybody |= ({JAX: ("jax full batch", settings)} if plan.jax else {}) | (torch if plan.torch else {})
    optional = [title for title in torch if title.startswith(TORCH[1])]
    talk = lambda text: say(f"full batch: {text}")
    seconds, failed = take_turns(everybody, plan.rounds, optional=optional, say=talk)
    yield measurement("full batch", settings, seconds, failed, peers_of(plan, torch))


def replicas(plan, say):
    """Yield the measurement of three replicas in one loop against three runs one after another; RMSProp, DFA."""
    for tier in plan.tiers:
        settings = plan.settings("dfa", "rmsprop", tier=tier, seeds=(0, 1, 2))
        everybody = {JOINT: ("dfanp joint", settings), SOLO: ("dfanp solo", settings)}
        talk = lambda text, tier=tier: say(f"three replicas, {tier}: {text}")
        seconds, failed = take_turns(everybody, plan.rounds, say=talk)
        yield measurement("replicas", settings, seconds, failed, (SOLO,))


def start(plan, say):
    """Yield the measurements of starting and importing, and of peak memory."""
    say("start and import")
    times, more = startup.start_times(plan.rounds)
    yield {
        "name": "start",
        "unit": "s",
        "times": {title: summary(each) for title, each in times.items()},
        "import_beyond_numpy": more,
    }
    for tier in plan.tiers if startup.WATCHES else ():
        say(f"peak memory, {tier}")
        settings = plan.settings("dfa", "rmsprop", tier=tier)
        shown = {"data": plan.data, "tier": tier, "threads": plan.threads}
        yield {"name": "memory", "settings": shown, "unit": "MB", "peak": startup.peak_megabytes(settings, tier)}


MEASUREMENTS = (epochs, networks, steps_against_blas, full_batch, replicas, start)
