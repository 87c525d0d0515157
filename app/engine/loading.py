"""From a file to a model that is proven to compute: where its layers go, how many threads it gets, what is said of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np

from app.engine.base import ModelInfo
from app.engine.digests import file_digest
from app.engine.head import read_head
from app.engine.llama import Context, Gpu, Model, NativeLog, gpus, load_backends
from app.engine.threads import Governor, candidates, choose_decode_threads, remember, remembered, usable_cores
from app.engine.wire import Frame
from app.errors import ModelFileError

PROOF = "The heart has four chambers"
PROOF_TOKENS = 4
MEASURED_STEPS = 4  # single tokens a number of threads
ALL_LAYERS = 999
GPU_SHARE = 0.95  # of what the driver calls free, for weights; the rest is for keys, values and buffers


@dataclass(frozen=True)
class Loaded:
    """A model ready to work."""

    model: Model
    context: Context
    info: ModelInfo
    governor: Governor
    on_gpu: bool  # in part or whole
    log: NativeLog  # llama.cpp calls it for as long as it lives: collected, it crashes


def load(config: Frame, *, batch: int, sequences: int) -> Loaded:
    """The model that the application asked for.

    Raises:
        ModelFileError: the file cannot be used; the sentence says why.
    """
    log = NativeLog()
    llama_cpp.llama_backend_init()
    load_backends()
    path = Path(config["path"])
    cores = config["threads"] or usable_cores()
    devices = gpus()
    model, context, layers = _placed(config, path, log, devices, batch=batch, sequences=sequences, threads=cores)
    governor = _governor(model, context, config, cores)
    given_up = bool(config.get("gpu_given_up"))
    notice = ""
    if llama_cpp.llama_supports_gpu_offload() and (config["gpu_layers"] or given_up):
        notice = placement_notice(layers, model.layers, wanted=config["gpu_layers"], devices=devices, given_up=given_up)
    info = _describe(model, context, config, device=_device(layers, model.layers, devices, cores), notice=notice)
    return Loaded(model, context, info, governor, layers > 0, log)


def _placed(
    config: Frame, path: Path, log: NativeLog, devices: Sequence[Gpu], *, batch: int, sequences: int, threads: int
) -> tuple[Model, Context, int]:
    """The model with as many layers on the GPU as it takes, and their number; tried, since only a trial shows what fits."""
    size = path.stat().st_size if path.is_file() else 0
    attempts = list(layer_attempts(config["gpu_layers"], size=size, free=sum(device.free for device in devices)))
    for layers in attempts:
        model = context = None
        log.errors.clear()
        log.kv_bytes = 0
        try:
            model = Model(path, gpu_layers=layers, log=log)
            cells = min(config["context"], model.context_train) or config["context"]
            context = Context(
                model, cells=cells, batch=batch, sequences=sequences, threads=threads, kv_type=config.get("kv_type", "f16")
            )
            _prove(model, context)
            return model, context, min(layers, model.layers + 1)
        except (ModelFileError, RuntimeError):
            if layers == attempts[-1]:
                raise
            for one in (context, model):
                if one is not None:
                    one.close()
    raise AssertionError("there is always an attempt")


def layer_attempts(wanted: int, *, size: int, free: int) -> Iterator[int]:
    """Numbers of layers to try on the GPU, most first, ending in 0.

    Args:
        wanted: as the user gave it; -1 all.
        size: the file's, in bytes.
        free: bytes on the devices, 0 where there is none.
    """
    if free and wanted:
        yielded = ALL_LAYERS if wanted < 0 else wanted
        share = min(1.0, GPU_SHARE * free / size) if size else 1.0
        if share == 1.0:
            yield yielded
        # The number of layers is in the file alone, and no model has more than some 130: three quarters at a time finds it.
        layers = min(yielded, 128)
        while layers >= 1:
            if layers <= 128 * share and layers != yielded:
                yield layers
            layers = layers * 3 // 4
    yield 0


def placement_notice(layers: int, of: int, *, wanted: int, devices: Sequence[Gpu], given_up: bool) -> str:
    """What the user should know of where a model of ``of`` layers computes, "" where it is as asked for."""
    if given_up:
        return "The model's process crashed twice while loading with the GPU, so it runs on the CPU. Try a smaller --context."
    if not devices:
        return "This build can use a GPU but finds none: the model runs on the CPU. Check the driver with nvidia-smi."
    names = ", ".join(device.name for device in devices)
    free = sum(device.free for device in devices) / 1e9
    if layers == 0:
        return f"The model does not fit on {names} ({free:.1f} GB free): it runs on the CPU. Choose a smaller one or --context."
    if layers <= of and (wanted < 0 or layers < wanted):
        return f"{layers} of {of} layers fit on {names} ({free:.1f} GB were free); the others run on the CPU, more slowly."
    return ""


def _device(layers: int, of: int, devices: Sequence[Gpu], threads: int) -> str:
    cpu = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    if not layers or not devices:
        return cpu
    return devices[0].name if layers > of else f"{devices[0].name} ({layers} of {of} layers) and {cpu}"


def _prove(model: Model, context: Context) -> None:
    """Decodes a few tokens: a native library built for another CPU crashes here, where the page can say so.

    Raises:
        ModelFileError: the logits are not finite.
        RuntimeError: nothing was computed.
    """
    index = _decode(context, model.tokenize(PROOF, control=False)[:PROOF_TOKENS])
    finite = bool(np.isfinite(context.logits(index)).all())
    context.forget(0)
    if not finite:
        raise ModelFileError(
            f"{model.path.name} computes no finite numbers on this machine: the file is damaged or llama.cpp was built "
            "wrongly. Download the file again; if that does not help, run `make clean run` to build llama.cpp anew."
        )


def _decode(context: Context, tokens: list[int], *, first: int = 0) -> int:
    """One batch of sequence 0; returns the index of the last token's logits."""
    context.batch.clear()
    index = context.batch.add(tokens, position=first, sequence=0, output=True)
    context.decode()
    context.batch.clear()
    return index


def _governor(model: Model, context: Context, config: Frame, cores: int) -> Governor:
    """With what an earlier start measured for this machine, model and build, or with a measurement of now."""
    if config["threads"]:
        return Governor((cores,), dict.fromkeys(("single", "few", "prompt"), cores), time.monotonic)
    cache = Path(config["thread_cache"]) if config.get("thread_cache") else None
    numbers, key = candidates(cores), _key(model, cores)
    first = remembered(cache, key, numbers)
    if first is None:
        decode = choose_decode_threads(cores, lambda threads: _step_seconds(model, context, threads))
        first = {"single": decode, "few": decode, "prompt": cores}
        remember(cache, key, first)
    return Governor(numbers, first, time.monotonic)


def _key(model: Model, cores: int) -> str:
    """Names this machine, model and build."""
    build = llama_cpp.llama_print_system_info().decode("utf-8", "replace")
    try:
        processor = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = ""
    facts = (processor, str(cores), model.path.name, str(model.path.stat().st_size), llama_cpp.__version__, build)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _step_seconds(model: Model, context: Context, threads: int) -> float:
    token = model.tokenize(PROOF, control=False)[:1]
    context.set_threads(threads)
    _decode(context, token)  # the first step wakes the threads
    begun = time.monotonic()
    for position in range(1, MEASURED_STEPS + 1):
        _decode(context, token, first=position)
    context.forget(0)
    return (time.monotonic() - begun) / MEASURED_STEPS


def _describe(model: Model, context: Context, config: Frame, *, device: str, notice: str) -> ModelInfo:
    head, doubt = read_head(model)
    return ModelInfo(
        name=config["name"] or model.metadata("general.name") or model.path.stem,
        file=model.path.name,
        size=model.path.stat().st_size,
        parameters=model.parameters,
        quantisation=model.quantisation(),
        device=device,
        context=context.cells,
        licence=config["licence"] or model.metadata("general.license") or "licence not stated",
        demo=config["demo"],
        chat_template=model.chat_template(),
        bos=model.bos,
        eos=model.eos,
        eci=head,
        digest=file_digest(model.path, Path(config["digest_cache"]) if config.get("digest_cache") else None),
        notice=" ".join(part for part in (notice, doubt) if part),
    )
