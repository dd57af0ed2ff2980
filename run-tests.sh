#!/usr/bin/env bash
# Test the harness itself: format, lint, types, shell scripts, selftests, then the suites.
#
#   ./run-tests.sh               all steps, to the end, even when one fails
#   ./run-tests.sh --all         the same with the selftests that are slow by nature
#   ./run-tests.sh -k relay      the same; the arguments go to pytest for the selftests
#   ./run-tests.sh --setup-only  install what is missing, and run nothing
#
# Exit code: 0 when every step is ok, 1 when one failed, 2 when the set-up failed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
. setup/setup.sh

case ${1-} in
-h | --help) usage "$0" && exit ;;
esac
set_up dev
[ "${1-}" != --setup-only ] || exit 0

# The selftests start hundreds of processes. Where the environment forbids Python to keep what it has compiled,
# each of them compiles the whole project again, which takes a second.
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
    has_orthanc || { echo "no Orthanc here: the suites ran against the embedded server" && code=1; }
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
