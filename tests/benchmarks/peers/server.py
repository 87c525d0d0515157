"""S: ``llama_cpp.server`` over HTTP on this machine. It has one model and a lock as well.

``interrupt_requests`` is switched off: by default a second caller cuts the first one's answer short.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from importlib.metadata import version
from typing import Any

from tests.benchmarks.prompts import REPEAT_PENALTY, Rendered
from tests.benchmarks.scenes import streaming_ops
from tests.benchmarks.worker import Setup, serve

HOST = "127.0.0.1"
# `python -m llama_cpp.server`, which ends with its parent.
LAUNCH = """
import runpy
from tests.benchmarks.worker import die_with_parent
die_with_parent()
runpy.run_module("llama_cpp.server", run_name="__main__", alter_sys=True)
"""
START_SECONDS = 120.0


class Server:
    def __init__(self, setup: Setup) -> None:
        self._port = _free_port()
        flags = {
            "model": setup.model,
            "n_ctx": setup.context,
            "n_threads": setup.threads,
            "n_threads_batch": setup.threads,
            "interrupt_requests": False,
            "host": HOST,
            "port": self._port,
        }
        command = [sys.executable, "-c", LAUNCH]
        for name, value in flags.items():
            command += [f"--{name}", str(value)]
        self._process = subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr)
        self._wait()

    @property
    def facts(self) -> Mapping[str, str]:
        return {"llama-cpp-python": version("llama-cpp-python"), "settings": "interrupt_requests off"}

    @property
    def ops(self) -> Mapping[str, Callable[..., Any]]:
        return streaming_ops(self.write)

    def write(self, prompt: Rendered, tokens: int) -> Generator[str, None, int]:
        # It takes text alone, and reads special tokens in it.
        asked = {
            "prompt": prompt.text,
            "max_tokens": tokens,
            "temperature": 0.0,
            "repeat_penalty": REPEAT_PENALTY,
            "stream": True,
        }
        connection = http.client.HTTPConnection(HOST, self._port)
        written, ending = 0, None
        try:
            connection.request("POST", "/v1/completions", json.dumps(asked), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise RuntimeError(f"HTTP {response.status}: {response.read()[:300]!r}")
            for line in response:
                if not line.startswith(b"data: {"):
                    continue
                choice = json.loads(line[6:])["choices"][0]
                written, ending = written + 1, choice["finish_reason"] or ending
                yield choice["text"]
        finally:
            connection.close()
        return tokens if ending == "length" else written

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection((HOST, self._port), timeout=1.0).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("llama_cpp.server did not start; its reason stands in the workers' log") from None
                time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    serve(Server)
