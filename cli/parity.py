"""`dfanp parity`: train on the parity of k digits."""

import click

from .options import COUNT, Whole, data_dir, data_set, option, usage_errors
from .running import checked_files, options, run_options, train, training_options


@click.command(context_settings={"show_default": True})
@option("--k", type=Whole(1, 10), default=3, help="Digits side by side.")
@option("--train-size", type=COUNT, default=60_000, help="Examples in an epoch.")
@option("--test-size", type=COUNT, default=10_000, help="Test examples after each epoch.")
@training_options("rmsprop", 20, 128, "Epochs, each of new examples.", "Examples a step.")
@data_set
@data_dir
@options(*run_options)
def parity(lr, data, data_dir, device, threads, out, plot, as_json, quiet, **given):
    """Train a network to tell whether the sum of k digits, side by side, is odd.

    \b
    Examples:
      dfanp parity --k 3 --method dfa --opt rmsprop
      dfanp parity --method bp --opt sgd --repeats 3 --align --plot curves.png
      dfanp parity --epochs 50 --out runs/dfa  # the same line goes on after an interrupt

    Files: --out keeps a run in DIR: config.json (its settings, the SHA-256 of its data, versions), log.jsonl (a line an epoch and seed),
    timings.jsonl and checkpoint.npz. The same command goes on with it, and ends with the same bytes as if it had never stopped; so does
    one with more --epochs. With fewer than it has, or other settings, it is refused. MNIST is read from --data-dir or from the cache (see `dfanp data`).

    Output: a table with a row a seed, and with --repeats the mean and its 95 % interval; with --json one object: config, environment,
    runs, summary. On stderr the data, the learning rate, the device, and how far it is.

    Exit status: a run that diverges (a loss that is not finite) has failed.

    See also: dfanp tune parity, dfanp represent, dfanp export, dfanp plot.
    """
    from dfanp import Backend
    from dfanp.experiments.published import settings_of
    from dfanp.experiments.rates import default_rate
    from dfanp.problems import datasets, load
    from dfanp.settings import ParitySettings

    def say(message):
        if not quiet:
            click.echo(message, err=True)

    plot = checked_files(out, plot)
    device = Backend(device, kernels=given["kernels"]).device  # first: what is absent is all there is to say
    name = datasets.resolve(data, data_dir)
    dataset = load(name, data_dir)
    say(f"data      {datasets.TITLES[name]}")
    if data == "auto" and name == "digits":
        say("          (MNIST is not here: `dfanp data fetch mnist` gets it, --data-dir names a folder that has it)")
    if lr is None:
        with usage_errors():
            lr, source = default_rate(name, given["method"], given["opt"], given["feedback"])
    else:
        source = "given"
    say(f"lr        {lr:g} ({source})")
    settings = settings_of(ParitySettings, lr=lr, data=name, device=device, **given)
    return train(settings, out, threads, dataset, plot, as_json, quiet)
