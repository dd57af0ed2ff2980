# shellcheck shell=sh
# What only this computer knows and a build needs: mirrors, certificates, the settings of pip.
# To be sourced. It goes into the temporary context of a build; nothing of it stays in the repository.
# shellcheck disable=SC2154 # release is set by who sources it

# Print the file with the certificates that this computer trusts, if it has one.
certificates() {
    for each in "${PIP_CERT-}" "${REQUESTS_CA_BUNDLE-}" "${SSL_CERT_FILE-}" \
        /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [ -f "$each" ] && [ -r "$each" ]; then
            echo "$each"
            return
        fi
    done
}

# Print the mirrors of this computer with a certain label: Debian, Debian-Security.
mirror_of() {
    apt-get indextargets --format "\$(LABEL) \$(REPO_URI)" 'Created-By: Packages' 2>/dev/null |
        sed -n "s,^$1 \(.*[^/]\)/*\$,\1,p" | head -n 1
}

# What this computer lets its apt do: a mirror that stands still gives lists that are out of date.
host_apt() {
    apt-config dump Acquire::Check-Valid-Until >"$1/apt.conf" 2>/dev/null || true
}

# Debian's mirrors, where this computer has others than the usual ones. A password in them would stay in
# the layers of an image; those go without.
host_sources() {
    mirror=$(mirror_of Debian)
    case $mirror in
    '' | http://deb.debian.org/debian | file:* | cdrom:* | *@*) return ;;
    esac
    security=$(mirror_of Debian-Security)
    {
        echo "deb $mirror $release main"
        echo "deb $mirror $release-updates main"
        echo "deb ${security:-http://deb.debian.org/debian-security} $release-security main"
    } >"$1/sources.list"
    case $mirror$security in
    *https:*) [ -z "$(certificates)" ] || cat "$(certificates)" >"$1/ca.crt" ;;
    esac
}

# pip's settings: its files, its variables, the certificates. Used in stages that are thrown away.
host_pip() {
    bundle=$(certificates)
    [ -z "$bundle" ] || cat "$bundle" >"$1/ca.crt"
    copy_first "$1/system.conf" /etc/pip.conf /etc/xdg/pip/pip.conf
    copy_first "$1/user.conf" "${XDG_CONFIG_HOME:-${HOME-}/.config}/pip/pip.conf" "${HOME-}/.pip/pip.conf"
    copy_first "$1/asked.conf" "${PIP_CONFIG_FILE-}"
    {
        echo 'cp pip/system.conf /etc/pip.conf && mkdir -p /root/.config/pip && cp pip/user.conf /root/.config/pip/pip.conf'
        echo 'export PIP_CONFIG_FILE=/build/pip/asked.conf PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1'
        echo 'export PIP_ROOT_USER_ACTION=ignore'
        [ -z "$bundle" ] || echo 'export PIP_CERT=/build/pip/ca.crt'
        for name in INDEX_URL EXTRA_INDEX_URL TRUSTED_HOST PROXY DEFAULT_TIMEOUT RETRIES; do
            eval "value=\${PIP_$name-}"
            [ -z "$value" ] || printf "export PIP_%s='%s'\n" "$name" "$(printf %s "$value" | sed "s/'/'\\\\''/g")"
        done
    } >"$1/environment"
}

# Write the first of the files that is there, or an empty one.
copy_first() {
    to=$1
    shift
    for each; do
        if [ -f "$each" ] && [ -r "$each" ]; then
            cat "$each" >"$to"
            return
        fi
    done
    : >"$to"
}
