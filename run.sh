#!/usr/bin/env bash
# One experiment: sample around 20 images, score the saved files, keep everything printed in a log.
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
  gpuNum      number of the GPU, or a list like 0,1 (default 0)

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

# step COMMAND...: its output goes to the log, its errors to the log and to the user. Errors pass
# through a pipe, so no progress bar is drawn; tee ignores signals, so that last words are kept.
# The command runs in the background: bash then passes on signals at once.
step() {
    local code=0
    ((ended == 0)) || exit "$ended"
    echo "$*" >> "$log"
    (trap - INT; PYTHONUNBUFFERED=1 exec "$@" 2>&1 >> "$log") > >(
        trap '' TERM HUP
        exec tee -ai "$log" >&2
    ) &
    running=$!
    ((ended == 0)) || hand_on TERM
    wait "$running" || code=$?
    while kill -0 "$running" 2> /dev/null; do wait "$running" || code=$?; done
    running=
    if ((code)); then
        echo "run.sh: $(basename "$2") failed with exit code $code: see $log" | tee -a "$log" >&2
        exit "$code"
    fi
}

running= ended=0
hand_on() { [[ -z $running ]] || kill -s "$1" "$running" 2> /dev/null || true; }
trap 'ended=143; hand_on TERM' TERM
trap 'ended=129; hand_on HUP' HUP
trap 'ended=130' INT # a terminal sends it to all of its processes

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit
fi
(($# >= 7 && $# <= 8)) || refuse "7 or 8 arguments are needed, $# were given"
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
[[ $gpu =~ ^[0-9]+(,[0-9]+)*$ ]] || refuse "gpuNum '$gpu': give a number, or a list like 0,1"

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

mkdir -p "$(dirname "$log")"
export CUDA_VISIBLE_DEVICES=$gpu
printf '%s\n' "Using GPU $gpu" "$log" | tee "$log"
echo "${collect[*]}"
step "${collect[@]}"

score=("$python" "$here/clever.py")
while IFS= read -r file; do score+=("$file"); done < <(sed -nE 's/^(saved to|kept) //p' "$log")
step "${score[@]}"
((ended == 0)) || exit "$ended"
grep -F '[STATS][L0]' "$log"
echo "Done $log" | tee -a "$log"
