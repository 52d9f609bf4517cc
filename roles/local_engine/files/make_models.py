# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the tiny models: ``make_models.py FOLDER``, run by the Python of the engine's environment.

``tiny`` is a random Llama with a tokenizer trained on the spot: real weights, real vLLM, no hub, no licence.
``tiny-broken`` has heads of 16 dimensions, which vLLM's CPU attention cannot compute: the server starts, ``/health``
says 200, and the first completion kills the engine; it is what functional probes are for. ``vllm-cache`` is what vLLM
finds out about the architecture in a process of its own at each start (some 10 s), found out once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

TEXT = (
    "the quick brown fox jumps over the lazy dog",
    "a model server answers questions about the planet that we live on",
    "0123456789 .,:;!?()[]{}",
)
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
HEADS = 4
HEAD_SIZES = {"tiny": 32, "tiny-broken": 16}


def make_model(folder: Path, head_size: int) -> None:
    """Write tokenizer and weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>", "<pad>"]
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([line for line in TEXT for _rest in range(50)], trainer)
    names = dict(zip(("bos_token", "eos_token", "pad_token"), special))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=head_size * HEADS,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def make_cache(folder: Path) -> None:
    """Let vLLM look at the architecture once and keep what it finds."""
    code = (
        "from vllm.model_executor.models.registry import ModelRegistry\n"
        "ModelRegistry.models['LlamaForCausalLM'].inspect_model_cls()\n"
    )
    settings = {"VLLM_CACHE_ROOT": str(folder), "VLLM_TARGET_DEVICE": "cpu", "VLLM_NO_USAGE_STATS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **settings})
    if not list(folder.glob("modelinfos/*.json")):
        raise SystemExit(f"vLLM has left nothing in {folder}/modelinfos")


def make(folder: Path) -> None:
    """Make all of it beside ``folder`` and rename it when it is whole."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, head_size in HEAD_SIZES.items():
        print(f"making {name}", flush=True)
        make_model(partial / name, head_size)
    print("asking vLLM about the architecture", flush=True)
    make_cache(partial / "vllm-cache")
    subprocess.run(["chmod", "-R", "a+rX", str(partial)], check=True)
    (partial / ".complete").touch()
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    print("ready", flush=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
