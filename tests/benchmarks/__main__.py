"""``python -m tests.benchmarks``: every peer, every figure, both model files; ``--help`` lists what can be made smaller."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from app.engine.llama import NativeLog
from app.engine.threads import usable_cores
from tests.benchmarks.client import ROOT, Client, PeerFailed
from tests.benchmarks.figures import PEERS, show
from tests.benchmarks.files import NAMES, model_file
from tests.benchmarks.machine import this_machine
from tests.benchmarks.report import write_report
from tests.benchmarks.rounds import SCENES, Bench
from tests.benchmarks.sizes import SMOKE, Sizes
from tests.benchmarks.work import Encoder, Supply, read_sources
from tests.benchmarks.worker import Setup

HERE = Path(__file__).parent
CACHE = ROOT / ".cache" / "bench"
CONTEXT = 8192  # tokens; the application's default
ROUNDS, SMOKE_ROUNDS = 5, 1
# Scenes that compare the engine with itself: measured on the first model file alone, to fit the run into an hour.
OF_THE_ENGINE = ("turns", "careful", "shots", "cancel", "seeds", "soak")


class Log:
    """Lines with the time since the start, on the terminal and in the run's log."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._begun = time.monotonic()

    def __call__(self, line: str) -> None:
        stamped = f"{time.monotonic() - self._begun:7.1f}  {line}"
        print(stamped, flush=True)
        self._file.write(stamped + "\n")
        self._file.flush()


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    options = _options(argv)
    out: Path = options.out
    if options.render:
        write_report(out, json.loads((out / "rounds.json").read_text(encoding="utf-8")))
        return 0
    out.mkdir(parents=True, exist_ok=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (out / "run.log").open("w", encoding="utf-8") as file, (CACHE / "peers.log").open("w") as native:
        run = _run(options, environ, Log(file), native)
    (out / "rounds.json").write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    rows = write_report(out, run)
    for row in rows:
        print(f"{row.model[:34]:<34} {row.spec.figure:<86} {show(row.ratio):>7} {row.sentence and 'missed'}")
    print(f"Written: {out / 'RESULTS.md'}")
    return 0


def _run(options: argparse.Namespace, environ: Mapping[str, str], log: Log, native: TextIO) -> dict[str, Any]:
    sizes = _sizes(options)
    sources = read_sources(Path(environ.get("LLAMACARE_DATA", ROOT.parent / "shared" / "data")), ROOT / "assets" / "bank")
    machine = this_machine(usable_cores())
    run: dict[str, Any] = {
        "command": _command(),
        "date": datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        "partial": _partial(options),
        "commit": _commit(),
        "machine": {**asdict(machine), "beyond_avx2": machine.beyond_avx2},
        "sources": sources.name,
        "rounds": options.rounds,
        "questions": sizes.questions * options.rounds,
        "sizes": asdict(sizes),
        "models": {},
    }
    log(f"{run['command']}; commit {run['commit']}; {run['date']}")
    native_log = NativeLog()  # until the end: llama.cpp calls into it
    for model in [model_file(name, CACHE) for name in options.models]:
        encoder = Encoder(model.path, native_log)
        setup = Setup(str(model.path), options.threads or machine.cores, CONTEXT, sizes.users)
        clients = _start(options.peers, setup, native, log)
        bench = Bench(clients, Supply(sources, encoder), encoder, sizes, log)
        log(f"{model.name}: {len(clients)} peers are ready")
        try:
            again = bool(run["models"])
            bench.run([scene for scene in options.only if not (again and scene in OF_THE_ENGINE)], options.rounds)
        finally:
            for client in clients.values():
                client.close()
        run["models"][model.name] = {**dataclasses.asdict(bench.record), "digest": model.digest}
        took = ", ".join(f"{scene} {seconds:.0f} s" for scene, seconds in bench.record.seconds.items())
        log(f"{model.name}: {took}")
    return run


def _start(names: Sequence[str], setup: Setup, native: TextIO, log: Log) -> dict[str, Client]:
    clients = {}
    for name in names:
        try:
            clients[name] = Client(name, setup, native)
        except PeerFailed as error:
            log(f"{name} does not take part: {error}")
            continue
        log(f"{name} ({PEERS[name]}): {clients[name].facts}")
    return clients


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = SMOKE if options.smoke else Sizes()
    if options.questions:
        sizes = replace(sizes, questions=max(1, -(-options.questions // options.rounds)))
    if options.soak:
        sizes = replace(sizes, soak_chats=options.soak)
    return sizes


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", type=_names(SCENES), default=list(SCENES), help=f"some of {','.join(SCENES)}")
    parser.add_argument("--models", type=_names(NAMES), default=list(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--peers", type=_names(PEERS), default=list(PEERS), help=f"some of {','.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=0, help=f"rounds of every figure (default {ROUNDS}; smoke {SMOKE_ROUNDS})")
    parser.add_argument("--questions", type=int, default=0, help="exam questions in all, split over the rounds (default 15)")
    parser.add_argument("--soak", type=int, default=0, help="short chats of the soak (default 1000)")
    parser.add_argument("--threads", type=int, default=0, help="threads of the peers (default: all cores); for trials")
    parser.add_argument("--smoke", action="store_true", help="everything tiny: proves that it runs, measures nothing")
    parser.add_argument("--out", type=Path, default=None, help="where results go; a run that is not whole needs it")
    parser.add_argument("--render", action="store_true", help="write the report of --out again from its rounds.json")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (SMOKE_ROUNDS if options.smoke else ROUNDS)
    if options.out is None and _partial(options) and not options.render:
        parser.error(f"a run of {_partial(options)} needs --out FOLDER, so that it does not replace the results of a whole one")
    options.out = options.out or HERE
    return options


def _partial(options: argparse.Namespace) -> str:
    """In what a run is not whole, "" for one that is."""
    short = {
        "--smoke": options.smoke,
        "some figures": options.only != list(SCENES),
        "some model files": options.models != list(NAMES),
        "some peers": options.peers != list(PEERS),
        f"fewer than {ROUNDS} rounds": options.rounds < ROUNDS,
        "other threads": bool(options.threads),
        "another soak": bool(options.soak),
    }
    return ", ".join(name for name, is_short in short.items() if is_short)


def _names(known: Any) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {','.join(known)}")
        return names

    return parse


def _command() -> str:
    """As it could be given again, without the folder of its results."""
    words = [word for before, word in itertools.pairwise(["", *sys.argv[1:]]) if "--out" not in (word, before)]
    return f"python -m tests.benchmarks {shlex.join(words)}" if words else "make bench"


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
