#!/usr/bin/env bash
# Try what ./build.sh has built, each in a new container: install it, run it, remove it, and look for what is left.
#
#   ./try-build.sh debian:bookworm              the wheels, the sdists and the Debian package
#   ./try-build.sh debian:bookworm wheel        one of them: wheel, sdist, deb
#
# IMAGE is a container image of the release of Debian on which ./build.sh ran, with nothing in it; for wheel and sdist,
# of any release. It needs Docker and a network: the image gets Python, dcmtk and an Orthanc from Debian, pip the
# packages of Python.
#
# Exit code: 0 when all worked and nothing was left, 1 when not, 2 for wrong use.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

case ${1-} in
'' | -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
image=$1 && shift
[ $# -gt 0 ] || set -- wheel sdist deb
for kind; do
    [[ $kind =~ ^(wheel|sdist|deb)$ ]] || { echo "try-build.sh: $kind is not one of wheel, sdist, deb" >&2 && exit 2; }
done

settings=() # of pip and of proxies, for networks that need them
for name in "${!PIP_@}" http_proxy https_proxy no_proxy SSL_CERT_FILE REQUESTS_CA_BUNDLE; do
    settings+=(--env "$name")
done

# What runs in the container; the argument is wheel, sdist or deb.
trial=$(
    cat <<'TRIAL'
set -euo pipefail
kind=$1
export DEBIAN_FRONTEND=noninteractive
say() { printf '== %s\n' "$*"; }
quietly() { "$@" >/tmp/log 2>&1 || { cat /tmp/log && say "failed: $*" && exit 1; }; }
as_user() { runuser --login tester --whitelist-environment="$passed" --command "$1"; }
passed=$(compgen -e | grep --extended-regexp '^(PIP_|https?_proxy|no_proxy|SSL_CERT|REQUESTS_CA)' | paste --serial --delimiters=,) || true

# All files with their sizes, but for what Debian's package manager keeps, and all folders.
everything() {
    find / /dev/shm -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /before \) \
        -prune -o -type f -printf '%p %s\n' -o -printf '%p\n' | LC_ALL=C sort
}

say "a computer with Python, dcmtk and an Orthanc"
quietly apt-get update
quietly apt-get install --yes --no-install-recommends python3 python3-venv dcmtk orthanc orthanc-dicomweb orthanc-gdcm
useradd --create-home tester
mkdir /before && : >/tmp/log && everything >/before/list

say "install: $kind"
case $kind in
wheel | sdist)
    ending=whl && [ "$kind" = wheel ] || ending=tar.gz
    quietly as_user "python3 -m venv work/venv && work/venv/bin/pip install --no-cache-dir /dist/*.$ending"
    bin=/home/tester/work/venv/bin
    as_user "find work/venv/share -type f" >/before/share
    ;;
deb)
    quietly apt-get install --yes --no-install-recommends /dist/*.deb
    bin=/usr/bin
    dpkg --listfiles dicom-harness | sed 's/\.gz$//' >/before/share
    ;;
esac
for file in man1/harness.1 man1/harness-run.1 man1/dcm.1 man1/dcm-sync.1 completions/harness completions/dcm; do
    grep --quiet "/$file\$" /before/share || { say "$file is not installed" && exit 1; }
done

say "the first run"
as_user "mkdir -p work && cd work && $bin/dcm version && $bin/harness --version"
as_user "cd work
    $bin/dcm listen -o in --host 127.0.0.1 --port 11112 >listen.txt 2>&1 &
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        $bin/dcm echo 127.0.0.1:ANY:11112 2>/dev/null && break
        sleep 1
    done
    kill \$! && wait \$!"
as_user "cd work && $bin/harness run --profile smoke --orthanc /usr/sbin/Orthanc | tail -n 2"
as_user "test -s work/runs/latest/report.html"

say "remove"
case $kind in
wheel | sdist)
    quietly as_user "work/venv/bin/pip uninstall --yes dicom-harness dicom-dcm"
    # Bytecode of cases stays: pytest compiles it, and pip knows nothing of it. It goes with the environment.
    left=$(cd /home/tester/work/venv && find . -type f ! -name '*.pyc' \( -path '*/site-packages/harness/*' \
        -o -path '*/site-packages/dcm/*' -o -path '*/site-packages/dicom_*' -o -path './share/*' \
        -o -name harness -o -name dcm \))
    [ -z "$left" ] || { say "left in the environment:" && echo "$left" && exit 1; }
    ;;
deb) quietly apt-get purge --yes dicom-harness ;;
esac
rm -r /home/tester/work
: >/tmp/log
everything | diff /before/list - || { say "left on the computer: the lines above" && exit 1; }
say "nothing is left"
TRIAL
)

failed=()
for kind; do
    docker run --rm --init --shm-size 1g --volume "$PWD/dist:/dist:ro" "${settings[@]}" "$image" \
        bash -c "$trial" trial "$kind" </dev/null || failed+=("$kind")
done
[ ${#failed[@]} -eq 0 ] || { echo "try-build.sh: ${failed[*]} failed" >&2 && exit 1; }
