"""`dfanp data`: which data sets are available, and how to get the others."""

import json

import click

from .helping import Group
from .names import Name
from .options import as_json, data_dir, quiet


@click.group(cls=Group)
def data():
    """List and fetch data sets.

    A data set is four IDX files (plain or .gz), in the cache or in a folder of yours, laid out as published or as
    torchvision stores them. Only `dfanp data fetch` downloads. For your own images in this format use --data idx:DIR.
    """


@data.command("list")
@data_dir
@as_json
def list_(data_dir, as_json):
    """List the data sets and where they are.

    \b
    Example: dfanp data list

    Files: reads --data-dir (or DFANP_DATA), or else the cache.

    Output: two lines per data set; with --json a list of objects: name, place (null if it is missing), title.

    See also: dfanp data fetch, dfanp info.
    """
    from dfanp.problems import datasets

    rows = []
    for name in datasets.NAMES:
        place = "scikit-learn" if name == "digits" else datasets.find(name, data_dir)
        if place is None:
            rows.append((name, None, datasets.TITLES[name]))
        else:
            rows.append((name, str(place), datasets.TITLES[name]))
    if as_json:
        click.echo(json.dumps([{"name": name, "place": place, "title": title} for name, place, title in rows]))
        return
    for name, place, title in rows:
        megabytes = "" if place else f"not here: dfanp data fetch {name} ({datasets.SOURCES[name].megabytes} MB)"
        click.echo(f"{name:14} {title}\n{'':14} {place or megabytes}")


@data.command()
@click.argument("name", type=Name(table="problems.datasets.SOURCES"))
@data_dir
@quiet
def fetch(name, data_dir, quiet):
    """Download a data set, check it, and save it in the cache (or in --data-dir).

    NAME is mnist or fashion-mnist. Each file comes from the first of several mirrors that has it with the right
    checksum. Files that are present already are not downloaded again.

    \b
    Example: dfanp data fetch mnist

    Files: four .gz files in a folder NAME of the cache, or of --data-dir. `dfanp info` says where the cache is.

    Output: the folder. Progress on stderr.

    Exit status: 1 if no mirror has a correct file; no incomplete file is left.

    See also: dfanp data list.
    """
    from dfanp.problems.download import fetch as download

    say = (lambda message: None) if quiet else (lambda message: click.echo(message, err=True))
    click.echo(download(name, data_dir, say))
