"""`dfanp completion`: the script that lets a shell complete this command line, and the replies that bash gets."""

import os

import click
from click.shell_completion import (
    BashComplete,
    FishComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from .names import Name

# Bash also splits words at : and =, so it sees momentum:mom as three words. The function therefore passes the whole
# line up to the cursor, and removes from each reply what precedes the last of these marks, which is on the line
# already.
BASH = """\
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} reply kind value
    local word=${line##*[[:space:]]} mark before=
    for mark in : =; do
        if [[ $COMP_WORDBREAKS == *$mark* && $word == *$mark* && ${#before} -lt ${#word} ]]; then
            value=${word%%"$mark"*}$mark
            value=${word%%"${word##*"$mark"}"}
            [[ ${#value} -gt ${#before} ]] && before=$value
        fi
    done
    [[ $before == -*=* ]] && before=${before#*=}
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("${value#"$before"}")
                [[ $value == *= ]] && compopt -o nospace
                ;;
        esac
    done < <(COMP_WORDS=$line %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class Bash(BashComplete):
    """Click's protocol (COMP_WORDS, COMP_CWORD); without COMP_CWORD the last word of the line is completed."""

    source_template = BASH

    def get_completion_args(self):
        if "COMP_CWORD" in os.environ:
            return super().get_completion_args()
        line = os.environ.get("COMP_WORDS", "")
        words = split_arg_string(line)[1:]
        incomplete = "" if not words or line[-1:].isspace() else words.pop()
        return words, incomplete


class Whole:
    """Completes --option=val to --option=value: zsh and fish replace the whole word by a completion."""

    def get_completions(self, args, incomplete):
        option, equals, value = incomplete.partition("=")
        if not (equals and option.startswith("--")):
            return super().get_completions(args, incomplete)
        items = super().get_completions([*args, option], value)
        for item in items:
            if item.type == "plain":
                item.value = f"{option}={item.value}"
        return items


@add_completion_class
class Zsh(Whole, ZshComplete):
    """Click's, with whole words."""


@add_completion_class
class Fish(Whole, FishComplete):
    """Click's, with whole words, and lists that are not cut at their first comma."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


@click.command()
@click.argument("shell", metavar="SHELL", type=Name(["bash", "zsh", "fish"]))
def completion(shell):
    """Print the script that lets a shell complete commands, options, names and files.

    SHELL is bash (4.4 or newer), zsh or fish. Save the script as in the examples; new shells then use it. For bash,
    add the line `source ~/.dfanp-completion.bash` to ~/.bashrc; for zsh, add `fpath+=(~/.zfunc)` to ~/.zshrc, before
    the call of compinit.

    \b
    Examples:
      dfanp completion bash > ~/.dfanp-completion.bash
      mkdir -p ~/.zfunc && dfanp completion zsh > ~/.zfunc/_dfanp
      mkdir -p ~/.config/fish/completions && dfanp completion fish > ~/.config/fish/completions/dfanp.fish

    Output: the script. To try it in bash: `source <(dfanp completion bash)`

    See also: dfanp info.
    """
    from .main import cli

    click.echo(get_completion_class(shell)(cli, {}, "dfanp", "_DFANP_COMPLETE").source())
