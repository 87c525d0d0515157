"""llama.cpp's file types: which there are, what each may cost in quality, and which tensor types a file really holds.

A file type names a recipe, not a format: a row that is no multiple of a K type's 256 values is written in another type, so a
small model's Q4_K_M may hold hardly a Q4_K tensor. What a file holds is read off the file.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from app.errors import BadInput
from quantize.tensor_table import read_table

MATRIX_CURE = (
    "needs an importance matrix, which is not made here: without one llama.cpp refuses it. Choose Q2_K, Q3_K_S, IQ3_S or "
    "IQ4_XS, or quantise the F16 file with llama.cpp's own llama-quantize --imatrix."
)
REPACKED = "was removed from llama.cpp, which now rearranges Q4_0 as it loads it. Choose Q4_0."
OLD = "was removed from llama.cpp. Choose Q4_K_M."
CLOSE = 0.5  # of difflib's similarity, below which a name is no misspelling


@dataclass(frozen=True)
class FileType:
    """One file type.

    Attributes:
        id: llama.cpp's number, LLAMA_FTYPE_*.
        bits: per weight of a whole file; as llama.cpp's tools/quantize/README.md has them for Llama 3.1 8B, the others by
            their blocks.
        refusal: why it cannot be made here, with the cure, to be read after the name; "" where it can.
    """

    name: str
    id: int
    bits: float
    refusal: str = ""

    @property
    def whole(self) -> bool:
        """A float type: nothing is quantised."""
        return self.name in ("F32", "F16", "BF16")


TYPES = (
    FileType("F32", 0, 32.0),
    FileType("F16", 1, 16.0),
    FileType("BF16", 32, 16.0),
    FileType("Q8_0", 7, 8.5),
    FileType("Q6_K", 18, 6.56),
    FileType("Q5_1", 9, 6.0),
    FileType("Q5_K_M", 17, 5.70),
    FileType("Q5_K_S", 16, 5.57),
    FileType("Q5_0", 8, 5.5),
    FileType("Q4_1", 3, 5.0),
    FileType("Q4_K_M", 15, 4.89),
    FileType("IQ4_NL", 25, 4.68),
    FileType("Q4_K_S", 14, 4.67),
    FileType("Q4_0", 2, 4.6),
    FileType("IQ4_XS", 30, 4.46),
    FileType("MXFP4_MOE", 38, 4.5),  # 4.25 for the experts of a mixture, Q8_0 for the rest; of any other model it makes Q8_0
    FileType("Q3_K_L", 13, 4.30),
    FileType("Q3_K_M", 12, 4.00),
    FileType("IQ3_M", 27, 3.76),
    FileType("IQ3_S", 26, 3.66),
    FileType("Q3_K_S", 11, 3.64),
    FileType("Q2_K", 10, 3.16),
    FileType("TQ2_0", 37, 2.06),  # these two for models that were trained with weights of -1, 0 and 1
    FileType("TQ1_0", 36, 1.69),
    FileType("Q1_0", 40, 1.13),  # for models that were trained with one bit
    FileType("IQ3_XS", 22, 3.50, MATRIX_CURE),
    FileType("IQ3_XXS", 23, 3.25, MATRIX_CURE),
    FileType("Q2_K_S", 21, 2.97, MATRIX_CURE),
    FileType("IQ2_M", 29, 2.93, MATRIX_CURE),
    FileType("IQ2_S", 28, 2.74, MATRIX_CURE),
    FileType("IQ2_XS", 20, 2.59, MATRIX_CURE),
    FileType("IQ2_XXS", 19, 2.38, MATRIX_CURE),
    FileType("IQ1_M", 31, 2.15, MATRIX_CURE),
    FileType("IQ1_S", 24, 2.00, MATRIX_CURE),
    FileType("NVFP4", 39, 4.5, "is known to llama.cpp but not written by it: its weights are trained. Choose Q4_K_M."),
    FileType("Q2_0", 41, 2.25, "cannot be read back by the gguf library, so that nothing could check the file. Choose Q2_K."),
    FileType("Q4_1_SOME_F16", 4, 5.0, OLD),
    FileType("Q4_2", 5, 5.0, OLD),
    FileType("Q4_3", 6, 6.0, OLD),
    FileType("Q4_0_4_4", 33, 4.5, REPACKED),
    FileType("Q4_0_4_8", 34, 4.5, REPACKED),
    FileType("Q4_0_8_8", 35, 4.5, REPACKED),
)


def file_type(name: str) -> FileType:
    """The type of a name, upper or lower case.

    Raises:
        BadInput: llama.cpp knows no such type, or it cannot be made here.
    """
    wanted = name.strip().upper().replace("-", "_")
    found = next((one for one in TYPES if one.name == wanted), None)
    usable = [one.name for one in TYPES if not one.refusal]
    if found is None:
        close = difflib.get_close_matches(wanted, usable, n=1, cutoff=CLOSE)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise BadInput(f"{name!r} is no type that llama.cpp knows. {hint}Those that can be made: {', '.join(usable)}.")
    if found.refusal:
        raise BadInput(f"The type {found.name} {found.refusal}")
    return found


@dataclass(frozen=True)
class Thresholds:
    """What a file of one type must reach beside its parent, F16 (for F16 and F32: the merged model in float32).

    Attributes:
        agreement: least share of the questions on which the parent is decided (``tie``) and both choose the same label.
        label_kl, text_kl: greatest mean Kullback-Leibler divergence from the parent, in nats, of the labels' and of the
            next token's distribution.
        perplexity_ratio: greatest perplexity, as a multiple of the parent's.
    """

    agreement: float
    label_kl: float
    text_kl: float
    perplexity_ratio: float

    @property
    def tie(self) -> float:
        """Nats of preference between two labels that a divergence within ``label_kl`` can turn; a parent that prefers its
        choice by less is undecided, and a change of choice there is no damage.

        Two options at even odds that move apart by d nats have a divergence of d**2 / 8 (to second order).
        """
        return math.sqrt(8 * self.label_kl)


# Least bits per weight -> limits. Agreement: what a user may lose of the labels, set by what each grade is for (Q8_0 as good as
# the parent, Q4_K_M the usual choice). Divergence and perplexity: what llama.cpp publishes for Llama 3 8B (its
# tools/perplexity/README.md, given below as KL and perplexity ratio), with room for small models, which lose more: of
# SmolLM2-135M, de-quantised to F16, 2 to 8 times the KL was measured on 768 tokens of our explanations ("135M" below). Labels
# are few and far apart, so half of the text's divergence is allowed them. Types of three bits made without an importance matrix
# fail on so small a model, and should: IQ3_M had a KL of 1.00 and a perplexity 2.6 times its parent's.
THRESHOLDS = (
    (16.0, Thresholds(0.995, 0.001, 0.002, 1.005)),  # 135M: BF16 0.0002
    (8.0, Thresholds(0.98, 0.01, 0.02, 1.02)),  # Q8_0 0.0014 and 1.001; 135M 0.0053
    (6.5, Thresholds(0.965, 0.025, 0.05, 1.05)),  # Q6_K 0.0057 and 1.005; 135M 0.014
    (5.5, Thresholds(0.945, 0.10, 0.20, 1.25)),  # Q5_K_M 0.011 and 1.010, Q5_0 0.023 and 1.020; 135M 0.093 and 0.114
    (4.8, Thresholds(0.93, 0.15, 0.30, 1.35)),  # Q4_K_M 0.032 and 1.029, Q4_1 0.073 and 1.073; 135M 0.075
    (4.4, Thresholds(0.90, 0.25, 0.50, 1.6)),  # Q4_K_S 0.044 and 1.043, Q4_0 0.074 and 1.078; 135M 0.087, 0.37 and 1.22
    (3.6, Thresholds(0.85, 0.50, 1.0, 2.5)),  # Q3_K_M 0.10 and 1.10, Q3_K_S 0.24 and 1.28; 135M 0.18 and 1.18
    (0.0, Thresholds(0.75, 1.0, 2.0, 6.0)),  # Q2_K 0.46 and 1.57; below it are types of models that were trained for them
)


def thresholds(name: str) -> Thresholds:
    """Raises BadInput as ``file_type`` does."""
    bits = file_type(name).bits
    return next(limits for least, limits in THRESHOLDS if bits >= least)


@dataclass(frozen=True)
class TensorCount:
    """How many tensors are of one type, and their bytes."""

    tensors: int
    bytes: int


def tensor_types(path: Path) -> Mapping[str, TensorCount]:
    """Tensor type -> how many there are, the type with most bytes first.

    Raises:
        BadInput: no file, no GGUF, or one that is not whole.
    """
    counts: dict[str, TensorCount] = {}
    for tensor in read_table(path).tensors:
        known = counts.get(tensor.type, TensorCount(0, 0))
        counts[tensor.type] = TensorCount(known.tensors + 1, known.bytes + tensor.bytes)
    return MappingProxyType(dict(sorted(counts.items(), key=lambda item: -item[1].bytes)))


def sentence(name: str, counts: Mapping[str, TensorCount]) -> str:
    """What a file of the type ``name`` really holds, as "Q4_K_M: really Q5_0 x 132, F32 x 61"."""
    return f"{name}: really {', '.join(f'{kind} x {count.tensors}' for kind, count in counts.items())}"
