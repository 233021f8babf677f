#!/bin/sh
# install.sh run|dev STAMP — makes .venv if there is none, installs the lock and the checkout into it,
# and leaves STAMP behind. The Makefile calls it when STAMP is missing.
# install.sh find — prints the Python that would make .venv.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$@" >&2; exit 1; }

# A candidate counts only when it really runs: shims and stubs may exist and still fail.
is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

find_python() {
    without_venv=
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if is_recent "$candidate"; then
            has_venv "$candidate" && { say "$candidate"; return; }
            without_venv="$candidate"
        fi
        # Asked for by name and not used: say so, or nobody knows why another one was taken.
        [ "$candidate" != "${PYTHON:-}" ] ||
            say "PYTHON=$candidate does not run, is older than 3.11 or has no venv: trying others" >&2
    done
    [ -z "$without_venv" ] || die \
        "$without_venv is recent enough but has no venv (ensurepip is missing)." \
        "On Debian and Ubuntu: apt install python3-venv. Then run make again."
    die "Fanin needs Python 3.11 or newer, and none was found as python3, python3.13, python3.12 or python3.11." \
        "Install one, or name it: make PYTHON=/path/to/python3.12 …"
}

make_venv() {
    home=$(cat .venv/.home 2>/dev/null || true)
    if [ -n "$home" ] && [ "$home" != "$PWD" ]; then
        say "the checkout was moved, so its .venv is made anew"  # its scripts name the old folder
        rm -rf .venv
    elif [ -d .venv ] && ! is_recent .venv/bin/python; then
        say "the Python of .venv is gone or too old, so it is made anew"
        rm -rf .venv
    fi
    if [ ! -d .venv ]; then
        python=$(find_python)
        say "making .venv with $("$python" --version) …"
        quietly "$python" -m venv .venv
    fi
    printf '%s' "$PWD" >.venv/.home
}

# Output matters only when something failed.
quietly() {
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "" "failed: $*"
    fi
    rm -f "$log"
}

if [ "$1" = find ]; then
    find_python
    exit
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
lock="requirements/$1.txt"
stamp=$2

make_venv
rm -f .venv/.run-* .venv/.dev-*  # of what is being replaced, or going back to it would install nothing
count=$(grep '==' "$lock" | grep -vc "sys_platform == 'win32'")
say "installing $count packages from $lock …"
quietly .venv/bin/python -m pip install --require-hashes -r "$lock"
# The build backend is in the lock, so nothing unlocked is fetched to install the checkout itself.
quietly .venv/bin/python -m pip install --no-deps --no-build-isolation -e .

: >"$stamp"
