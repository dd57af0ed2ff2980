#!/usr/bin/env bash
# Build what is released, into dist/: wheels and sdists of the harness and of the toolkit, and a Debian package of both.
#
#   ./build.sh             after ./run-tests.sh --setup-only; the same commit gives the same bytes
#   ./build.sh --no-deb    without the Debian package, which needs debhelper, and a network for packages of Python
#
# The Debian package is for the release of Debian on which it is built. try-build.sh tries what was built.
#
# Exit code: 0 when everything was built.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

deb=yes
case ${1-} in
-h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit ;;
--no-deb) deb= ;;
esac
if [ "$deb" ] && ! command -v dh >/dev/null; then
    echo "build.sh: for the Debian package: apt-get install debhelper; without it: ./build.sh --no-deb" >&2
    exit 2
fi
python=${PYTHON-$PWD/.venv/bin/python}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH PYTHONPATH=$PWD TZ=UTC
umask 022 # it is kept in archives
work=$(mktemp -d)
trap 'rm -rf "$work" share dcm/share' EXIT

rm -rf dist share dcm/share
"$python" docs/manual.py harness share
"$python" docs/manual.py dcm dcm/share
(cd dcm && "$python" -m hatchling build -d "$OLDPWD/dist")

# The wheel of the harness is built from its sdist, which is without the toolkit: see hatch_build.py.
"$python" -m hatchling build -t sdist -d dist
tar -xzf dist/dicom_harness-*.tar.gz -C "$work"
(cd "$work"/dicom_harness-* && "$python" -m hatchling build -t wheel -d "$OLDPWD/dist")

if [ "$deb" ]; then
    source=$work/dicom-harness
    mkdir "$source"
    git archive HEAD | tar -xC "$source"
    cp -r share "$source/" && cp -r dcm/share "$source/dcm/"
    cp -r "$source/docs/recipes/debian" "$source/debian"
    # For the Python of Debian, whichever one builds here.
    "$python" -m pip --python /usr/bin/python3 download --quiet --disable-pip-version-check --only-binary :all: \
        --constraint docker/constraints.txt --find-links dist --dest "$source/debian/wheels" \
        "$(echo dist/dicom_harness-*.whl)[serve,view]"
    rm "$source"/debian/wheels/dicom_*.whl # those two are built from the source
    (cd "$source" && env -u PYTHONPATH dpkg-buildpackage --build=binary --no-sign --no-check-builddeps) \
        >"$work/log" 2>&1 || { cat "$work/log" >&2 && exit 1; }
    mv "$work"/*.deb dist/
fi
(cd dist && sha256sum -- *)
