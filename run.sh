#!/usr/bin/env bash
# One experiment: sample around 20 images, score the saved files, print everything and log it.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: run.sh model modeltype nsamp niters activation order target [gpuNum]

  model       data set: mnist, cifar, imagenet, digits
  modeltype   network: 2-layer, normal, distilled, brelu, 3,256,tanh, resnet_v2_50, ...
  nsamp       samples per iteration, which is also the batch size
  niters      iterations: maxima collected
  activation  of the network: relu, tanh, ...
  order       1 or 2
  target      top2, rand, least, or all three
  gpuNum      number of the GPU, a list like 0,1, or -1 for the CPU (default 0)

One experiment: sample around 20 images, then score. Reads a network (models/, tmp/imagenet/) and
test images (data/); writes lipschitz_mat/ and logs/MODEL/MODELTYPE/*.log, all in the current folder.

Example: run.sh mnist normal 1000 100 tanh 2 rand
TEXT
}

refuse() {
    echo "run.sh: $1" >&2
    usage >&2
    exit 1
}

ignore_signals() { trap '' INT TERM HUP; }

# Send what comes in to the log and to stdout; if nobody reads stdout any more, to the log alone.
# Whole lines, since stdout and stderr share the log; until the end, so that last words are kept.
keep() {
    ignore_signals
    while IFS= read -r line || [[ -n $line ]]; do
        printf '%s\n' "$line" >> "$log" || return
        printf '%s\n' "$line"
    done | { cat 2> /dev/null || cat > /dev/null; }
}

# Wait for a `keep`, by its PID; after a signal a second at most. If it is held up by a reader that
# does not read, it goes on alone until that reads or goes away.
wait_for_keep() {
    if ((ended == 0)) && ! wait "$1" && ((ended == 0)); then
        echo "run.sh: $log cannot be written" >&2
        exit 1
    fi
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$1" 2> /dev/null || break
        sleep 0.1
    done
}

# show COMMAND...: run it, print and log what it says, and return its exit code. It writes to pipes,
# so no progress bar is drawn. It runs in the background: bash then passes on signals at once.
show() {
    local code=0 before=$ended output errors
    (ignore_signals; rm -f "$pipes"/*; mkfifo "$pipes/output" "$pipes/errors")
    exec 3<> "$pipes/output" 4<> "$pipes/errors" # for both ways: no end waits for the other
    keep < "$pipes/output" 3>&- 4>&- &
    output=$!
    keep < "$pipes/errors" >&2 3>&- 4>&- &
    errors=$!
    "$@" > "$pipes/output" 2> "$pipes/errors" 3>&- 4>&- &
    running=$!
    exec 3>&- 4>&-
    ((ended == before)) || hand_on TERM
    wait "$running" || code=$?
    while kill -0 "$running" 2> /dev/null; do wait "$running" || code=$?; done
    running=
    wait_for_keep "$output"
    wait_for_keep "$errors"
    return "$code"
}

# What is shown:
warn() { echo "run.sh: $*" >&2; }
program() {
    echo "$*"
    trap - INT
    PYTHONUNBUFFERED=1 exec "$@"
}

# step COMMAND...: show a program; if it fails, end with its exit code.
step() {
    local code=0
    ((ended == 0)) || exit "$ended"
    show program "$@" || code=$?
    if ((code)); then
        show warn "$(basename "$2") failed with exit code $code: see $log"
        exit "$code"
    fi
}

running= ended=0
hand_on() { [[ -z $running ]] || kill -s "$1" "$running" 2> /dev/null || true; }
trap 'ended=143; hand_on TERM' TERM
trap 'ended=129; hand_on HUP' HUP
trap 'ended=130' INT # a terminal sends it to all of its processes

# A stream that is closed leads nowhere: files that are opened would take its number.
{ true >&1; } 2> /dev/null || exec > /dev/null
true >&2 || exec 2> /dev/null

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit
fi
(($# >= 7)) || refuse "7 or 8 arguments are needed, $# were given"
model=$1 modeltype=$2 nsamp=$3 niters=$4 activation=$5 order=$6 target=$7 gpu=${8:-0}

for name in "$model" "$modeltype" "$activation"; do
    [[ $name =~ ^[^/.-][^/]*$ ]] || refuse "'$name' is not the name of a model, modeltype or activation"
done
[[ $nsamp =~ ^[1-9][0-9]*$ ]] || refuse "nsamp '$nsamp': give a whole number above 0"
[[ $niters =~ ^[1-9][0-9]*$ ]] || refuse "niters '$niters': give a whole number above 0"
[[ $order =~ ^[12]$ ]] || refuse "order '$order': give 1 or 2"
case $target in
    top2) target_type=1 ;;
    rand) target_type=2 ;;
    least) target_type=4 ;;
    all) target_type=15 ;;
    *) refuse "target '$target': give top2, rand, least or all" ;;
esac
[[ $gpu =~ ^(-1|[0-9]+(,[0-9]+)*)$ ]] ||
    refuse "gpuNum '$gpu': give a number, a list like 0,1, or -1 for the CPU"

# The interpreter: $PYTHON, else that of an activated environment, else that of the clone's .venv.
here=${BASH_SOURCE[0]}
while [[ -L $here ]]; do # macOS had no readlink -f for long
    link=$(readlink "$here")
    [[ $link == /* ]] || link=$(dirname "$here")/$link
    here=$link
done
here=$(CDPATH='' cd "$(dirname "$here")" && pwd -P)
python=${PYTHON:-python3}
if [[ -z ${PYTHON:-}${VIRTUAL_ENV:-} && -x $here/.venv/bin/python ]]; then
    python=$here/.venv/bin/python
fi

run=${model}_${modeltype}_${activation}_ord${order}_ns${nsamp}_nit${niters}_${target}
log=logs/$model/$modeltype/${run}_$(date +%m%d_%H%M%S).log
collect=("$python" "$here/collect_gradients.py" --dataset "$model" --model_name "$modeltype"
    --activation "$activation" --order "$order" --Nsamps "$nsamp" --Niters "$niters"
    --batch_size "$nsamp" --numimg 20 --target_type "$target_type")

mkdir -p "${log%/*}"
: > "$log"
pipes=$(ignore_signals; mktemp -d "${TMPDIR:-/tmp}/run.sh.XXXXXX")
trap 'ignore_signals; rm -rf "$pipes"' EXIT

export CUDA_VISIBLE_DEVICES=$gpu
processor=$gpu
[[ $gpu != -1 ]] || processor='-1 (the CPU)'
show printf '%s\n' "Using GPU $processor" "$log"
(($# <= 8)) || show warn "ignored, for there is no ninth argument:$(printf ' %q' "${@:9}")"
step "${collect[@]}"

score=("$python" "$here/clever.py")
while IFS= read -r file; do score+=("$file"); done < <(sed -nE 's/^(saved to|kept) //p' "$log")
step "${score[@]}"
((ended == 0)) || exit "$ended"
show echo "Done $log"
exit "$ended"
