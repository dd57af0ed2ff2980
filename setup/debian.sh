# shellcheck shell=bash
# The part of the set-up that comes from Debian: tools, Orthanc's libraries, Orthanc itself.
#
# Orthanc is unpacked into .orthanc/, never installed: its package would start a system service, and
# the triggers of its plugins would restart one that runs. Only the libraries go into the system.

debian=        # how install_debian ended: complete, partial (nobody may install), failed
become_root=() # the words before a command that needs root
orthanc_packages=(orthanc orthanc-dicomweb orthanc-gdcm)

# What of an unpacked package's dependencies is not installed: what is unpacked too, and what comes with
# a database's service.
not_installed='orthanc\|postgresql\|mariadb-server\|mariadb-client\|ssl-cert'

# Print the command that names the libraries without which unpacked packages do not start: all that apt would
# install with them. A text, because where there are no package lists yet it is shown, to be pasted.
list_libraries() {
    printf "apt-get install --simulate --no-install-recommends %s | sed -n '%s; %s'\n" "$*" \
        "/^Inst \\($not_installed\\)/d" 's/^Inst \([^ ]*\).*/\1/p'
}

# Name the Debian packages whose command, or library, is not there. The table has for each: what to look
# for, the package, the profiles that need it. Not findscu, since pynetdicom has one too, which comes first
# where .venv is activated. libatomic is for playwright's own node, which drives chromium; debootstrap makes
# base images where no registry gives them.
missing_packages() {
    local wanted_by=$1 thing package profiles
    while read -r thing package profiles; do
        [[ " $profiles " != *" $wanted_by "* ]] || command -v "$thing" >/dev/null ||
            compgen -G "$thing" >/dev/null || echo "$package"
    done <<'TABLE'
dcmdump                     dcmtk       run dev
curl                        curl        run dev
chromium                    chromium    dev
/usr/lib/*/libatomic.so.1   libatomic1  dev
shellcheck                  shellcheck  dev
/usr/sbin/debootstrap       debootstrap dev
TABLE
}

# True when the harness will find an Orthanc; it looks in the same places.
has_orthanc() {
    [ -n "${HARNESS_ORTHANC-}" ] || command -v Orthanc >/dev/null ||
        [ -x /usr/sbin/Orthanc ] || [ -x .orthanc/usr/sbin/Orthanc ]
}

install_debian() {
    local profile=$1 wanted unpacked=() databases plugins libraries=
    debian=complete
    mapfile -t wanted < <(missing_packages "$profile" && python_packages)
    mapfile -t databases < <(missing_databases)
    mapfile -t plugins < <(missing_plugins)
    has_orthanc || unpacked=("${orthanc_packages[@]}")
    unpacked+=("${databases[@]}" "${plugins[@]}")
    [ ${#unpacked[@]} -eq 0 ] || libraries=$(libraries_of "${unpacked[@]}")
    # shellcheck disable=SC2206 # one word per package
    wanted+=($libraries)
    mapfile -t wanted < <(printf "%s\n" "${wanted[@]}" | awk "NF && !seen[\$0]++")
    if [ ${#wanted[@]} -eq 0 ]; then
        rm -f "$missing_note"
    elif may_install; then
        install_packages "${wanted[@]}"
    else
        debian=partial
        ask_for "${wanted[@]}"
    fi
    if [ "$debian" = complete ] || [ -z "$libraries" ]; then
        has_orthanc || unpack_orthanc
        [ ${#databases[@]} -eq 0 ] || unpack_databases "${databases[@]}"
        [ ${#plugins[@]} -eq 0 ] || unpack_plugins "${plugins[@]}"
    fi
}

may_install() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        become_root=(env)
    elif sudo -n true 2>/dev/null; then
        become_root=(sudo -n env)
    else
        return 1
    fi
}

apt_as_root() {
    logged "${become_root[@]}" DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C.UTF-8 \
        apt-get -o DPkg::Lock::Timeout=120 "$@"
}

update_lists() {
    say "fetching Debian's package lists"
    apt_as_root update
}

libraries_of() {
    local command run
    command=$(list_libraries "$@")
    run=(bash -o pipefail -c "$command")
    "${run[@]}" 2>/dev/null || { may_install && update_lists && "${run[@]}" 2>>"$log"; } ||
        echo "\$($command)"
}

install_packages() {
    local install=(apt_as_root install --yes --no-install-recommends "$@")
    say "installing $# Debian packages: $*"
    if "${install[@]}" || { update_lists && "${install[@]}"; }; then
        rm -f "$missing_note"
    else
        debian=failed
        show_log
        say "apt could not install them; continuing without them"
    fi
}

# Tell what an administrator has to do, now and at each start until it is done.
ask_for() {
    local sudo='' update=''
    if ! command -v apt-get >/dev/null; then
        say "apt-get is not available. Install dcmtk, curl and Orthanc on the PATH yourself." \
            2>"$missing_note"
    else
        ! command -v sudo >/dev/null || sudo='sudo '
        # shellcheck disable=SC2016 # the command that tells the libraries, not its outcome
        [[ $* != *'$('* ]] || update="${sudo}apt-get update && "
        {
            say "Debian packages are missing. Cases that need them are left out until an administrator runs:"
            printf '\n    %s\n\n' "$update${sudo}apt-get install --yes --no-install-recommends $*"
        } >"$missing_note" 2>&1
    fi
    cat "$missing_note" >&2
}

unpack_orthanc() {
    local folder=$PWD/.venv/orthanc
    command -v apt-get >/dev/null || return 0
    say "unpacking Orthanc into .orthanc/ (it is not installed into the system)"
    rm -rf "$folder"
    if fetch_packages "$folder" "${orthanc_packages[@]}" && logged "$folder/usr/sbin/Orthanc" --version; then
        rm -rf .orthanc && mv "$folder" .orthanc
    else
        debian=failed
        show_log
        say "no Orthanc: continuing with the embedded server"
    fi
}

fetch_packages() {
    local folder=$1 package
    mkdir "$folder" && (cd "$folder" && logged apt-get download "${@:2}") || return 1
    for package in "$folder"/*.deb; do
        logged dpkg-deb --extract "$package" "$folder" && rm "$package" || return 1
    done
}
