#!/bin/sh
# Make the image debian:RELEASE-slim from this computer's own package sources, where no registry gives it.
#
#   docker/make-base.sh trixie     bookworm, trixie, testing, or any other release of Debian
#
# Needs root, debootstrap and Docker. The variable MIRROR names another mirror than that of this computer.
set -eu

release=${1-}
case $release in
'' | -*) sed -n '2,/^[^#]/ { s/^# \{0,1\}//p }' "$0" && exit 2 ;;
esac
image=debian:$release-slim

fail() {
    printf 'make-base: %s\n' "$*" >&2
    exit 2
}

# Print the mirrors of this computer with a certain label: Debian, Debian-Security.
mirrors() {
    apt-get indextargets --format "\$(LABEL) \$(REPO_URI)" 'Created-By: Packages' 2>/dev/null |
        sed -n "s,^$1 \(.*[^/]\)/*\$,\1,p"
}

# The release that its security updates belong to has the same name, and needs no answer from everybody.
write_sources() {
    echo "deb $mirror $release main"
    if [ "$release" != sid ] && [ "$release" != unstable ]; then
        echo "deb $mirror $release-updates main"
        [ -z "$security" ] || echo "deb $security $release-security main"
    fi
}

# What Debian's own slim images leave out, now and at each later installation.
slim() {
    cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'CONFIGURATION'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
CONFIGURATION
    echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/slim"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no service begins in a build
    chmod 755 "$root/usr/sbin/policy-rc.d"
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    find "$root/usr/share/doc" -type d -empty -delete
    for rest in usr/share/info usr/share/man usr/share/locale var/cache/apt var/lib/apt/lists var/log; do
        find "$root/$rest" -mindepth 1 -delete
    done
    rm -rf "$root/var/cache/debconf/"*-old "$root/var/lib/dpkg/"*-old "${root:?}/dev/"*
}

command -v docker >/dev/null || fail "docker is not installed: install Docker Engine (on Debian: docker.io)"
command -v debootstrap >/dev/null || fail "debootstrap is not installed: apt-get install debootstrap"
[ "$(id -u)" = 0 ] || fail "debootstrap needs root: run this with sudo"

security=$(mirrors Debian-Security | head -n 1)
mirror=${MIRROR:-$(mirrors Debian | head -n 1)}
[ -n "$mirror" ] ||
    fail "the package sources of this computer contain no Debian mirror: run apt-get update, or set MIRROR=http://..."

# A proxy that only apt knows of.
http_proxy=${http_proxy:-$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null | sed "s/^proxy='\(.*\)'\$/\1/")}
[ -z "$http_proxy" ] || export http_proxy

folder=$(mktemp -d "${TMPDIR:-/tmp}/make-base.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
root=$folder/root
set --
case $mirror$security in
*https:*) set -- --include=ca-certificates ;;
esac
script=
[ -e "/usr/share/debootstrap/scripts/$release" ] || script=sid
# shellcheck disable=SC2086 # no script is no argument
if ! debootstrap --variant=minbase "$@" "$release" "$root" "$mirror" $script >"$folder/log" 2>&1; then
    tail -n 20 "$folder/log" >&2
    fail "debootstrap could not create $release from $mirror"
fi
write_sources >"$root/etc/apt/sources.list"
if [ $# -gt 0 ]; then # https, perhaps with a certificate that only this computer trusts
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
slim
tar --directory "$root" --create --numeric-owner . |
    docker import --change 'CMD ["bash"]' \
        --change "LABEL org.opencontainers.image.description=\"Debian $release, made by make-base.sh\"" \
        - "$image" >/dev/null || fail "docker could not import the image: see its message above"
docker image inspect --format "make-base: $image is there ({{.Size}} bytes)" "$image"
