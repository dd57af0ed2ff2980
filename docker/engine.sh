# shellcheck shell=sh
# The engine: is it there, what its trouble means, and what runs that are over have left in it.
# To be sourced; needs $work, a folder for notes, and $release.
# shellcheck disable=SC2154 # both are set by who sources it

say() { printf 'docker: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 2
}

show_log() { tail -n 20 "$1" | sed 's/^/    /' >&2; }

# End with a sentence that says what to do where the engine answers nobody.
need_engine() {
    command -v docker >/dev/null ||
        fail "docker is not on the PATH: install Docker Engine (on Debian: apt-get install docker.io)"
    docker info --format '{{.SecurityOptions}}' >"$work/log" 2>&1 && grep '^\[' "$work/log" >"$work/engine" && return
    engine_trouble "$work/log"
    show_log "$work/log"
    fail "docker failed; see its message above"
}

# End with a sentence for the troubles that somebody can do something about. $1 holds what docker said.
engine_trouble() {
    if grep -qi 'permission denied.*\(socket\|docker\.sock\|docker API\)' "$1"; then
        fail "no permission to use the socket of the engine: sudo adduser $(id -un) docker, then log in again; or use sudo"
    elif grep -qi -e 'cannot connect to the docker daemon' -e 'failed to connect to the docker API' \
        -e 'error during connect' "$1"; then
        fail "the engine is not running, or DOCKER_HOST is wrong: sudo systemctl start docker"
    elif grep -qi -e 'no space left on device' -e 'disk quota exceeded' -e "don't have enough free space" "$1"; then
        fail "the disk of the engine is full: docker system df shows what uses it, docker system prune frees it"
    elif grep -q 'Unable to locate package orthanc' "$1"; then
        fail "Debian $release, or its mirror, has no package orthanc: use --release bookworm, trixie or testing"
    elif grep -q 'Release file for .* is expired' "$1"; then
        fail "a mirror of Debian $release is out of date: take another one, or let this computer's apt accept it" \
            "(Acquire::Check-Valid-Until \"false\"; in /etc/apt/apt.conf.d)"
    fi
}

# Where root within a container is the caller outside.
is_rootless() { grep -q name=rootless "$work/engine"; }

# Print the path of the engine's socket on this computer.
engine_socket() {
    where=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}
    where=${where:-unix:///var/run/docker.sock}
    case $where in
    unix://*) echo "${where#unix://}" ;;
    *) fail "--image needs the engine of this computer, not $where" ;;
    esac
}

# Print the number of the group that a file belongs to.
# shellcheck disable=SC2012 # stat is not in POSIX
group_of() { ls -lnd -- "$(readlink -f -- "$1")" | awk '{ print $4 }'; }

# Say who we are in words that nobody else can have: the boot, the name space of our process number, the
# number, and when it began, since numbers are used again. Without /proc the last three must do.
birth_of() {
    if [ -r "/proc/$1/stat" ]; then
        sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
    else
        LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' -
    fi
}

place() {
    if [ -r /proc/sys/kernel/random/boot_id ]; then
        printf '%s/%s\n' "$(cat /proc/sys/kernel/random/boot_id)" "$(readlink /proc/self/ns/pid)"
    else
        uname -n
    fi
}

# Remove the containers of runs that are over: started from here, by a process that is there no more.
remove_orphans() {
    here=$(place)
    docker ps --all --filter label=org.dicom-harness.owner --format \
        '{{.ID}} {{.Label "org.dicom-harness.place"}} {{.Label "org.dicom-harness.owner"}}' 2>/dev/null |
        while read -r id where owner; do
            [ "$where" = "$here" ] || continue
            [ "$(birth_of "${owner%@*}")" != "${owner#*@}" ] || continue
            docker rm --force --volumes "$id" >/dev/null 2>&1 &&
                say "removed the remains of a run that was killed"
        done
}
