"""How much memory it takes to merge a model of 7B's shape: python -m tests.benchmarks.merge_memory --work FOLDER [--layers 32]

Random weights in bfloat16, a random adapter as `finetune.train` writes it, merged onto the de-quantised NF4 weights by
`python -m quantize.merge`. Needs 43 GB of disk for 32 layers. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from app.bases import base_digest
from app.files import digest_of, write_json
from app.records import LABELS

ROOT = Path(__file__).parents[2]
WIDTH, INNER, VOCABULARY, RANK = 4096, 11008, 32000, 16  # Llama 2 7B


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--keep", action="store_true", help="keep the base and the adapter")
    given = parser.parse_args()
    base, adapter, out = given.work / "base", given.work / "adapter", given.work / "merged"
    parameters = write_base(base, given.layers)
    write_adapter(adapter, base, given.layers)
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "quantize.merge", str(adapter), "--out", str(out)], cwd=ROOT, check=True)
    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    written = sum(file.stat().st_size for file in out.glob("*.safetensors"))
    shutil.rmtree(out)
    if not given.keep:
        shutil.rmtree(given.work)
    found = {"parameters": parameters, "peak_gib": peak / 2**30, "seconds": seconds, "written_gb": written / 1e9}
    print(json.dumps(found))
    return 0


def write_base(folder: Path, layers: int) -> int:
    """A base in shards of a layer; the number of its weights."""
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": layers, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": VOCABULARY,
        "tie_word_embeddings": False,
    }  # fmt: skip
    write_json(folder / "config.json", config)
    torch.manual_seed(0)
    noise = (torch.randn(VOCABULARY * WIDTH) * 0.02).bfloat16()
    places: dict[str, str] = {}
    count = 0
    for number, shapes in enumerate(_shards(layers)):
        file = f"model-{number:05}.safetensors"
        save_file(
            {name: noise[: torch.Size(shape).numel()].reshape(shape).clone() for name, shape in shapes.items()}, folder / file
        )
        places |= dict.fromkeys(shapes, file)
        count += sum(torch.Size(shape).numel() for shape in shapes.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    return count


def _shards(layers: int) -> Iterator[dict[str, tuple[int, ...]]]:
    yield {"model.norm.weight": (WIDTH,)}
    yield {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    yield {"lm_head.weight": (VOCABULARY, WIDTH)}
    for layer in range(layers):
        before = f"model.layers.{layer}."
        yield {f"{before}{name}.weight": shape for name, shape in _linear().items()} | {
            f"{before}input_layernorm.weight": (WIDTH,),
            f"{before}post_attention_layernorm.weight": (WIDTH,),
        }


def _linear() -> dict[str, tuple[int, int]]:
    return {f"self_attn.{name}_proj": (WIDTH, WIDTH) for name in "qkvo"} | {
        "mlp.gate_proj": (INNER, WIDTH),
        "mlp.up_proj": (INNER, WIDTH),
        "mlp.down_proj": (WIDTH, INNER),
    }


def write_adapter(folder: Path, base: Path, layers: int) -> None:
    folder.mkdir(parents=True)
    tensors = {"base_model.model.lm_head.token_adapter.trainable_tokens_delta": torch.randn(len(LABELS), WIDTH)}
    for layer in range(layers):
        for name, (out, inner) in _linear().items():
            module = f"base_model.model.model.layers.{layer}.{name}"
            tensors |= {f"{module}.lora_A.weight": torch.randn(RANK, inner), f"{module}.lora_B.weight": torch.randn(out, RANK)}
    save_file(tensors, folder / "adapter_model.safetensors")
    ids = list(range(VOCABULARY, VOCABULARY + len(LABELS)))
    write_json(
        folder / "adapter_config.json",
        {"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "bias": "none", "trainable_token_indices": {"lm_head": ids}},
    )
    run = {
        "kind": "llamacare-training", "version": 1, "adapter": digest_of(folder / "adapter_model.safetensors"), "prompt": "none",
        "base": {"reference": str(base), "revision": "", "digest": base_digest(str(base)), "dtype": "torch.bfloat16"},
        "config": {"quantise": "nf4", "head": {"kind": "rows"}}, "labels": dict(zip(LABELS, ids, strict=True)),
    }  # fmt: skip
    write_json(folder / "run.json", run)


if __name__ == "__main__":
    sys.exit(main())
