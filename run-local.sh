#!/usr/bin/env bash
# Test an Orthanc on this computer: install what is missing, then run the suites.
#
#   ./run-local.sh                        all suites, in parallel, against a fresh Orthanc
#   ./run-local.sh -k findscu_counters    one case by name; the arguments are those of pytest
#   ./run-local.sh --setup-only           install what is missing, and run nothing
#   HARNESS_DATABASES=postgresql ./run-local.sh    unpack that database too (or mariadb, or "postgresql mariadb")
#
# Exit code: pytest's (0: all is well); 2 when the set-up failed. More: docs/running.md
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
. setup/setup.sh

case ${1-} in
-h | --help) usage "$0" && exit ;;
esac
set_up run
[ "${1-}" != --setup-only ] || exit 0
exec .venv/bin/harness run "$@"
