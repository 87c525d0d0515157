"""Trains an adapter and its ECI head: python -m finetune.train --config finetune/configs/NAME.yaml [key=value ...]

Killed, it goes on from its last checkpoint when the same command is given again. `finetune.run` does the work.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.errors import LlamaCareError
from finetune.config import load_config
from finetune.environment import INTERRUPTED, load_torch


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0 when the run is complete, 2 with a sentence where it cannot be, 130 when it was stopped and can go on."""
    parser = argparse.ArgumentParser(prog="python -m finetune.train", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="a YAML file, as in finetune/configs")
    parser.add_argument("--plan", action="store_true", help="say parameters, memory, steps and duration, and train nothing")
    parser.add_argument("--fresh", action="store_true", help="begin anew where an earlier run has left something")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as training.seed=2; every key of finetune/config.py")
    options = parser.parse_intermixed_args(arguments)  # flags and key=value in any order
    try:
        config = load_config(options.config, options.overrides)
        load_torch(os.environ)
        from finetune.run import run  # noqa: PLC0415  # it takes seconds to load, and --help needs none of it

        return run(config, plan_only=options.plan, fresh=options.fresh)
    except LlamaCareError as error:
        print(error.sentence, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. What was kept is gone on with by the same command.", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
