"""`relevo completion`: prints the script that completes the command line in a shell."""

from __future__ import annotations

import argparse
import sys

EXAMPLES = """\
for this user, from the next shell on:
  relevo completion bash > ~/.local/share/bash-completion/completions/relevo
  relevo completion zsh  > ~/.zfunc/_relevo      with  fpath+=~/.zfunc  before compinit in ~/.zshrc
  relevo completion fish > ~/.config/fish/completions/relevo.fish

for this bash only:
  source <(relevo completion bash)"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], whole: argparse.ArgumentParser) -> None:
    """Adds the command; `whole` is the parser that it describes to the shell."""
    parser = commands.add_parser(
        "completion",
        help="print the completion of this command for a shell",
        description="Prints a script with every command and option, the names of stages and models, and which "
        "arguments are files. The script runs without Relevo, so completing costs nothing.",
        epilog=EXAMPLES,
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"])
    parser.set_defaults(run=lambda arguments: run(arguments, whole))


def run(arguments: argparse.Namespace, whole: argparse.ArgumentParser) -> int:
    """Prints the script."""
    import shtab

    from commands.shipped_configurations import shipped_configurations
    from commands.weights.needed_models import needed_models
    from modules.weights import load_catalog

    stages = {stage for _, configuration in shipped_configurations() for stage in configuration["stages"]}
    words = {"STAGE": sorted(stages), "MODEL": [*load_catalog().models, *needed_models()]}
    files = {"FILE": shtab.FILE, "FILE.json": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in _actions(whole):
        if action.dest == "config":
            action.complete = shtab.glob("*.yaml", "*.yml")  # type: ignore[attr-defined]
        elif action.metavar in files:
            action.complete = files[str(action.metavar)]  # type: ignore[attr-defined]
        elif action.metavar in words:
            action.choices = words[str(action.metavar)]
    sys.stdout.write(shtab.complete(whole, shell=arguments.shell) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Returns every argument of the parser and of its commands."""
    found = []
    for action in parser._actions:  # argparse has no public way to list them
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found += _actions(command)
    return found
