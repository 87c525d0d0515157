"""Stands in for ``app.engine.child`` in fast tests: ``python -m tests.stub_child``. Speaks its frames and knows no model.

What a call gets depends on the last words of its prompt: "slow" is never answered, "refuse" is refused, "die" ends the
process, and all others are answered with two words. After each of these it tells what it has in sight.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict

from app.engine.fake import FAKE_INFO, FAKE_SIGHT
from app.engine.wire import Frame, FrameWriter, read_frames


def main() -> None:
    writer = FrameWriter(sys.stdout.buffer)
    frames = read_frames(sys.stdin.buffer)
    next(frames)  # which model to load
    writer.write({"kind": "ready", "info": asdict(FAKE_INFO)})
    for frame in frames:
        if frame["op"] == "cancel":
            continue
        if frame["op"] == "scores":
            for part, request in enumerate(frame["requests"]):
                scores = [0.0] * len(request["labels"])
                writer.write({"kind": "scores", "id": frame["id"], "part": part, "scores": scores})
        else:
            answer(frame, writer)
        writer.write({"kind": "sight", **asdict(FAKE_SIGHT)})


def answer(frame: Frame, writer: FrameWriter) -> None:
    call, text = frame["id"], frame["prompt"][-1][0]
    if text.endswith("die"):
        os._exit(3)
    if text.endswith("refuse"):
        writer.write({"kind": "refused", "id": call, "sentence": f"Too long: {text}"})
    elif not text.endswith("slow"):
        writer.write({"kind": "prefill", "id": call, "done": 210, "total": 210})
        writer.write({"kind": "piece", "id": call, "text": "confidential answer"})
        end = {"ending": "stop", "prompt": 210, "tokens": 96, "rate": 54.21, "reused": 180}
        writer.write({"kind": "finished", "id": call, **end})


if __name__ == "__main__":
    main()
