# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values two flags of vLLM's server accept in each version: a line a value, ``name [since|-] [removed in]``.

Platform plug-ins may add values. Written by ``tools/add_engine_version.py`` as ``vllm_flags.py`` is.
"""

from __future__ import annotations

__all__ = ["CHOICES"]

CHOICES = {
    "quantization": """
aqlm - 0.10.1
auto-round 0.9.0 0.16.0
auto_awq 0.24.0
auto_gptq 0.22.0
awq
awq_marlin
bitblas - 0.16.0
bitsandbytes - 0.28.0
compressed-tensors
cpu_awq 0.12.0 0.23.0
cpu_gptq 0.12.0 0.14.0
deepseek_v4_fp8 0.20.0
deepspeedfp - 0.16.0
experts_int8
fbgemm_fp8
fp8
fp8_per_block 0.20.0
fp8_per_channel 0.24.0
fp8_per_tensor 0.20.0
fp_quant 0.11.1
gguf - 0.24.0
gpt_oss_mxfp4 0.20.0
gptq
gptq_bitblas - 0.16.0
gptq_marlin
gptq_marlin_24 - 0.16.0
hqq - 0.16.0
humming 0.20.0
inc 0.10.0
int8_per_channel_weight_only 0.20.0
ipex - 0.16.0
marlin - 0.10.2
modelopt
modelopt_fp4 0.9.0
modelopt_mixed 0.17.0
modelopt_mxfp8 0.16.0
moe_wna16
mxfp4 0.10.1
mxfp8 0.19.0
neuron_quant - 0.10.2
nvfp4 - 0.9.0
nvfp4_per_token 0.26.0
online 0.20.0
petit_nvfp4 0.10.2 0.20.0
ptpc_fp8 - 0.19.0
qqq - 0.10.2
quark
rtn 0.9.2 0.16.0
torchao
tpu_int8 - 0.14.0
""",
    "kv_cache_dtype": """
auto
bfloat16 0.11.0
float16 0.18.0
fp8
fp8_ds_mla 0.11.1
fp8_e4m3
fp8_e5m2
fp8_inc 0.10.0
fp8_per_token_head 0.20.0
int4_per_token_head 0.25.0
int8_per_token_head 0.20.0
nvfp4 0.20.0
nvfp4_4over6 0.28.0
nvfp4_ds_mla 0.30.0
octave_k3v3 0.33.0
octave_k3v3_compact 0.33.0
octave_k3v4 0.33.0
turboquant_3bit_nc 0.20.0
turboquant_4bit_nc 0.20.0
turboquant_k3v4_nc 0.20.0
turboquant_k8v4 0.20.0
ultraquant_4bit 0.32.0
""",
}
