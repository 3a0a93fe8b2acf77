"""`relevo dead`: lists, shows and retries the jobs that took their replicas down."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands.options import add_connect_options, client_of, make_folder
from commands.output import say

EXAMPLES = """\
examples:
  relevo dead list
  relevo dead show NAME
  relevo dead retry NAME --connect ipc:///tmp/relevo.sock
  relevo dead --folder /var/lib/relevo/dead-letters list      where `serve` runs with another dead_letters"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command with its actions."""
    parser = commands.add_parser(
        "dead",
        help="list, show and retry the jobs that took their replicas down",
        description="A job whose replica dies is tried again, at most max_attempts times. Then its request ends as "
        "dead_letter, and the job is kept with its payload, its spans and the end of the replica's log.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="folder that the configuration calls dead_letters (default: dead-letters, in the current folder)",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="one line a job")
    listing.set_defaults(run=_list)
    showing = actions.add_parser("show", help="everything that is known of a job")
    showing.add_argument("name", metavar="LETTER", help="name from `relevo dead list`")
    showing.set_defaults(run=_show)
    retrying = actions.add_parser("retry", help="send a job to its stage again; it is removed once it ends well")
    retrying.add_argument("name", metavar="LETTER", help="name from `relevo dead list`")
    add_connect_options(retrying, "address that `relevo serve` printed")
    retrying.add_argument(
        "--output", type=Path, default=Path("output"), metavar="DIR", help="folder for its WAV file (default: output)"
    )
    retrying.set_defaults(run=_retry)


def _list(arguments: argparse.Namespace) -> int:
    from commands.tables import SafeConsole, TableColumn, print_table
    from workers.broker.dead_letters import list_letters

    folder = _folder(arguments)
    letters = list_letters(folder)
    if not letters:
        say(f"no dead letters in {folder}")
        return 0
    columns = [
        TableColumn("name", "name"),
        TableColumn("at"),
        TableColumn("stage"),
        TableColumn("attempts", "number"),
        TableColumn("reason"),
    ]
    rows = [(name, letter.at, letter.stage, str(letter.attempts), letter.reason) for name, letter in letters.items()]
    print_table(SafeConsole(), columns, rows)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from commands.tables import SafeConsole
    from workers.broker.dead_letters import read_letter

    letter, payload = read_letter(_folder(arguments), arguments.name)
    known = {
        "request": letter.request,
        "stage": letter.stage,
        "path": letter.path,
        "at": letter.at,
        "attempts": letter.attempts,
        "reason": letter.reason,
        "payload": _describe(letter.meta.kind, payload),
    }
    for key, value in known.items():
        say(f"{key:9} {value}")
    for span in letter.spans:
        say(f"passed    {span.stage} {span.path}: queue {span.queue_s:.3f} s, service {span.service_s:.3f} s")
    say("end of the replica's log:")
    SafeConsole().print(letter.log_tail or "(none: it was killed without a stack)", soft_wrap=True)
    return 0


def _describe(kind: str, payload: bytes) -> str:
    return payload.decode(errors="replace") if kind == "text" else f"{len(payload)} bytes of float32 audio"


def _retry(arguments: argparse.Namespace) -> int:
    from modules.audio.files import write_wav
    from workers.broker.dead_letters import read_letter, remove_letter
    from workers.wire.payload_frames import unpack

    folder = _folder(arguments)
    letter, payload = read_letter(folder, arguments.name)
    make_folder(arguments.output, "--output")
    with client_of(arguments) as client:
        result = client.submit(unpack(letter.meta, payload), stage=letter.stage, patient=True).result()
    if result.outcome != "ok":
        say(f"{arguments.name}: {result.outcome} again: {result.error}")
        return 1
    for stage, text in result.texts.items():
        say(f"{stage}: {text}")
    if result.audio is not None:
        target = arguments.output / f"{arguments.name}.wav"
        write_wav(target, result.audio)
        say(f"→ {target}")
    remove_letter(folder, arguments.name)
    return 0


def _folder(arguments: argparse.Namespace) -> Path:
    from workers.config import PipelineConfig

    return arguments.folder or Path(PipelineConfig.model_fields["dead_letters"].default)
