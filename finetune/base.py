"""A base model, opened and made ready to train: quantised, with label tokens and an adapter. The home of peft and bitsandbytes.

Sources: QLoRA (Dettmers et al. 2023) for NF4 with double quantisation; DESIGN.md, ECI, for the label tokens.
"""

from __future__ import annotations

import io
import json
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers.pre_tokenizers import ByteLevel, Digits
from tokenizers.pre_tokenizers import Sequence as InSequence
from torch import nn

from app.bases import base_digest, base_path
from app.errors import BadInput
from app.gguf_header import read_header
from app.prompts import label_token
from app.records import LABELS
from finetune.config import Lora
from finetune.encode import Encoder

# Pre-tokenizers, by their names in a GGUF, that part every digit from its neighbours (llama.cpp, src/llama-vocab.cpp).
SPLIT_NUMBERS = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva"})


@dataclass(frozen=True)
class Base:
    """An opened base. ``digest``: SHA-256 over its weight files, or of its id and revision where it came from the hub."""

    model: Any
    tokenizer: Any
    reference: str
    digest: str
    dtype: torch.dtype
    device: torch.device


def device_and_dtype(wanted: str) -> tuple[torch.device, torch.dtype]:
    """Where and in what is computed. ``auto`` is bfloat16 where the machine multiplies in it, else float32.

    On a CPU without such instructions bfloat16 is emulated: a training step then takes twenty times as long as in float32.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted != "auto":
        return device, getattr(torch, wanted)
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bfloat16()
    return device, torch.bfloat16 if native else torch.float32


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))


def locate(reference: str, revision: str = "") -> dict[str, Any]:
    """What ``from_pretrained`` is called with for a base: a folder, a GGUF, the embedded model or a hub id.

    Raises:
        BadInput: a path that does not exist or holds no weights that are safe to load.
    """
    path = base_path(reference)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise BadInput(f"The base is {reference!r}, and there is no such file. Give a .gguf file, a folder or a hub id.")
        return {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    if path.is_dir():
        if not (path / "config.json").is_file() or not any(path.glob("*.safetensors")):
            raise BadInput(
                f"The base folder {reference!r} lacks config.json or *.safetensors. Give a folder that save_pretrained wrote; "
                "pickled weights are not loaded."
            )
        return {"pretrained_model_name_or_path": str(path)}
    if reference.startswith((".", "/", "~")) or reference.count("/") > 1:
        raise BadInput(f"The base is {reference!r}, and there is no such folder. Give a .gguf file, a folder or a hub id.")
    return {"pretrained_model_name_or_path": reference, **({"revision": revision} if revision else {})}


def open_tokenizer(where: Mapping[str, Any]) -> Any:
    """Raises BadInput when it cannot be opened."""
    tokenizer = _opened(transformers.AutoTokenizer, where)
    if "gguf_file" in where:
        path = Path(where["pretrained_model_name_or_path"], where["gguf_file"])
        if read_header(path).metadata.get("tokenizer.ggml.pre") in SPLIT_NUMBERS:
            # transformers builds it without this part, and signs such as a half then become other tokens than in llama.cpp.
            parts = [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
            tokenizer.backend_tokenizer.pre_tokenizer = InSequence(parts)
    return tokenizer


def open_config(where: Mapping[str, Any]) -> Any:
    """Raises BadInput when it cannot be opened."""
    return _opened(transformers.AutoConfig, where)


def _opened(kind: Any, where: Mapping[str, Any], **options: Any) -> Any:
    try:
        with _quiet():
            return kind.from_pretrained(**where, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        name = where.get("gguf_file") or where["pretrained_model_name_or_path"]
        reason = " ".join(str(error).split())
        raise BadInput(f"The base {name!r} cannot be opened ({reason:.300}). Check name, files and network.") from error


def open_base(reference: str, *, revision: str = "", quantise: str = "none", dtype: str = "auto") -> Base:
    """The model and its tokenizer, frozen.

    Raises:
        BadInput: it cannot be found or opened.
    """
    where = locate(reference, revision)
    device, compute = device_and_dtype(dtype)
    options: dict[str, Any] = {"dtype": compute, "use_safetensors": True}
    if "gguf_file" not in where and quantise == "nf4":
        options |= {"quantization_config": _nf4(compute), "device_map": {"": device}}
    tokenizer = open_tokenizer(where)
    model = _opened(transformers.AutoModelForCausalLM, where, **options)
    if "gguf_file" in where:
        # Its weights arrive de-quantised; transformers cannot quantise them again on the way.
        model.config.quantization_config = None
        del model.config.quantization_config
        if quantise == "nf4":
            quantise_linear(model, compute)
    model.to(device)
    model.requires_grad_(False)
    return Base(model, tokenizer, reference, base_digest(reference, revision), compute, device)


def _nf4(compute: torch.dtype) -> transformers.BitsAndBytesConfig:
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


def quantise_linear(model: nn.Module, compute: torch.dtype) -> None:
    """Every linear layer but the output layer as NF4 with double quantisation, in place."""
    output = model.get_output_embeddings()  # type: ignore[operator]
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear and layer is not output:
                setattr(parent, name, _linear4bit(layer, compute))


def _linear4bit(layer: nn.Linear, compute: torch.dtype) -> nn.Module:
    small: nn.Module = bitsandbytes.nn.Linear4bit(
        layer.in_features, layer.out_features, layer.bias is not None, compute, compress_statistics=True, quant_type="nf4"
    )
    small.weight = bitsandbytes.nn.Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True)
    small.bias = layer.bias
    small.to(layer.weight.device)  # which quantises
    return small


def keep_trainable(model: nn.Module) -> None:
    """On processors with AVX512-BF16 one forward without gradients makes bitsandbytes repack its layers for a kernel that
    autograd does not know: the adapter would silently stop learning. This forbids the repacking."""
    for layer in model.modules():
        if isinstance(layer, bitsandbytes.nn.Linear4bit):
            layer.support_avx512bf16_for_cpu = False


def add_labels(base: Base, *, init: str, seed: int) -> dict[str, int]:
    """Appends a token a label to tokenizer and model, its output row a copy of the label's own, and returns their ids.

    With tied embeddings the input row is the same row; without, it is never fed.

    Raises:
        BadInput: the tokenizer has no single token for each letter, so there is no row to begin from.
    """
    encoder = Encoder(base.tokenizer, max_tokens=2**30)
    own = encoder.label_ids(LABELS)
    if own is None and init == "label":
        raise BadInput(
            f"{base.reference} has no token of its own for each of {', '.join(LABELS)} after 'Answer:'. Set head.init=mean."
        )
    base.tokenizer.add_tokens([label_token(label) for label in LABELS], special_tokens=True)
    ids = {label: base.tokenizer.convert_tokens_to_ids(label_token(label)) for label in LABELS}
    rows = base.model.get_output_embeddings().weight.shape[0]
    if max(ids.values()) >= rows:
        base.model.resize_token_embeddings(max(ids.values()) + 1, mean_resizing=False)
    base.model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for embeddings in (base.model.get_input_embeddings(), base.model.get_output_embeddings()):
            weight = embeddings.weight
            kept = weight[:rows]
            mean, spread = kept.float().mean(0), kept.float().std()
            for label, place in ids.items():
                if init == "label" and own is not None:
                    weight[place] = weight[own[label]]
                elif init == "mean":
                    weight[place] = mean.to(weight.dtype)
                else:
                    noise = torch.randn(mean.shape, generator=generator).to(weight.device)
                    weight[place] = (noise * spread).to(weight.dtype)
            bias = getattr(embeddings, "bias", None)
            if bias is not None and own is not None:
                bias[list(ids.values())] = bias[[own[label] for label in ids]]
    return ids


def add_adapter(base: Base, lora: Lora, rows: Sequence[int], *, seed: int) -> PeftModel:
    """LoRA on all linear layers, and the label rows trained with it. What is trained is float32, whatever the base is."""
    torch.manual_seed(seed)  # LoRA's A matrices are drawn
    tied = base.model.get_input_embeddings().weight is base.model.get_output_embeddings().weight
    settings = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        # Untied, the input rows of the labels are never read, so only the output layer's are trained.
        trainable_token_indices=(list(rows) if tied else {_output_name(base.model): list(rows)}) if rows else None,
    )
    keep_trainable(base.model)
    with _quiet():
        model = get_peft_model(base.model, settings)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model


def load_adapter(base: Base, folder: Path) -> PeftModel:
    """A trained adapter on its base, whose label tokens are there."""
    keep_trainable(base.model)
    with _quiet():
        return PeftModel.from_pretrained(base.model, str(folder))


def optimiser_for(groups: list[dict[str, Any]], device: torch.device, *, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; on a GPU paged, so that its state moves to ordinary memory when a long row fills the card (QLoRA, section 3)."""
    if device.type == "cuda":
        paged: torch.optim.Optimizer = bitsandbytes.optim.PagedAdamW32bit(groups, weight_decay=weight_decay)
        return paged
    return torch.optim.AdamW(groups, weight_decay=weight_decay)


def _output_name(model: nn.Module) -> str:
    output = model.get_output_embeddings()  # type: ignore[operator]
    return next(str(name) for name, layer in model.named_modules() if layer is output).rpartition(".")[2]


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers' own bars and advice off, and back to what they were."""
    level, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.filterwarnings("ignore", category=FutureWarning)  # of calls between these libraries, which are pinned
            yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()


def trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """What is trained, by name."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def read_run(folder: Path) -> dict[str, Any]:
    """The run.json of a finished training.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder} has no run.json that can be read ({error}). Give the folder that python -m finetune.train wrote."
        ) from error
    if not isinstance(run, dict) or "base" not in run:
        raise BadInput(f"{folder}/run.json is no record of a training. Give the folder that python -m finetune.train wrote.")
    return run
