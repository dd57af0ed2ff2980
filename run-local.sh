#!/usr/bin/env bash
# Test an Orthanc on this computer: install what is missing, then run the suites.
#
#   ./run-local.sh                        run all suites, in parallel, against a new Orthanc
#   ./run-local.sh -k findscu_counters    run one case by name; arguments are passed to `harness run`
#   ./run-local.sh --setup-only           only install what is missing
#   HARNESS_DATABASES=postgresql ./run-local.sh    also unpack this database (or mariadb, or "postgresql mariadb")
#   HARNESS_PLUGINS="wsi python" ./run-local.sh    also unpack these Orthanc plugins (or web-viewer)
#
# Exit code: that of pytest (0: no failure), or 2 if the set-up failed. See docs/running.md.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
. setup/setup.sh

case ${1-} in
-h | --help) usage "$0" && exit ;;
esac
set_up run
[ "${1-}" != --setup-only ] || exit 0
exec .venv/bin/harness run "$@"
