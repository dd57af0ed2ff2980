# shellcheck shell=bash
# The part of the set-up that comes from Python's packages: the virtual environment .venv.
#
# pip takes index, proxy and certificates from the computer's own configuration.

python= # how install_python ended: installed, stale (an earlier environment goes on)

# Print the Python that can make the environment: the one that HARNESS_PYTHON names; else Debian's, which
# gets security updates and which users have; else the first on the PATH.
find_python() {
    local candidate
    while read -r candidate; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            echo "$candidate"
            return
        fi
    done < <(candidates)
    return 1
}

candidates() {
    if [ -n "${HARNESS_PYTHON-}" ]; then
        echo "$HARNESS_PYTHON"
    else
        echo /usr/bin/python3
        type -ap python3
    fi
}

# Name the package that gives a Python, or the part of it that Debian keeps apart. It cannot help
# where Python is too old.
python_packages() {
    find_python >/dev/null || is_too_old || echo python3-venv
}

is_too_old() {
    "${HARNESS_PYTHON-python3}" -c 'import sys; sys.exit(sys.version_info >= (3, 11))' 2>/dev/null
}

# An environment names its own folder in each of its scripts: after a move it is of no use. Nor is one
# made by another Python than HARNESS_PYTHON.
discard_useless_environment() {
    [ -r .venv/pyvenv.cfg ] || return 0
    if grep '^command' .venv/pyvenv.cfg | grep -qvF " $PWD/.venv" ||
        { [ -n "${HARNESS_PYTHON-}" ] && ! is_made_by "$HARNESS_PYTHON"; }; then
        rm -rf .venv
    fi
}

is_made_by() { [ "$(readlink -f .venv/bin/python)" = "$(readlink -f "$(command -v "$1")")" ]; }

install_python() {
    local profile=$1 target=. python3 stamps
    [ "$profile" = run ] || target=".[$profile]"
    if ! python3=$(find_python); then
        if is_too_old; then
            say "this is $("${HARNESS_PYTHON-python3}" --version), the harness needs 3.11 or newer (Debian 12 has it)"
        else
            say "nothing can run without python3 and its venv module (package python3-venv)"
        fi
        exit 2
    fi
    say "creating the Python environment .venv, and installing the harness in it"
    if logged "$python3" -m venv .venv && pip_install "$target"; then
        python=installed
        return
    fi
    show_log
    stamps=(.venv/setup.run .venv/setup.dev)
    if ! [ -e "${stamps[0]}" ] && ! [ -e "${stamps[1]}" ]; then
        say "the Python packages could not be installed: check that the package index can be reached"
        exit 2
    fi
    # Offline, say, after an edit of pyproject.toml: better yesterday's environment than none.
    python=stale
    say "the Python packages could not be updated; continuing with the installed ones"
}

# A user-wide `user = true` would make pip refuse to install into an environment. Compiling all that is
# installed takes longer than installing it; Python compiles what is imported, when it is. The project's own
# tests start so many Pythons at once that each would compile the same.
pip_install() {
    local compile=--no-compile
    [[ $1 != *'[dev]' ]] || compile=--compile
    PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
        logged .venv/bin/python -m pip install "$compile" --editable "$1"
}
