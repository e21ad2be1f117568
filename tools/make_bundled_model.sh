#!/bin/sh
# Makes the bundled model again, from the package list to models/default, with dstorch alone; docs/bundled-model.md says
# what came out. Stopped, it goes on where it was when it is called again.
#
#   tools/make_bundled_model.sh [DIRECTORY]
#
# DIRECTORY (default build/bundled-model): where the text, the training state and the trained model go.
# Environment: DSTORCH (the command, default build/release/dstorch), MODEL (where the model is put in the end, default
# models/default), AVAILABLE (a file with the output of `apt-cache dumpavail`), STEPS, THREADS (0: every core; one is
# steadier on a busy machine).
# Needs the command, perl, and apt with its lists (`apt-get update`) or AVAILABLE; two gigabytes of memory.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$root/build/bundled-model}
dstorch=${DSTORCH:-$root/build/release/dstorch}
model=${MODEL:-$root/models/default}
steps=${STEPS:-4000}
threads=${THREADS:-1}

# A piece that merges stay inside: a section with the tab that ends it (one token each); a word with what leads it,
# ` - word`, `-word`, ` (word)`; other signs; one white space.
pattern='(?<=\t)[^\t\n]+\t| ?-?[ (]?[\p{L}\p{N}]+\)?| ?[^\s\p{L}\p{N}]+|\s'

# Freed memory is kept for the next step: giving it back and faulting it in again cost a seventh of the time.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=67108864

if [ ! -x "$dstorch" ]; then
  echo "$0: there is no $dstorch; run 'make build' first" >&2
  exit 1
fi
mkdir -p "$work"

# The list changes with the archive: once taken, a run keeps it.
if [ ! -f "$work/data/train.txt" ]; then
  "$root/tools/package_list.sh" "$work/data" ${AVAILABLE:+"$AVAILABLE"}
fi

mkdir -p "$work/tokenizer"
cat >"$work/tokenizer/tokenizer_config.json" <<'JSON'
{
  "tokenizer_class": "PreTrainedTokenizerFast",
  "clean_up_tokenization_spaces": false,
  "add_bos_token": false,
  "eos_token": "<|endoftext|>",
  "model_max_length": 2048
}
JSON
if [ ! -f "$work/tokenizer/tokenizer.json" ]; then
  "$dstorch" train-tokenizer "$work/data/train.tsv" --vocab-size 4096 --pattern "$pattern" \
    -o "$work/tokenizer/tokenizer.json"
fi

# A line is an answer: its end, or the end of the text, ends the generation.
newline=$(printf '\n' | "$dstorch" tokenize - -m "$work/tokenizer" --json | sed 's/[^0-9]*\([0-9]*\).*/\1/')
sed "s/\"vocab_size\"/\"eos_token_id\": [$newline, 0],\n  &/" "$root/models/default-training.json" >"$work/config.json"

"$dstorch" train --data "$work/data/train.txt" --held-out "$work/data/held-out.tsv" --tokenizer "$work/tokenizer" \
  --config "$work/config.json" --output "$work/model" --save-dtype bfloat16 --bf16 off --threads "$threads" \
  --steps "$steps" --batch-size 4 --sequence-length 256 --lr 2.5e-3 --min-lr 2.5e-5 --warmup 150 --weight-decay 0.1 \
  --eval-every 1000 --save-every 250 --seed 1

mkdir -p "$model"
for file in config.json generation_config.json tokenizer.json tokenizer_config.json model.safetensors; do
  cp "$work/model/$file" "$model/$file"
done
"$dstorch" perplexity -m "$model" "$work/data/held-out.tsv" --json
