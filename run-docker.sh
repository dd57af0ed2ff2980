#!/bin/sh
# Test an Orthanc in a container: build the images that are missing, then run the suites, cut off from any
# network. Needs Docker and nothing else.
#
#   ./run-docker.sh                          all suites, in parallel, against Debian 12's Orthanc
#   ./run-docker.sh -k findscu_counters      one case by name; the arguments are those of `harness run`
#   ./run-docker.sh --release trixie         against the Orthanc of Debian 13; `testing` is the next one
#   ./run-docker.sh --with StorageCompression=true     with another value in its configuration
#   ./run-docker.sh --image NAME             against a server in an image of its own; hands the engine's
#                                            socket to the harness, which is as good as root
#   ./run-docker.sh --runs DIR               with the run folder below DIR instead of runs/
#   ./run-docker.sh --shell                  look around in the image
#   ./run-docker.sh --rebuild                build the images anew, with the packages of today
#   ./run-docker.sh --setup-only             build what is missing, and run nothing
#
# Exit code: pytest's (0: all is well); 2 when Docker or an image is not to be had, 125 when Docker could not
# make the container. More: docs/docker.md
set -eu
called_from=$PWD
cd -- "$(dirname -- "$(readlink -f -- "$0")")"
. docker/engine.sh
. docker/host.sh
. docker/images.sh

release=bookworm foreign='' shell='' rebuild='' setup_only='' runs=$PWD/runs

# Ours are taken out; the others move to the end one by one, and so keep their order.
left=$#
while [ "$left" -gt 0 ]; do
    option=$1 value=''
    shift && left=$((left - 1))
    case $option in
    --release | --image | --runs)
        [ "$left" -gt 0 ] || fail "$option needs a value: ./run-docker.sh --help"
        value=$1
        shift && left=$((left - 1))
        ;;
    --release=* | --image=* | --runs=*) value=${option#*=} option=${option%%=*} ;;
    esac
    case $option in
    -h | --help) sed -n '2,/^[^#]/ { s/^# \{0,1\}//p }' run-docker.sh && exit ;;
    --release) release=$value ;;
    --image) foreign=$value ;;
    --runs)
        case $value in
        /*) runs=$value ;;
        *) runs=$called_from/$value ;;
        esac
        ;;
    --shell) shell=yes ;;
    --rebuild) rebuild=yes ;;
    --setup-only) setup_only=yes ;;
    --server | --server=* | --config | --config=*)
        fail "a container without network reaches no server that runs already: use ./run-local.sh $option" ;;
    *) set -- "$@" "$option" ;;
    esac
done
case $release in
'' | *[!a-z]*) fail "--release takes the name of a Debian release, such as bookworm or trixie, not '$release'" ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/run-docker.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need_engine
remove_orphans
image=$(image_name "$release")
if [ -n "$rebuild" ]; then
    build_images "$release" "$image" --no-cache
elif ! has_image "$image"; then
    build_images "$release" "$image"
fi
[ -z "$setup_only" ] || exit 0

if ! { mkdir -p -- "$runs" && [ -w "$runs" ]; } 2>"$work/log"; then
    fail "no run folder can be written to $runs: --runs DIR names another place"
fi
[ "$(df -Pk "$runs" | awk 'END { print $4 }')" -gt 51200 ] ||
    fail "less than 50 MB are free for the run folder in $runs: make room, or say --runs DIR"

# What follows is built up from the end: first the command within the container.
if [ -n "$shell" ]; then
    set -- "$image" bash
else
    set -- "$image" harness run "$@" ${foreign:+"--image=$foreign"}
fi
if [ -n "$foreign" ]; then
    socket=$(engine_socket)
    # The folder of worklists is handed on from there to another container, and so the engine has to see it.
    set -- --volume "$socket:/var/run/docker.sock" --group-add "$(group_of "$socket")" --volume /tmp "$@"
else
    set -- --network none --tmpfs /tmp:exec,mode=1777 "$@"
fi
if [ "$(id -u)" = 0 ] || is_rootless; then
    set -- --user 0:0 --cap-add DAC_OVERRIDE "$@" # in a rootless engine this is the caller
else
    set -- --user "$(id -u):$(id -g)" "$@"
fi
if [ -t 0 ] && [ -t 1 ]; then
    set -- --interactive --tty --env "TERM=${TERM:-dumb}" "$@"
fi
rm -rf "$work"
# This process becomes the one that waits for the container: signals sent here go there, its end makes an
# orphan of it, and the exit code is that of pytest.
exec docker run --init --rm --cap-drop ALL --security-opt no-new-privileges --security-opt label=disable \
    --ulimit core=0 --ulimit nofile=4096:4096 \
    --mount "type=bind,source=$runs,target=/work/runs" \
    --label "org.dicom-harness.place=$(place)" --label "org.dicom-harness.owner=$$@$(birth_of $$)" "$@"
