"""`dfanp export`: the weights of a run for other programs."""

import click

from .options import Place, Whole, data_dir, option, plugin, usage_errors


@click.command()
@click.argument("run", type=Place(), metavar="RUN")
@option("--out", required=True, type=Place("file"), metavar="FILE", help="A .safetensors or .npz file.")
@option("--seed", type=Whole(min=0), help="Seed to export, of a run with repeats.  [default: the first]")
@data_dir
@plugin
def export(run, out, seed, data_dir):
    """Write the weights of a run as PyTorch names them.

    RUN is a folder made by --out, or a file in the checkpoints of a sweep with --keep. Its last checkpoint is
    exported, also if the run was interrupted.

    \b
    Example: dfanp export runs/dfa --out dfa.npz

    Of a run of `dfanp train` the network takes the columns of the data as they are, and answers in the units of the label:
    the scaling of the training is in the first and the last layer.

    The arrays are those of torch.nn.Sequential(Linear, activation, Linear, …): "0.weight", "2.weight", …

    Files: reads RUN; writes FILE completely or not at all.

    Output: one line about the file written.

    Exit status: 1 if the seed has diverged; no file is written then.

    See also: dfanp parity, dfanp represent.
    """
    from dfanp import DfanpError, interchange
    from dfanp.runs.saved import SavedRun

    with usage_errors():
        interchange.checked_path(out)
        saved = SavedRun(run, data_dir)
        seed = saved.seeds[0] if seed is None else seed
        network = saved.portable(seed)
        if seed not in saved.alive:
            others = f"; --seed {saved.alive[0]} has not" if saved.alive else ""
            raise DfanpError(f"{run}: seed {seed} has diverged: there are no weights to export{others}")
        interchange.save(network, out)
    layers = " → ".join(map(str, network.sizes))
    click.echo(f"wrote {out}: {saved.title}, {layers}, {network.activation.name}")
