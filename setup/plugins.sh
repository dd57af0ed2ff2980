# shellcheck shell=bash
# Orthanc's plugins that Debian has in packages of their own. Only where they are asked for:
# HARNESS_PLUGINS=wsi, python, web-viewer, or several of them in one text.
#
# They are unpacked into .plugins/, beside .orthanc/: an Orthanc loads every plugin of its own folder.

check_plugins() {
    local name
    for name in ${HARNESS_PLUGINS-}; do
        case $name in
        wsi | python | web-viewer) ;;
        *) say "HARNESS_PLUGINS contains '$name'; only wsi, python and web-viewer can be unpacked" && exit 2 ;;
        esac
    done
}

# Name the packages of the plugins asked for that were not unpacked.
missing_plugins() {
    local asked=" ${HARNESS_PLUGINS-} " name package library
    while read -r name package library; do
        [[ $asked != *" $name "* ]] || [ -e ".plugins/usr/share/orthanc/plugins/$library" ] || echo "$package"
    done <<'TABLE'
wsi         orthanc-wsi        libOrthancWSI.so
python      orthanc-python     libOrthancPython.so
web-viewer  orthanc-webviewer  libOrthancWebViewer.so
TABLE
}

unpack_plugins() {
    local folder=$PWD/.venv/plugins
    say "unpacking $* into .plugins/ (they are not installed into the system)"
    rm -rf "$folder"
    if fetch_packages "$folder" "$@" && mkdir -p .plugins && cp -a "$folder/." .plugins/; then
        rm -rf "$folder"
    else
        debian=failed
        show_log
        say "no plugins besides those of Orthanc: cases that need others are left out"
    fi
}
