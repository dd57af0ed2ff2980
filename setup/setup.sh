# shellcheck shell=bash
# What run-local.sh and run-tests.sh share: everything is there, or it is installed, or it is named.
# To be sourced, with the checkout as working folder. Call `set_up run` or `set_up dev`.

. setup/debian.sh
. setup/databases.sh
. setup/plugins.sh
. setup/python.sh

log=$PWD/.venv/setup.log
missing_note=.venv/setup.missing # what could not be installed, and how to; kept for the next start

say() { printf 'setup: %s\n' "$*" >&2; }

# Print the comment at the head of a script as its help.
usage() { sed -n '2,/^[^#]/ { s/^# \{0,1\}//p }' "$1"; }

# Run a command with its output in the log.
logged() {
    printf '\n$ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null
}

# Show the end of the log, for a step that failed.
show_log() {
    tail -n 20 "$log" | sed 's/^/    /' >&2
    say "complete log: $log"
}

# Install what the profile (run, dev) lacks. Costs nothing when everything is there.
set_up() {
    local profile=$1 lock
    check_databases
    check_plugins
    if ! is_ready "$profile"; then
        exec {lock}<. # the folder itself is the lock: two first starts must not meet in .venv
        flock --nonblock "$lock" || wait_for_other "$lock"
        is_ready "$profile" || install_all "$profile"
        exec {lock}<&-
    elif [ -s "$missing_note" ] && is_lacking "$profile"; then
        cat "$missing_note" >&2
    fi
}

wait_for_other() {
    say "waiting for another set-up of this checkout"
    flock --timeout 900 "$1" || { say "it did not finish within 15 minutes" && exit 2; }
}

# True when there is nothing to do. If something had to be left out, packages that somebody has
# installed since are a reason to look again.
is_ready() {
    local stamp
    stamp=$(current_stamp "$1") || return 1
    # They may be asked for at any start.
    [ -z "$(missing_databases)$(missing_plugins)" ] || return 1
    ! is_lacking "$1" || ! [ /var/lib/dpkg/status -nt "$stamp" ]
}

# Print the stamp of an earlier set-up for just these files, this folder and this Python.
current_stamp() {
    local stamp sum
    [ -x .venv/bin/harness ] || return 1
    [ -z "${HARNESS_PYTHON-}" ] || is_made_by "$HARNESS_PYTHON" || return 1
    sum=$(fingerprint)
    for stamp in ".venv/setup.$1" .venv/setup.dev; do
        if [ -r "$stamp" ] && [ "$(<"$stamp")" = "$sum" ]; then
            echo "$stamp"
            return
        fi
    done
    return 1
}

# Of pyproject.toml only what pip reads counts, not the settings of other tools behind it.
fingerprint() {
    { pwd && readlink -f .venv/bin/python && sed '/^\[tool/,$d' pyproject.toml && cat setup/*.sh; } |
        sha256sum
}

is_lacking() { [ -n "$(missing_packages "$1")" ] || ! has_orthanc; }

install_all() {
    local profile=$1 stamp=.venv/setup.$1
    discard_useless_environment
    if ! { mkdir -p .venv && : >>"$log"; } 2>/dev/null; then
        say "cannot write to $PWD/.venv: another user may have created it. Remove it, or use your own copy."
        exit 2
    fi
    install_debian "$profile"
    current_stamp "$profile" >/dev/null || install_python "$profile"
    # Without the stamp, the next start tries again what failed.
    if [ "$debian" != failed ] && [ "$python" != stale ]; then
        fingerprint >"$stamp"
    fi
    say "done in $SECONDS s"
}
