# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which long flags each version of vLLM's server knows: a line a flag, ``name [since|-] [removed in]``.

Without ``since`` the flag is as old as the oldest version read. A deprecated name that is still parsed counts as known.
Read from vLLM's source distributions (Apache-2.0, names only) by ``tools/add_engine_version.py``, which adds versions.
"""

from __future__ import annotations

__all__ = ["FLAGS", "VERSIONS"]

# The versions that were read, oldest first: for all tables.
VERSIONS = """
0.8.5 0.8.5.post1 0.9.0 0.9.0.1 0.9.1 0.9.2 0.10.0 0.10.1 0.10.1.1 0.10.2 0.11.0 0.11.1 0.11.2 0.12.0 0.13.0 0.14.0
0.14.1 0.16.0 0.17.0 0.17.1 0.18.0 0.18.1 0.19.0 0.19.1 0.20.0 0.20.1 0.20.2 0.21.0 0.22.0 0.22.1 0.23.0 0.24.0 0.25.0
0.25.1 0.26.0 0.27.0 0.27.1 0.28.0 0.29.0 0.30.0 0.31.0 0.32.0 0.33.0
"""

FLAGS = """
additional-config
aggregate-engine-logging 0.11.1
all2all-backend 0.11.1
allow-credentials
allow-deprecated-quantization 0.14.0
allowed-headers
allowed-local-media-path
allowed-media-domains 0.11.0
allowed-methods
allowed-origins
anthropic-disabled-thinking-effort 0.31.0
api-key
api-server-count 0.9.1
async-scheduling 0.10.0
attention-backend 0.13.0
attention-config 0.13.0
aux-output-config 0.31.0
block-size
calculate-kv-scales - 0.28.0
chat-template
chat-template-content-format
code-revision
cohere-format 0.27.0
cohere-is-reasoning-model 0.27.0
collect-detailed-traces
compilation-config
config
config-format
convert 0.10.1
cp-kv-cache-interleave-size 0.12.0
cpu-distributed-timeout-seconds 0.22.0
cpu-offload-gb
cpu-offload-params 0.17.0
cuda-graph-sizes 0.9.0 0.13.0
cudagraph-capture-sizes 0.11.1
cudagraph-metrics 0.13.0
custom-histogram-buckets 0.32.0
data-parallel-address 0.9.0
data-parallel-backend 0.9.1
data-parallel-external-lb 0.11.1
data-parallel-hybrid-lb 0.10.0
data-parallel-multi-port-external-lb 0.22.0
data-parallel-rank 0.9.2
data-parallel-rpc-port 0.9.0
data-parallel-size
data-parallel-size-local 0.9.0
data-parallel-start-rank 0.9.0
data-parallel-supervisor-port 0.22.0
dbo-decode-token-threshold 0.11.0
dbo-prefill-token-threshold 0.11.0
dcp-comm-backend 0.18.0
dcp-kv-cache-interleave-size 0.11.1
dcp-q-replicate 0.29.0
decode-context-parallel-size 0.10.2
default-chat-template-kwargs 0.14.0
default-mm-loras 0.10.0
device - 0.10.0
device-ids 0.24.0
device-memory-utilization 0.31.0
diffusion-config 0.24.0
disable-access-log-for-endpoints 0.16.0
disable-async-output-proc - 0.11.0
disable-cascade-attn
disable-chunked-mm-input
disable-custom-all-reduce
disable-fastapi-docs
disable-frontend-multiprocessing - 0.19.0
disable-hybrid-kv-cache-manager 0.9.1
disable-log-requests - 0.17.0
disable-log-stats
disable-mm-preprocessor-cache - 0.13.0
disable-nccl-for-dp-synchronization 0.11.1
disable-sliding-window
disable-uvicorn-access-log
distributed-executor-backend
distributed-timeout-seconds 0.18.0
download-dir
dp-supervisor-probe-failure-threshold 0.22.0
dp-supervisor-probe-interval-s 0.22.0
dp-supervisor-probe-timeout-s 0.22.0
dp-sync-interval 0.30.0
dtype
ec-manager-config 0.28.0
ec-transfer-config 0.11.1
elastic-ep-max-dp-size 0.30.0
enable-auto-tool-choice
enable-batch-sharded-sampling 0.29.0
enable-bf16x3-router-gemm 0.26.0 0.30.0
enable-chunked-prefill
enable-cumem-allocator 0.22.0
enable-dbo 0.11.0
enable-elastic-ep 0.17.0
enable-ep-weight-filter 0.18.0
enable-eplb 0.9.2
enable-expert-parallel
enable-fault-tolerance 0.27.0
enable-flash-late-interaction 0.20.0
enable-flashinfer-autotune 0.16.0
enable-force-include-usage 0.9.2
enable-hc-sp 0.32.0
enable-layerwise-nvtx-tracing 0.13.0
enable-log-deltas 0.14.0
enable-log-outputs 0.10.1
enable-log-requests 0.10.1
enable-logging-iteration-details 0.14.0
enable-lora
enable-lora-bias - 0.11.1
enable-mamba-cache-stochastic-rounding 0.20.0
enable-mamba-fine-grained-prefix-cache 0.30.0 0.31.0
enable-mamba-shared-prefix-checkpoint 0.31.0
enable-mfu-metrics 0.14.0
enable-mixed-moe-lora-format 0.22.0
enable-mm-embeds 0.11.1
enable-moe-shared-loras 0.26.0
enable-multimodal-encoder-data-parallel 0.9.1 0.13.0
enable-nccl-comm-suspend 0.30.0
enable-offline-docs 0.14.0
enable-per-request-metrics 0.25.0
enable-prefix-caching
enable-prompt-adapter - 0.10.2
enable-prompt-embeds 0.9.0
enable-prompt-tokens-details
enable-reasoning - 0.10.0
enable-request-id-headers
enable-return-routed-experts 0.14.0
enable-scale-out 0.30.0
enable-server-load-tracking
enable-shm-tensor-arena 0.32.0
enable-sleep-mode
enable-ssl-refresh
enable-tokenizer-info-endpoint 0.10.0
enable-tower-connector-lora 0.14.0
enable-trace-replay 0.29.0
enforce-eager
engram-config 0.30.0
eplb-config 0.10.2
eplb-log-balancedness 0.9.2 0.12.0
eplb-step-interval 0.9.2 0.12.0
eplb-window-size 0.9.2 0.12.0
exclude-tools-when-tool-choice-none 0.10.1
expand-tools-even-if-tool-choice-none 0.9.2 0.10.0
expert-placement-strategy 0.11.0
fail-on-environ-validation 0.17.0
fault-tolerance-config 0.27.0
fingerprint-mode 0.21.0
fingerprint-value 0.21.0
fully-sharded-loras
gdn-prefill-backend 0.18.0
generation-config
gpu-memory-utilization
grpc 0.18.0
grpc-port 0.32.0
guided-decoding-backend - 0.12.0
guided-decoding-disable-additional-properties 0.9.0 0.12.0
guided-decoding-disable-any-whitespace 0.9.0 0.12.0
guided-decoding-disable-fallback 0.9.0 0.12.0
h11-max-header-count 0.10.1.1
h11-max-incomplete-event-size 0.10.1.1
headless 0.9.0
hf-config-path
hf-overrides
hf-token
host
ignore-patterns
interleave-mm-strings 0.10.0
io-processor-plugin 0.10.2
ir-op-priority 0.20.0
jit-monitor-mode 0.25.0
jit-monitor-verbose 0.24.0
kda-decode-backend 0.30.0
kda-prefill-backend 0.27.0
kernel-config 0.16.0
kv-cache-dtype
kv-cache-dtype-skip-layers 0.19.0
kv-cache-memory-bytes 0.10.2
kv-cache-metrics 0.12.0
kv-cache-metrics-sample 0.12.0
kv-events-config 0.9.0
kv-offloading-backend 0.11.1
kv-offloading-size 0.11.1
kv-sharing-fast-prefill 0.10.1
kv-transfer-config
language-model-only 0.17.0
limit-mm-per-prompt
linear-backend 0.22.0
load-format
log-config-file 0.9.1
log-error-stack 0.10.2
log-level 0.31.0
logging-config 0.31.0
logits-processor-pattern - 0.17.0
logits-processors 0.10.1
logprobs-mode 0.10.0
long-lora-scaling-factors - 0.10.0
long-prefill-token-threshold
long-prefill-token-threshold-adaptive 0.31.0
lora-dtype
lora-extra-vocab-size - 0.12.0
lora-modules
lora-target-modules 0.19.0
mamba-backend 0.20.0
mamba-block-size 0.11.1
mamba-cache-dtype 0.10.1
mamba-cache-mode 0.16.0
mamba-cache-philox-rounds 0.20.0
mamba-ssm-cache-dtype 0.10.1
mamba-ssu-algorithm 0.27.0
master-addr 0.11.1
master-port 0.11.1
max-cpu-loras
max-cudagraph-capture-size 0.11.1
max-log-len
max-logprobs
max-long-partial-prefills - 0.27.0
max-lora-cls-labels 0.31.0
max-lora-rank
max-loras
max-model-len
max-num-active-seqs 0.31.0
max-num-batched-tokens
max-num-partial-prefills - 0.27.0
max-num-queued-reqs 0.29.0
max-num-queued-tokens 0.29.0
max-num-scheduled-tokens 0.26.0
max-num-seqs
max-parallel-loading-workers
max-prompt-adapter-token - 0.10.0
max-prompt-adapters - 0.10.0
max-seq-len-to-capture - 0.11.0
media-io-kwargs 0.9.2
middleware
mm-device-do-normalize 0.28.0
mm-encoder-attn-backend 0.11.1
mm-encoder-attn-dtype 0.21.0
mm-encoder-fp8-scale-path 0.21.0
mm-encoder-fp8-scale-save-margin 0.21.0
mm-encoder-fp8-scale-save-path 0.21.0
mm-encoder-only 0.16.0
mm-encoder-tp-mode 0.10.2
mm-hasher-algorithm 0.27.0
mm-ipc-gpu-memory-gb 0.25.0
mm-processor-cache-gb 0.10.1
mm-processor-cache-type 0.11.0
mm-processor-device 0.28.0
mm-processor-kwargs
mm-shm-cache-max-object-size-mb 0.11.0
mm-tensor-ipc 0.19.0
model
model-class-overrides 0.25.0
model-impl
model-loader-extra-config
moe-backend 0.17.0
monokernel 0.33.0
multi-step-stream-outputs - 0.10.1
nnodes 0.11.1
node-rank 0.11.1
num-gpu-blocks-override
num-lookahead-slots - 0.12.0
num-redundant-experts 0.9.2 0.12.0
num-scheduler-steps - 0.10.1
numa-bind 0.20.0
numa-bind-cpus 0.20.0
numa-bind-nodes 0.20.0
offload-backend 0.17.0
offload-group-size 0.17.0
offload-num-in-group 0.17.0
offload-params 0.17.0
offload-prefetch-step 0.17.0
optimization-level 0.12.0
otlp-traces-endpoint
override-attention-dtype 0.9.2 0.28.0
override-generation-config
override-neuron-config - 0.10.2
override-pooler-config - 0.12.0
per-request-spec-decode-metrics 0.29.0
performance-mode 0.17.0
pipeline-parallel-size
pooler-config 0.11.0
port
preemption-mode - 0.11.0
prefill-context-parallel-size 0.12.0
prefill-schedule-interval 0.24.0
prefix-cache-retention-interval 0.29.0
prefix-caching-hash-algo
prefix-match-unit 0.26.0
profiler-config 0.13.0
prompt-adapters - 0.10.0
pt-load-map-location 0.9.0
qlora-adapter-name-or-path - 0.10.0
quantization
quantization-config 0.22.0
ray-workers-use-nsight
reasoning-config 0.19.0
reasoning-effort-map 0.33.0
reasoning-parser
reasoning-parser-plugin 0.11.1
renderer-num-workers 0.19.0
replayssm-buffer-len 0.27.0
response-role
return-sampling-mask 0.28.0
return-tokens-as-token-ids
revision
root-path
rope-scaling - 0.11.1
rope-theta - 0.11.1
runner 0.10.1
safetensors-load-strategy 0.10.2
safetensors-prefetch-block-size 0.21.0
safetensors-prefetch-num-threads 0.21.0
scheduler-cls
scheduler-delay-factor - 0.11.0
scheduler-reserve-full-isl 0.19.0
scheduling-policy
seed
served-model-name
show-hidden-metrics-for-version
shutdown-timeout 0.18.0
skip-mm-profiling 0.10.1
skip-tokenizer-init
sleep-mode-backend 0.33.0
sleep-mode-offload-cudagraph 0.32.0
sleep-preserve-parameter-names 0.31.0
sparse-indexer-topk-backend 0.30.0
spec-method 0.22.0
spec-model 0.22.0
spec-tokens 0.22.0
specialize-active-lora 0.16.0
speculative-config
sse-keep-alive-interval 0.29.0
ssl-ca-certs
ssl-cert-reqs
ssl-certfile
ssl-ciphers 0.16.0
ssl-keyfile
stream-interval 0.11.1
structured-outputs-config 0.11.0
swa-bounded-replay 0.31.0
swap-space - 0.18.0
task - 0.13.0
tensor-parallel-size
tokenizer
tokenizer-mode
tokenizer-pool-extra-config - 0.10.0
tokenizer-pool-size - 0.10.0
tokenizer-pool-type - 0.10.0
tokenizer-revision
tokens-only 0.11.1
tool-call-parser
tool-parser-plugin
tool-server 0.10.1
tool-strict-level 0.31.0
trust-remote-code
trust-request-chat-template 0.11.0
trust-request-mm-kwargs 0.31.0
ubatch-size 0.14.0
uds 0.10.1
use-fp64-gumbel 0.22.0
use-gpu-for-pooling-score 0.17.0 0.18.0
use-replayssm 0.27.0
use-tqdm-on-load
use-v2-block-manager - 0.10.0
uvicorn-log-level
video-pruning-method 0.27.0
video-pruning-rate 0.11.0
watchdog-config 0.33.0
watermark 0.24.0
watermark-config 0.30.0
weight-transfer-config 0.16.0
worker-cls
worker-extension-cls
"""
