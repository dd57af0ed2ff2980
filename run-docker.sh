#!/bin/sh
# Test an Orthanc in a container: build missing images, then run the suites without a network. Needs only
# Docker.
#
#   ./run-docker.sh                          run all suites, in parallel, against Debian 12's Orthanc
#   ./run-docker.sh -k findscu_counters      run one case by name; arguments are passed to `harness run`
#   ./run-docker.sh --release trixie         test the Orthanc of Debian 13; `testing` is the next one
#   ./run-docker.sh --with StorageCompression=true     change its configuration
#   ./run-docker.sh --image NAME             test a server in another image; gives the harness access to
#                                            the socket of the engine, which is equivalent to root
#   ./run-docker.sh --runs DIR               write the run folder to DIR instead of runs/
#   ./run-docker.sh --shell                  start a shell in the image
#   ./run-docker.sh --rebuild                rebuild the images with current packages
#   ./run-docker.sh --setup-only             only build what is missing
#
# Exit code: that of pytest (0: no failure), 2 if Docker or an image is not available, 125 if Docker could
# not create the container. See docs/docker.md.
set -eu
called_from=$PWD
cd -- "$(dirname -- "$(readlink -f -- "$0")")"
. docker/engine.sh
. docker/host.sh
. docker/images.sh

release=bookworm foreign='' shell='' rebuild='' setup_only='' runs=$PWD/runs

# Remove our options; the others are moved to the end one by one, which keeps their order.
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
        fail "a container without a network cannot reach a running server: use ./run-local.sh $option" ;;
    *) set -- "$@" "$option" ;;
    esac
done
case $release in
'' | *[!a-z]*) fail "--release needs the name of a Debian release, such as bookworm or trixie, not '$release'" ;;
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
    fail "cannot write a run folder to $runs: choose another place with --runs DIR"
fi
[ "$(df -Pk "$runs" | awk 'END { print $4 }')" -gt 51200 ] ||
    fail "less than 50 MB are free for the run folder in $runs: free some space, or use --runs DIR"

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
