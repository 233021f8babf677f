#!/bin/sh
# Regenerates run.txt and dev.txt. Pins stay as they are unless the ranges in pyproject.toml ask for
# more; `make lock ARGS=--upgrade` takes the newest.
set -eu
cd "$(dirname "$0")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    # uv is needed for this alone, so it lives apart from .venv and is no dependency of anything.
    [ -x .lock-venv/bin/uv ] || {
        echo "lock: no uv on PATH, installing it into .lock-venv …"
        "${1:?the path of a Python}" -m venv .lock-venv
        .lock-venv/bin/python -m pip install --quiet uv
    }
    uv=.lock-venv/bin/uv
fi
[ $# -eq 0 ] || shift

# One lock for every platform and every Python from 3.11 on (--universal), by content (hashes) and
# never by place: a mirror or an offline folder serves as well as the public index.
lock() {
    out=$1
    shift
    echo "lock: $out"
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        "$@" --output-file "$out" pyproject.toml requirements/build.in
}
lock requirements/run.txt "$@"
# dev is run plus the tools: the same pins, so that what is tested is what is served.
lock requirements/dev.txt "$@" --extra dev --constraint requirements/run.txt

if grep -n '://' requirements/run.txt requirements/dev.txt; then
    echo "lock: a lock line names a place; see above" >&2
    exit 1
fi
