#!/bin/sh
# usage: make_venv.sh [PYTHON]: make .venv with this interpreter (default python3), and install the
# toolkit into it. A .venv that works is kept if its Python is supported and no other is given.
set -eu
cd "$(dirname "$0")"
given=$#
[ $# -gt 0 ] || set -- python3

refuse() {
    echo "$1" >&2
    exit 1
}

# version COMMAND...: of an interpreter, as 3.12
version() {
    "$@" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# pyproject.toml says requires-python = ">=3.LEAST,<3.ABOVE"
range=$(sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"$/\1 \2/p' pyproject.toml)
least=${range% *} most=$((${range#* } - 1))
supported() {
    case $1 in
        3.*) [ "${1#3.}" -ge "$least" ] && [ "${1#3.}" -le "$most" ] ;;
        *) false ;;
    esac
}
needs="the toolkit needs Python 3.$least to 3.$most, give one with make PYTHON=python3.$most"

# The version of a .venv with an interpreter that starts and is the one it was made by.
venv=$(version .venv/bin/python 2> /dev/null) && [ -d ".venv/lib/python$venv" ] || venv=

if [ "$given" -gt 0 ] || ! supported "$venv"; then
    command -v "$1" > /dev/null || refuse "there is no $1: $needs"
    new=$(version "$@") || refuse "$* does not start (see above): $needs"
    supported "$new" || refuse "$* is Python $new: $needs"
    if [ "$venv" != "$new" ]; then
        "$@" -c 'import ensurepip, venv' 2> /dev/null || refuse "$* lacks the module venv or \
ensurepip: on Debian and Ubuntu, apt install python3-venv python$new-venv"
        [ ! -e .venv ] || echo "making .venv anew: it is of another Python, or of one that is gone"
        "$@" -m venv --clear .venv
    fi
fi

.venv/bin/python -m pip --version > /dev/null 2>&1 || .venv/bin/python -m ensurepip > /dev/null
echo "installing the toolkit into .venv (about 2 GB with TensorFlow)"
.venv/bin/python -m pip install --quiet --editable '.[dev]' || refuse "installing failed (see \
above). If posix_ipc is built from source, it needs a C compiler and Python's headers: on Debian \
and Ubuntu, apt install build-essential python3-dev. Then run make again"
