# shellcheck shell=bash
# Databases in which a server under test may keep its index, with Orthanc's plugins for them. Only where
# they are asked for: HARNESS_DATABASES=postgresql, mariadb, or "postgresql mariadb".
#
# They are unpacked into .databases/, never installed: PostgreSQL's package makes a cluster and starts it,
# unless a file in /etc says otherwise; MariaDB's excludes MySQL's, which somebody may need.

# What apt names when it is to install `postgresql` and the like, and that holds what we run.
database_packages='postgresql-\(client-\)\{0,1\}[0-9]*\|mariadb-\(server\|client\)-core\|orthanc-\(postgresql\|mysql\)'

check_databases() {
    local name
    for name in ${HARNESS_DATABASES-}; do
        case $name in
        postgresql | mariadb) ;;
        *) say "HARNESS_DATABASES contains '$name'; only postgresql and mariadb can be unpacked" && exit 2 ;;
        esac
    done
}

# Name the packages of the databases asked for of which a file is found nowhere.
missing_databases() {
    local asked=" ${HARNESS_DATABASES-} " name package file
    while read -r name package file; do
        [[ $asked != *" $name "* ]] || compgen -G "/$file" >/dev/null ||
            compgen -G ".databases/$file" >/dev/null || echo "$package"
    done <<'TABLE'
postgresql  postgresql           usr/lib/postgresql/*/bin/initdb
postgresql  orthanc-postgresql   usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so
mariadb     mariadb-server-core  usr/sbin/mariadbd
mariadb     mariadb-client-core  usr/bin/mariadb
mariadb     orthanc-mysql        usr/share/orthanc/plugins/libOrthancMySQLIndex.so
TABLE
}

unpack_databases() {
    local folder=$PWD/.venv/databases packages
    say "unpacking $* into .databases/ (they are not installed into the system)"
    rm -rf "$folder"
    mapfile -t packages < <(apt-get install --simulate --no-install-recommends "$@" 2>>"$log" |
        sed -n "s/^Inst \\($database_packages\\) .*/\\1/p")
    if [ ${#packages[@]} -gt 0 ] && fetch_packages "$folder" "${packages[@]}" &&
        mkdir -p .databases && cp -a "$folder/." .databases/; then
        rm -rf "$folder"
    else
        debian=failed
        show_log
        say "no database: cases that need one are left out"
    fi
}
