"""`python pipeline.py dead`: the jobs that took their replicas down."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from commands.options import add_connect_options, client_of
from modules.audio.files import write_wav
from workers.broker.dead_letters import list_letters, read_letter, remove_letter
from workers.config import PipelineConfig
from workers.wire.payload_frames import unpack

DEFAULT_FOLDER = Path(PipelineConfig.model_fields["dead_letters"].default)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "dead",
        help="list, show and retry the jobs that took their replicas down",
        description="A job whose replica dies is tried again, at most max_attempts times; then its request ends as "
        "dead_letter, and the job is kept with its payload, its spans and the last stack of the replica.",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=DEFAULT_FOLDER,
        help=f"the configuration's dead_letters (default: {DEFAULT_FOLDER})",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="one line a letter")
    listing.set_defaults(run=_list)
    showing = actions.add_parser("show", help="all that is known of a letter")
    showing.add_argument("name", metavar="NAME")
    showing.set_defaults(run=_show)
    retrying = actions.add_parser("retry", help="send a job again, to its stage; the letter goes when it ends well")
    retrying.add_argument("name", metavar="NAME")
    add_connect_options(retrying, "the address that `serve` printed")
    retrying.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="folder for its WAV file")
    retrying.set_defaults(run=_retry)


def _list(arguments: argparse.Namespace) -> int:
    letters = list_letters(arguments.folder)
    table = Table(Column("name", no_wrap=True), "at", "stage", "attempts", "reason")
    for name, letter in letters.items():
        table.add_row(name, letter.at, letter.stage, str(letter.attempts), letter.reason)
    Console().print(table if letters else f"no dead letters in {arguments.folder}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    letter, payload = read_letter(arguments.folder, arguments.name)
    console = Console(highlight=False, markup=False)
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
        console.print(f"{key:9} {value}")
    for span in letter.spans:
        console.print(f"passed    {span.stage} {span.path}: queue {span.queue_s:.3f} s, service {span.service_s:.3f} s")
    console.print(f"end of the replica's log:\n{letter.log_tail or '(none: it was killed without a stack)'}")
    return 0


def _describe(kind: str, payload: bytes) -> str:
    return payload.decode(errors="replace") if kind == "text" else f"{len(payload)} bytes of float32 audio"


def _retry(arguments: argparse.Namespace) -> int:
    letter, payload = read_letter(arguments.folder, arguments.name)
    with client_of(arguments) as client:
        result = client.submit(unpack(letter.meta, payload), stage=letter.stage, patient=True).result()
    if result.outcome != "ok":
        print(f"{arguments.name}: {result.outcome} again: {result.error}")
        return 1
    for stage, text in result.texts.items():
        print(f"{stage}: {text}")
    if result.audio is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        target = arguments.output / f"{arguments.name}.wav"
        write_wav(target, result.audio)
        print(f"→ {target}")
    remove_letter(arguments.folder, arguments.name)
    return 0
