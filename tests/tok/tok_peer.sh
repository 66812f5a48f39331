#!/bin/sh
# Compare our tokenizer with llama.cpp's (Debian sid's, in a chroot), and where there is a nearer reference with that one, and print the
# tables. Run by hand; needs root for the chroot, and python3-sentencepiece for the tables of unigram.
#
#   tok_peer.sh BUILD_DIR [--cases N] [--classes] [--vectors]
#
# --classes: all code points under each rule of cutting; --vectors: make the vectors of the unit tests anew
#
# KEEP_SHARED  holds tools/peer-root.sh and tools/make-random-gguf.py; KEEP_LAB (default /var/tmp/keep-lab) holds sid-root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,10p' "$0" >&2; exit 2; }
build=$1; tool=$1/tests/unit/runtime/tok_tool; shift
KEEP_LAB=${KEEP_LAB:-/var/tmp/keep-lab}; root=$KEEP_LAB/sid-root
if [ -z "${KEEP_SHARED:-}" ] || [ ! -d "$root" ]; then echo "skipped: needs KEEP_SHARED and the peer in $root"; exit 77; fi
data=$KEEP_LAB/data/tok; mkdir -p "$data"
rules="llama3 gpt-2 default dbrx qwen2 qwen35 tekken gpt-4o starcoder deepseek-v3 falcon deepseek-llm deepseek-coder poro-chat viking laguna kimi-k2 seed-coder ufakzeka minicpm5 exaone-moe jais-2 youtu granite-embed-multi-97m" # one name of each
own="spm-small spm-crossing spm-words spm-noprefix spm-ends spm-ends-later bpe-small bpe-gemma4"
for p in $(python3 "$here/vocab.py" pres); do own="$own bpe-$p"; done
bpes= probes=
for p in $rules; do bpes="$bpes bpe-$p"; probes="$probes probe-$p"; done
own="$own$probes"
for n in $own; do python3 "$here/vocab.py" make "$n" "$data/$n.gguf"; done
random=
for m in tiny-llama tiny-llama3; do
    for v in 1024 1500; do
        [ $m.$v = tiny-llama3.1024 ] && v=1200
        for seed in 1 2; do
            n=$m-$v-$seed; random="$random $n"
            /usr/bin/python3 "$KEEP_SHARED/tools/make-random-gguf.py" $m "$data/$n.gguf" --seed $seed --vocab $v
        done
    done
done
for n in $own $random; do python3 "$here/vocab.py" "$data/$n.gguf" "$data/$n.vocab"; done
run() { python3 "$here/peer.py" "$tool" "$root" "$KEEP_SHARED/tools/peer-root.sh" "$data" "$@"; }
case " $* " in
*" --classes "*) run $probes --classes ;;
*" --vectors "*)
    vectors=$here/../vectors/tok
    run spm-words spm-crossing bpe-gemma4 $bpes --cases 150 --seed 7 --write "$vectors"
    /usr/bin/python3 "$here/pieces.py" "$build" --cases 150 --seed 7 --write "$vectors" --only ugm-rules ugm-bytes ugm-spaces ugm-suffix ugm-noprefix ugm-crossing \
        wpm-uncased wpm-cased ;;
*)
    bad=0
    /usr/bin/python3 "$here/pieces.py" "$build" --peer "$root" "$KEEP_SHARED/tools/peer-root.sh" "$@" || bad=1
    run $own $random "$@" || bad=1
    exit $bad ;;
esac
