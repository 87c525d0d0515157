"""llama.cpp's low-level API as two small objects, Model and Context. Imported by the engine's process alone.

Native calls on freed or foreign objects crash the process, so one thread owns the context; the model's vocabulary is
constant and may be read from any thread.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from app.engine.base import Sampling
from app.engine.sequences import State
from app.errors import ModelFileError
from app.prompts import label_token
from app.records import LABELS, Prompt

GGUF_MAGIC = b"GGUF"
KV_TYPES = (("f16", llama_cpp.GGML_TYPE_F16), ("q8_0", llama_cpp.GGML_TYPE_Q8_0), ("q4_0", llama_cpp.GGML_TYPE_Q4_0))
KV_SIZE = re.compile(r"KV buffer size = +([0-9.]+) MiB")
ERROR_LEVEL = 4  # ggml_log_level: 1 debug, 2 info, 3 warn, 4 error, 5 continuation


class NativeLog:
    """Sends llama.cpp's warnings and errors to stderr, remembers the last errors for the sentence and what it says of the
    keys' and values' size."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=8)
        self.kv_bytes = 0
        self._callback = llama_cpp.llama_log_callback(self._receive)  # kept: a collected callback crashes
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _receive(self, level: int, text: bytes, _user_data: Any) -> None:
        line = text.decode("utf-8", "replace")
        if level >= 3:
            sys.stderr.write(line)
            sys.stderr.flush()
        if level == ERROR_LEVEL:
            self.errors.append(line.strip())
        if size := KV_SIZE.search(line):
            self.kv_bytes += int(float(size[1]) * 2**20)


def load_backends() -> None:
    """Loads the CPU variants of a portable build, which lie in ``site-packages/bin``, where ggml does not look by itself.

    A native build has its one variant linked in and nothing there; the call is then skipped. It must go to the libggml
    that libllama uses: the wheel holds two copies, and ``llama_cpp._ggml`` opens the other.
    """
    folder = Path(llama_cpp.__file__).parents[1] / "bin"
    if not any(folder.glob("libggml-cpu-*.so")):
        return
    libggml = _libggml()
    libggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
    libggml.ggml_backend_load_all_from_path.restype = None
    libggml.ggml_backend_load_all_from_path(str(folder).encode())


def _libggml() -> ctypes.CDLL:
    return ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml.so.0"))


@dataclass(frozen=True)
class Gpu:
    """A device that layers can be put on. ``free`` in bytes, as its driver says."""

    name: str
    free: int


GPU_TYPES = (1, 2)  # ggml_backend_dev_type: 0 CPU, 1 GPU, 2 integrated GPU, 3 accelerator


def gpus() -> list[Gpu]:
    """What this build of llama.cpp can compute on beside the CPU."""
    if not llama_cpp.llama_supports_gpu_offload():
        return []
    ggml = _libggml()
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    ggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    ggml.ggml_backend_dev_description.argtypes = [ctypes.c_void_p]
    ggml.ggml_backend_dev_description.restype = ctypes.c_char_p
    ggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)]
    found = []
    for place in range(ggml.ggml_backend_dev_count()):
        device = ggml.ggml_backend_dev_get(place)
        if ggml.ggml_backend_dev_type(device) in GPU_TYPES:
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            found.append(Gpu(ggml.ggml_backend_dev_description(device).decode("utf-8", "replace"), free.value))
    return found


def check_file(path: Path) -> None:
    """Refuses what is plainly no GGUF before native code sees it.

    Raises:
        ModelFileError: missing, not a file, unreadable, empty or without GGUF's magic number.
    """
    if not path.exists():
        raise ModelFileError(f"The model file {path} does not exist. Give --model the path of a .gguf file.")
    if not path.is_file():
        raise ModelFileError(f"{path} is not a file. Give --model the path of a .gguf file, not of a folder.")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelFileError(f"The model file {path} cannot be read ({error.strerror}). Check its permissions.") from error
    if not magic:
        raise ModelFileError(f"The model file {path} is empty. Copy or download it again.")
    if magic != GGUF_MAGIC:
        raise ModelFileError(
            f"{path} is no GGUF file: it begins with {magic!r}, expected {GGUF_MAGIC!r}. Give --model a .gguf file."
        )


class Model:
    """A loaded GGUF and its vocabulary."""

    def __init__(self, path: Path, *, gpu_layers: int, log: NativeLog) -> None:
        """``gpu_layers`` -1 means all of them.

        Raises:
            ModelFileError: llama.cpp refuses the file; the sentence carries its reason.
        """
        check_file(path)
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        handle = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not handle:
            raise ModelFileError(_load_sentence(path, list(log.errors)))
        self._handle = handle
        self._vocab = llama_cpp.llama_model_get_vocab(handle)
        self.path = path
        self.n_vocab: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.context_train: int = llama_cpp.llama_model_n_ctx_train(handle)
        self.parameters: int = llama_cpp.llama_model_n_params(handle)
        self.layers: int = llama_cpp.llama_model_n_layer(handle)
        self._bos: int = llama_cpp.llama_vocab_bos(self._vocab)
        self._add_bos: bool = bool(llama_cpp.llama_vocab_get_add_bos(self._vocab))
        self.label_tokens = self._label_tokens()

    @property
    def whole_only(self) -> bool:
        """Whether a sequence's state is only valid at its end: recurrent and hybrid models, and sliding windows."""
        native = (llama_cpp.llama_model_is_recurrent, llama_cpp.llama_model_is_hybrid, llama_cpp.llama_model_n_swa)
        return any(bool(ask(self._handle)) for ask in native)

    @property
    def handle(self) -> Any:
        return self._handle

    def close(self) -> None:
        llama_cpp.llama_model_free(self._handle)

    def metadata(self, key: str) -> str:
        """A string of the file's metadata, "" where it has none."""
        buffer = ctypes.create_string_buffer(1 << 18)
        length = llama_cpp.llama_model_meta_val_str(self._handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if length >= 0 else ""

    def quantisation(self) -> str:
        """The file's type as llama.cpp names it, the last word of a description like ``llama ?B Q4_1``."""
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self._handle, buffer, len(buffer))
        return buffer.value.decode().replace(" - ", " ").split(" ", 2)[-1]

    def chat_template(self) -> str:
        template = llama_cpp.llama_model_chat_template(self._handle, None)
        return template.decode("utf-8", "replace") if template else ""

    def special_text(self, token: int) -> str:
        return self.piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    @property
    def bos(self) -> str:
        return self.special_text(self._bos)

    @property
    def eos(self) -> str:
        return self.special_text(llama_cpp.llama_vocab_eos(self._vocab))

    def _label_tokens(self) -> dict[str, int]:
        """Label -> the token that training appended for it; empty for a model that was not trained here."""
        found = {label: self.tokenize(label_token(label), control=True) for label in LABELS}
        return {label: ids[0] for label, ids in found.items() if len(ids) == 1}

    def ends(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Token ids of one segment; special tokens are recognised in control segments alone."""
        raw = text.encode()
        room = len(raw) + 8  # a token a byte and a few of the tokenizer's own is the most there can be
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), ids, room, False, control)
        if count < 0:
            ids = (llama_cpp.llama_token * -count)()
            count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), ids, -count, False, control)
        return list(ids[:count])

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt, segment by segment, with the beginning-of-sequence token where the model wants one."""
        ids = [i for segment in prompt for i in self.tokenize(segment.text, control=segment.control)]
        if self._add_bos and self._bos >= 0 and ids[:1] != [self._bos]:
            ids.insert(0, self._bos)
        return ids

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token; b"" for a control token unless ``special``."""
        buffer = ctypes.create_string_buffer(64)
        count = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, special)
        if count < 0:
            buffer = ctypes.create_string_buffer(-count)
            count = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, special)
        return buffer.raw[:count]


class Batch:
    """Tokens for one llama_decode, in numpy arrays that llama.cpp reads where they are: a stretch is one copy, not a loop."""

    def __init__(self, size: int) -> None:
        self._token = np.zeros(size, np.int32)
        self._position = np.zeros(size, np.int32)
        self._one = np.ones(size, np.int32)
        self._sequence = np.zeros(size, np.int32)
        self._sequences = (self._sequence.ctypes.data + self._sequence.itemsize * np.arange(size)).astype(np.uintp)
        self._output = np.zeros(size, np.int8)
        self.size = size
        self.native = llama_cpp.llama_batch(
            n_tokens=0,
            token=_pointer(self._token, ctypes.c_int32),
            embd=None,
            pos=_pointer(self._position, ctypes.c_int32),
            n_seq_id=_pointer(self._one, ctypes.c_int32),
            seq_id=_pointer(self._sequences, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._output, ctypes.c_int8),
        )

    @property
    def used(self) -> int:
        return int(self.native.n_tokens)

    def clear(self) -> None:
        self.native.n_tokens = 0

    def add(self, tokens: Sequence[int], *, position: int, sequence: int, output: bool) -> int:
        """Appends a stretch of one sequence, its first token at ``position``.

        Returns:
            the last token's index in the batch, where its logits will be if ``output``.
        """
        begin = self.used
        end = begin + len(tokens)
        self._token[begin:end] = tokens
        self._position[begin:end] = np.arange(position, position + len(tokens))
        self._sequence[begin:end] = sequence
        self._output[begin:end] = 0
        self._output[end - 1] = output
        self.native.n_tokens = end
        return end - 1


def _pointer(array: npt.NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))


class Context:
    """The KV store and the one batch that the loop fills. Owned by one thread."""

    def __init__(self, model: Model, *, cells: int, batch: int, sequences: int, threads: int, kv_type: str = "f16") -> None:
        """
        Args:
            cells: tokens of context, for all sequences together.
            batch: tokens of one llama_decode at most.
            kv_type: how keys and values are stored, one of KV_TYPES.

        Raises:
            ModelFileError: no memory for it, or this model cannot have its keys and values quantised.
        """
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = sequences
        # Any sequence may use any cell; with separate stores a partial copy between sequences aborts natively.
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = threads
        # Flash attention stays at llama.cpp's "auto", on wherever the device has it: it passes over others' cells, so that
        # those cost a fifth of what they cost without it, and quantised values need it.
        params.type_k = params.type_v = dict(KV_TYPES)[kv_type]
        handle = llama_cpp.llama_init_from_model(model.handle, params)
        if not handle:
            cure = "Give a smaller --context."
            if kv_type != "f16":
                cure = f"Not every model can have them in {kv_type}: try --kv-type f16, or give a smaller --context."
            raise ModelFileError(f"There is no memory for the keys and values of {cells:,} tokens of {model.path.name}. {cure}")
        self._handle = handle
        self._model = model
        self._silent = list(model.label_tokens.values())  # they are read, never written
        self._memory = llama_cpp.llama_get_memory(handle)
        self.batch = Batch(batch)
        self.cells: int = llama_cpp.llama_n_ctx(handle)

    def set_threads(self, threads: int) -> None:
        """Threads for the next batches. May be changed between any two."""
        llama_cpp.llama_set_n_threads(self._handle, threads, threads)

    def decode(self) -> None:
        """Computes the batch. Raises RuntimeError with llama.cpp's code when it does not."""
        code = llama_cpp.llama_decode(self._handle, self.batch.native)
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code} for a batch of {self.batch.used} tokens")

    def logits(self, index: int) -> npt.NDArray[np.float32]:
        """Shape (vocabulary,), a view that the next decode overwrites."""
        pointer = llama_cpp.llama_get_logits_ith(self._handle, index)
        return np.ctypeslib.as_array(pointer, shape=(self._model.n_vocab,))

    def sample(self, sampler: Sampler, index: int) -> int:
        """Draws a token from the logits at ``index``, which the sampler's penalty changes in place."""
        logits = self.logits(index)
        logits[self._silent] = -np.inf
        sampler.penalise(logits)
        if sampler.greedy:
            token = int(logits.argmax())
        else:
            token = int(llama_cpp.llama_sampler_sample(sampler.handle, self._handle, index))
        sampler.drawn(token)
        return token

    def copy(self, source: int, target: int, length: int) -> None:
        """Lets ``target`` share the first ``length`` cells of ``source``."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def cut(self, sequence: int, length: int) -> None:
        """Frees a sequence's cells behind its first ``length``."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def forget(self, sequence: int) -> None:
        """Frees the cells of a sequence."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def save(self, sequence: int) -> State:
        """A sequence's keys and values (or recurrent state), to be put back by ``restore``."""
        size = llama_cpp.llama_state_seq_get_size(self._handle, sequence)
        state = np.empty(size, np.uint8)
        written = llama_cpp.llama_state_seq_get_data(self._handle, _pointer(state, ctypes.c_uint8), size, sequence)
        return state[:written]

    def restore(self, sequence: int, state: State) -> bool:
        """Fills an empty sequence from a saved state; False when it cannot, and the sequence is then empty."""
        read = llama_cpp.llama_state_seq_set_data(self._handle, _pointer(state, ctypes.c_uint8), state.nbytes, sequence)
        if read == 0:
            self.forget(sequence)
        return bool(read)

    def close(self) -> None:
        llama_cpp.llama_free(self._handle)


class Sampler:
    """One request's way of drawing tokens, with its own random state and repetition window.

    The penalty is llama.cpp's (divide a positive logit, multiply a negative one), on the few tokens that it concerns; the
    library's own link looks each of the vocabulary's up in a hash table, 0.2 ms a token where this takes a fortieth.
    """

    REPEAT_WINDOW = 64  # tokens; llama.cpp's default for the penalty

    def __init__(self, sampling: Sampling) -> None:
        self.greedy = sampling.temperature <= 0
        self._penalty = np.float32(sampling.repeat_penalty)
        self._window: deque[int] = deque(maxlen=self.REPEAT_WINDOW)
        self.handle = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        for link in () if self.greedy else self._links(sampling):
            llama_cpp.llama_sampler_chain_add(self.handle, link)

    def _links(self, sampling: Sampling) -> Sequence[Any]:
        return (
            llama_cpp.llama_sampler_init_top_k(sampling.top_k),
            llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
            llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1),
            llama_cpp.llama_sampler_init_temp(sampling.temperature),
            llama_cpp.llama_sampler_init_dist(sampling.seed),
        )

    def penalise(self, logits: npt.NDArray[np.float32]) -> None:
        if self._penalty == 1 or not self._window:
            return
        recent = list(set(self._window))
        values = logits[recent]
        logits[recent] = np.where(values > 0, values / self._penalty, values * self._penalty)

    def drawn(self, token: int) -> None:
        self._window.append(token)

    def close(self) -> None:
        llama_cpp.llama_sampler_free(self.handle)


def _load_sentence(path: Path, errors: list[str]) -> str:
    """llama.cpp's reason in words, with the cure; its own last line where the reason is none of the usual ones."""
    native = " ".join(errors)
    if "unknown model architecture" in native:
        kind = native.split("unknown model architecture:", 1)[1].split("'")[1] if "'" in native else "?"
        return (
            f"{path.name} holds a model of the architecture '{kind}', which this build of llama.cpp does not know. "
            "Choose another GGUF, or update llama-cpp-python."
        )
    if "not within the file bounds" in native or "failed to read" in native or "unexpectedly reached" in native:
        return f"{path.name} is truncated: the file ends before its tensors do. Copy or download it again."
    if "unable to allocate" in native or "failed to allocate" in native:
        return f"{path.name} does not fit into memory. Give a smaller --context or --gpu-layers, or choose a smaller model."
    reason = next((line for line in errors if "error loading model" in line), errors[0] if errors else "no reason given")
    return f"llama.cpp cannot load {path.name}: {reason}. Copy or download the file again, or choose another GGUF."
