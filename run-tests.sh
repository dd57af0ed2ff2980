#!/usr/bin/env bash
# Test the harness itself: format, lint, types, shell scripts, selftests, then the suites.
#
#   ./run-tests.sh               run all steps, even if one fails
#   ./run-tests.sh --all         the same, including slow selftests and all seeded faults (a third otherwise)
#   ./run-tests.sh -k relay      the same; arguments are passed to pytest for the selftests
#   ./run-tests.sh --setup-only  only install what is missing
#
# Exit code: 0 if all steps passed, 1 if one failed, 2 if the set-up failed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
. setup/setup.sh

case ${1-} in
-h | --help) usage "$0" && exit ;;
esac
set_up dev
[ "${1-}" != --setup-only ] || exit 0

# The selftests start hundreds of processes. If the environment keeps Python from storing compiled files, each
# of them compiles the whole project again, which takes a second.
unset PYTHONDONTWRITEBYTECODE

python=$PWD/.venv/bin/python
outcomes=()
failed=0

# Run one step and keep its outcome for the table.
step() {
    local name=$1 outcome=ok started=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    "$@" || { outcome=FAILED && failed=1; }
    outcomes+=("$(printf '%-12s %-6s %4d s' "$name" "$outcome" $((SECONDS - started)))")
}

# shellcheck disable=SC2317 # called by its name
# The suites prove nothing about Orthanc where there is none: then the step fails, though they run.
suites() {
    local code=0
    .venv/bin/harness run || code=$?
    has_orthanc || { echo "no Orthanc found: the suites ran against the embedded server" && code=1; }
    return "$code"
}

mapfile -t scripts < <(find . -path './.[!.]*' -prune -o -path ./runs -prune \
    -o -name '*.sh' -executable -print)

step format "$python" -m ruff format --check .
step lint "$python" -m ruff check .
step types "$python" -m mypy
step shell shellcheck --external-sources --check-sourced "${scripts[@]}" .ci/run
# Three on two cores: many of these tests wait for a server or a time limit.
step selftests "$python" -m pytest selftest -n 3 --dist loadfile "$@"
step suites suites

printf '\n'
printf '  %s\n' "${outcomes[@]}"
exit "$failed"
