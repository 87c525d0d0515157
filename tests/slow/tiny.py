"""Small random models and vocabularies of the kinds that must work, made in a second; they know nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import sentencepiece
import torch
import transformers

from finetune.base import locate, open_tokenizer

BANK = Path(__file__).parents[2] / "assets" / "bank"
KINDS = ("tied", "untied", "logit scale", "softcap")
WIDTH = 32
TEMPLATE = (
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def save_model(folder: Path, kind: str) -> Path:
    """A random model of two layers with the embedded model's tokenizer, as ``save_pretrained`` writes it."""
    shape: dict[str, Any] = {
        "vocab_size": 49152,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    config = {
        "tied": lambda: transformers.LlamaConfig(**shape, tie_word_embeddings=True),
        "untied": lambda: transformers.LlamaConfig(**shape, tie_word_embeddings=False),
        "logit scale": lambda: transformers.GraniteConfig(**shape, logits_scaling=4.0, tie_word_embeddings=True),
        "softcap": lambda: transformers.Gemma2Config(**shape, head_dim=16, final_logit_softcapping=5.0, sliding_window=64),
    }[kind]()
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    open_tokenizer(locate("embedded")).save_pretrained(folder)
    return folder


def save_sentencepiece_gguf(path: Path) -> Path:
    """A GGUF of one random layer whose vocabulary is a SentencePiece one, learnt from our own questions."""
    rows = [json.loads(line) for file in sorted(BANK.glob("*.jsonl")) for line in file.read_text().splitlines()]
    texts = [text for row in rows for text in (row["stem"], *row["options"].values(), *row["explanations"].values())]
    texts += [f"Answer: {label}" for label in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "yes", "no", "maybe"]] * 200
    learnt = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=learnt,
        vocab_size=1500,
        model_type="bpe",
        byte_fallback=True,
        control_symbols=["<|im_start|>", "<|im_end|>"],
        pad_id=-1,
        unk_id=0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        max_sentence_length=100_000,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=learnt.getvalue())
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, pieces)
    _fill(writer, pieces.get_piece_size())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, pieces: sentencepiece.SentencePieceProcessor) -> None:
    count = pieces.get_piece_size()
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // 4)
    writer.add_file_type(0)
    writer.add_vocab_size(count)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([pieces.id_to_piece(i).encode() for i in range(count)])
    writer.add_token_scores([pieces.get_score(i) for i in range(count)])
    writer.add_token_types([_type(pieces, i) for i in range(count)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(TEMPLATE)


def _type(pieces: sentencepiece.SentencePieceProcessor, token: int) -> int:
    if pieces.is_unknown(token):
        return int(gguf.TokenType.UNKNOWN)
    if pieces.is_control(token):
        return int(gguf.TokenType.CONTROL)
    return int(gguf.TokenType.BYTE if pieces.is_byte(token) else gguf.TokenType.NORMAL)


def _fill(writer: gguf.GGUFWriter, count: int) -> None:
    drawn = np.random.default_rng(0)
    shapes = {"token_embd": (count, WIDTH), "output": (count, WIDTH)}
    shapes |= {f"blk.0.attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{name}": (2 * WIDTH, WIDTH) for name in ("gate", "up")} | {"blk.0.ffn_down": (WIDTH, 2 * WIDTH)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", (drawn.standard_normal(shape) * 0.05).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
