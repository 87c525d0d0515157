"""Base plus adapter plus label rows -> one folder of float32 weights: python -m quantize.merge ADAPTER --out FOLDER

One tensor at a time, written shard by shard, so that the memory needed is a shard's and not the model's. Everything is
computed and written in float32: rounded to bfloat16, half of a small update is lost.

An adapter belongs to the weights that it was trained on. Trained on NF4 (QLoRA, Dettmers et al. 2023), it may go onto those,
de-quantised, or onto the ones that were quantised; `quantize.verify` measures which of the two answers as the trained model.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from app.bases import base_digest
from app.errors import BadInput, LlamaCareError
from app.files import sync, write_json
from quantize.adapter import ECI_FILE, MERGED_KIND, MERGED_VERSION, RUN_FILE, Adapter, Onto, choices, read_adapter
from quantize.terminal import INTERRUPTED, bar, say
from quantize.weights import INDEX, Weights, locate, open_weights

SHARD_BYTES = 1 << 30
FLOAT32 = 4  # bytes
EMBEDDING, OUTPUT = "embed_tokens.weight", "lm_head.weight"
# What the training wrote of the tokenizer, by the names that transformers gives.
TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "vocab.json",
    "merges.txt", "chat_template.jinja",
)  # fmt: skip
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Merged:
    """A merged folder. ``peak`` is this process's resident memory at its highest, in bytes, ``seconds`` the merge's."""

    folder: Path
    onto: Onto
    bytes: int
    tensors: int
    seconds: float
    peak: int


def merge(
    adapter: Adapter,
    out: Path,
    onto: Onto,
    *,
    base: Path | None = None,
    shard_bytes: int = SHARD_BYTES,
    tell: Tell = lambda *_: None,
) -> Merged:
    """Writes the merged model into ``out``, whole or not at all. ``tell`` gets bytes done and of all.

    Raises:
        BadInput: the base is another than the trained one, or adapter and base do not fit together.
    """
    begun = time.monotonic()
    where = base or locate(adapter.reference, str(adapter.run["base"].get("revision") or ""))
    check_base(adapter, base)
    weights = open_weights(where)
    plan = MergePlan.of(adapter, weights)
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        total = _write(plan, weights, aside, onto, shard_bytes=shard_bytes, tell=tell)
        _write_beside(plan, weights, aside, onto)
        shutil.rmtree(out, ignore_errors=True)
        aside.replace(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Merged(out, onto, total, len(plan.shapes), time.monotonic() - begun, peak)


def check_base(adapter: Adapter, base: Path | None = None) -> None:
    """Raises BadInput where what lies at the base's place is not what the adapter was trained on."""
    if base is not None and adapter.reference.count("/") == 1 and not Path(adapter.reference).exists():
        raise BadInput(
            f"{adapter.folder} was trained on {adapter.reference} of the hub, and no file of it was noted that {base} could be "
            "checked by. Leave --base out: it is then fetched, or found in the hub's cache."
        )
    found = base_digest(str(base) if base else adapter.reference, str(adapter.run["base"].get("revision") or ""))
    wanted = str(adapter.run["base"]["digest"])
    if found != wanted:
        raise BadInput(
            f"{adapter.folder} was trained on {adapter.reference} with digest {wanted[:12]}, and "
            f"{base or adapter.reference} has {found[:12]}. Restore that base, or name its place with --base: the adapter fits "
            "no other."
        )


@dataclass(frozen=True)
class MergePlan:
    """Which tensor gets what. ``pairs``: tensor -> module; ``rows``: tensor -> (module, token ids); ``shapes`` of the result."""

    adapter: Adapter
    shapes: Mapping[str, tuple[int, ...]]
    pairs: Mapping[str, str]
    rows: Mapping[str, tuple[str, tuple[int, ...]]]
    vocabulary: int

    @classmethod
    def of(cls, adapter: Adapter, weights: Weights) -> MergePlan:
        """Raises BadInput where a tensor of the adapter has no counterpart in the base, or one of another shape."""
        shapes = dict(weights.shapes)
        pairs: dict[str, str] = {}
        for module in adapter.pairs:
            name = f"{module}.weight"
            a, b = (factor.shape for factor in adapter.factors(module))
            expected = (b[0], a[1])
            if shapes.get(name) != expected:
                raise BadInput(
                    f"The adapter changes {name} of shape {expected}, and the base has {shapes.get(name, 'no such tensor')}. "
                    "Give the base that it was trained on."
                )
            pairs[name] = module
        rows = _rows(adapter, weights, shapes)
        vocabulary = next((shape[0] for name, shape in shapes.items() if name.endswith(EMBEDDING)), 0)
        return cls(adapter, shapes, pairs, rows, vocabulary)

    @property
    def bytes(self) -> int:
        return sum(FLOAT32 * torch.Size(shape).numel() for shape in self.shapes.values())


def _rows(adapter: Adapter, weights: Weights, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Where trained rows go. Appended tokens make the embeddings longer, and the output layer with them."""
    rows: dict[str, tuple[str, tuple[int, ...]]] = {}
    for module, ids in adapter.rows.items():
        name = f"{module}.weight"
        width = adapter.trained_rows(module).shape[1]
        if name not in shapes or shapes[name][1:] != (width,):
            raise BadInput(
                f"The adapter has trained rows of width {width} for {name}, and the base has "
                f"{shapes.get(name, 'no such tensor')}. Give the base that it was trained on."
            )
        rows[name] = (module, ids)
    last = max((max(ids) for ids in adapter.rows.values()), default=-1) + 1
    if last > 0 and (bias := next((name for name in shapes if name.endswith("lm_head.bias")), None)):
        raise BadInput(f"The base has {bias}, whose values for the labels the adapter does not hold. Choose a base without it.")
    for name, shape in shapes.items():
        if name.endswith((EMBEDDING, OUTPUT)) and shape[0] < last:
            shapes[name] = (last, *shape[1:])
    if short := next((name for name in rows if shapes[name][0] < last), None):
        raise BadInput(f"The labels need {last} rows of {short}, which has {shapes[short][0]} and cannot be lengthened.")
    return rows


def _write(plan: MergePlan, weights: Weights, folder: Path, onto: Onto, *, shard_bytes: int, tell: Tell) -> int:
    shards = list(_shards(plan.shapes, shard_bytes))
    total, done = plan.bytes, 0
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        held: dict[str, torch.Tensor] = {}
        for name in names:
            held[name] = merged_tensor(plan, weights, name, onto)
            done += held[name].nbytes
            tell(done, total)
        save_file(held, folder / file, metadata={"format": "pt"})
        sync(folder / file)
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})
    return total


def _shards(shapes: Mapping[str, tuple[int, ...]], limit: int) -> Iterator[list[str]]:
    """Tensors in their order, as many a shard as stay under ``limit`` bytes, at least one."""
    shard: list[str] = []
    size = 0
    for name, shape in shapes.items():
        more = FLOAT32 * torch.Size(shape).numel()
        if shard and size + more > limit:
            yield shard
            shard, size = [], 0
        shard.append(name)
        size += more
    if shard:
        yield shard


def merged_tensor(plan: MergePlan, weights: Weights, name: str, onto: Onto) -> torch.Tensor:
    """Float32, of the shape in ``plan.shapes``.

    Raises:
        BadInput: the base holds a value there that is not finite.
    """
    stored = weights.tensor(name)
    module = plan.pairs.get(name)
    if module is not None and onto is Onto.DEQUANTISED:
        stored = dequantised(stored, plan.adapter.dtype)
    value = stored.float()
    if not bool(torch.isfinite(value).all()):
        raise BadInput(f"The base holds a value that is not finite in {name}. Fetch the base again.")
    if module is not None:
        a, b = (torch.from_numpy(factor) for factor in plan.adapter.factors(module))
        value = torch.addmm(value, b, a, alpha=plan.adapter.scale)
    if missing := sum(plan.shapes[name][:1]) - sum(value.shape[:1]):
        # Rows of labels that are read at the output layer alone are never fed; a mean row is as good as any there.
        value = torch.cat([value, value.mean(0, keepdim=True).expand(missing, -1)])
    if name in plan.rows:
        module, ids = plan.rows[name]
        value = value.index_copy(0, torch.tensor(ids), torch.from_numpy(plan.adapter.trained_rows(module)))
    return value.contiguous().clone() if value.data_ptr() == stored.data_ptr() else value.contiguous()


def dequantised(weight: torch.Tensor, dtype: str) -> torch.Tensor:
    """The weight as the training's NF4 layers gave it to each product: rounded to ``dtype``, quantised, brought back."""
    from bitsandbytes import functional  # noqa: PLC0415  # it takes a second to load, and only 4-bit bases need it

    seen = weight.to(getattr(torch, dtype)).contiguous()
    packed, state = functional.quantize_4bit(seen, quant_type="nf4", compress_statistics=True)
    back: torch.Tensor = functional.dequantize_4bit(packed, state)
    return back.float()


def _write_beside(plan: MergePlan, weights: Weights, folder: Path, onto: Onto) -> None:
    adapter = plan.adapter
    config = weights.config
    config.pop("quantization_config", None)
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        if "vocab_size" in part and plan.vocabulary:
            part["vocab_size"] = plan.vocabulary
        for key in ("torch_dtype", "dtype"):
            if key in part:
                part[key] = "float32"
    write_json(folder / "config.json", config)
    weights.copy_beside(folder)
    for name in (*TOKENIZER, ECI_FILE):
        if (adapter.folder / name).is_file():
            shutil.copyfile(adapter.folder / name, folder / name)
    about = {
        "kind": MERGED_KIND,
        "version": MERGED_VERSION,
        "adapter": adapter.run["adapter"],
        "onto": str(onto),
        "labels": adapter.labels,
        "base": dict(adapter.run["base"]),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "safetensors", "transformers")},
    }
    write_json(folder / RUN_FILE, about)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quantize.merge", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("adapter", type=Path, metavar="ADAPTER", help="the folder that python -m finetune.train wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write")
    parser.add_argument("--onto", choices=list(Onto), help="which weights; without it, those that the adapter was trained on")
    parser.add_argument("--base", type=Path, metavar="PATH", help="where the base lies now, if not where the training found it")
    parser.add_argument("--shard", type=int, default=SHARD_BYTES, metavar="BYTES", help="of one file of weights at most")
    given = parser.parse_args(arguments)
    try:
        adapter = read_adapter(given.adapter)
        onto = Onto(given.onto) if given.onto else choices(adapter)[0]
        with bar(f"merging onto the {onto} weights", "B") as tell:
            merged = merge(adapter, given.out, onto, base=given.base, shard_bytes=given.shard, tell=tell)
    except LlamaCareError as error:
        say(error.sentence)
        return 2
    except OSError as error:
        say(f"{error.filename or given.out} cannot be written ({error.strerror}). Make room, or choose another --out.")
        return 2
    except KeyboardInterrupt:
        say(f"Stopped. {given.out} was not written.")
        return INTERRUPTED
    say(
        f"{merged.folder}: {merged.tensors} tensors, {merged.bytes / 1e6:,.0f} MB in float32, {merged.seconds:.0f} s, "
        f"peak memory {merged.peak / 1e6:,.0f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
