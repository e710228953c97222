#!/usr/bin/env bash
# The long runs: many random loans, kernel against reference; every cell of the real books; long fuzzing of the REST; and on each database kills during closes,
# imports and postings, the outbox's own fault test, every fault of every gateway, and of the bank. Report: docs/soak/.
# Sizes: docs/settings.md. With file names only those tests run, on SQLite.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" DJANGO_SETTINGS_MODULE=tideover.web.settings
export TIDEOVER_SHARED="${TIDEOVER_SHARED:-$PWD/../shared}"
export TIDEOVER_RANDOM_LOANS="${TIDEOVER_RANDOM_LOANS:-100000}" TIDEOVER_FUZZ_REQUESTS="${TIDEOVER_FUZZ_REQUESTS:-100000}"
export TIDEOVER_KILLS="${TIDEOVER_KILLS:-20}" TIDEOVER_OUTBOX_KILLS="${TIDEOVER_OUTBOX_KILLS:-20}"
export TIDEOVER_FAULT_MESSAGES="${TIDEOVER_FAULT_MESSAGES:-40}" TIDEOVER_FAULT_KILLS="${TIDEOVER_FAULT_KILLS:-15}"
TIDEOVER_HOME="$(mktemp -d)"; export TIDEOVER_HOME
trap 'rm -rf "$TIDEOVER_HOME"' EXIT
mkdir -p docs/soak
report="docs/soak/$(date -u +%Y-%m-%d).txt"
run() { python -m pytest -m "" -p no:cacheprovider -rP --durations=5 "$@"; }
on_each() { run "$@"; python scripts/with_postgres.py python -m pytest -m "" -p no:cacheprovider -rP --durations=5 "$@"; }
all() {
  run -n 2 tests/engine/test_kernel.py
  run tests/real_books
  run -m soak tests/web/test_api_fuzz.py
  on_each tests/daily/test_kill.py tests/lending/test_import_killed.py tests/accounting/test_kill.py tests/contact/test_faults.py
  on_each -m soak tests/contact/channels/test_end_to_end.py
  on_each -m soak tests/lending/debits/test_faults.py tests/lending/statements
}
{
  echo "commit $(git rev-parse --short HEAD); random loans $TIDEOVER_RANDOM_LOANS; kills $TIDEOVER_KILLS;" \
    "fuzzed requests $TIDEOVER_FUZZ_REQUESTS; messages a fault $TIDEOVER_FAULT_MESSAGES"
  if [ $# -gt 0 ]; then run "$@"; else all; fi
} 2>&1 | grep -v "^$" | sed "s|$PWD|.|g; s|/tmp/[^ ',]*|TMP|g" | tee "$report"
