#!/bin/sh
# Install Debian packages within an image, and leave nothing but them. Used by the Dockerfile.
#
# A name that ends in a star stands for all packages of the release that begin so, without those for
# developers, and without orthanc-imagej: a plugin not of Orthanc but of ImageJ, with a Java.
# Beside this script may lie what comes from the host: apt.conf, sources.list, and ca.crt where a mirror speaks
# https.
set -eu
export DEBIAN_FRONTEND=noninteractive
build=$(dirname "$0")
[ ! -s "$build/apt.conf" ] || export APT_CONFIG="$build/apt.conf"

apt() {
    set -- -o Acquire::Retries=3 -o APT::Install-Recommends=false "$@"
    [ ! -s "$build/sources.list" ] ||
        set -- -o "Dir::Etc::SourceList=$build/sources.list" -o Dir::Etc::SourceParts=- "$@"
    [ ! -s "$build/ca.crt" ] || set -- -o "Acquire::https::CAInfo=$build/ca.crt" "$@"
    apt-get "$@"
}

apt update
for wanted; do
    shift
    case $wanted in
    *'*') wanted=$(apt-cache pkgnames "${wanted%?}" | grep -Ev -e '-(dev|doc|dbgsym|imagej)$' | sort) ;;
    esac
    # shellcheck disable=SC2086 # one word per package
    set -- "$@" $wanted
done
apt install --yes "$@"
apt clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/* /tmp/*
# Debian's base images leave these out, but not those of every package.
rm -rf /usr/share/man/* /usr/share/info/* /usr/share/locale/* /usr/share/lintian
find /usr/share/doc -type f ! -name copyright -delete
find /usr/share/doc -type l -delete
find /usr/share/doc -type d -empty -delete
