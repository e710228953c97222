#!/usr/bin/env bash
# The long runs: many random loans, kernel against reference; kills during a close; long fuzzing of the REST;
# every fault of every gateway. Report: docs/soak/.
# Sizes: TIDEOVER_RANDOM_LOANS, TIDEOVER_KILLS, TIDEOVER_FUZZ_REQUESTS. With file names only those tests run.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" DJANGO_SETTINGS_MODULE=tideover.web.settings
export TIDEOVER_SHARED="${TIDEOVER_SHARED:-$PWD/../shared}"
export TIDEOVER_RANDOM_LOANS="${TIDEOVER_RANDOM_LOANS:-100000}" TIDEOVER_KILLS="${TIDEOVER_KILLS:-20}"
export TIDEOVER_FUZZ_REQUESTS="${TIDEOVER_FUZZ_REQUESTS:-100000}"
TIDEOVER_HOME="$(mktemp -d)"; export TIDEOVER_HOME
trap 'rm -rf "$TIDEOVER_HOME"' EXIT
mkdir -p docs/soak
report="docs/soak/$(date -u +%Y-%m-%d).txt"
{
  echo "commit $(git rev-parse --short HEAD); random loans $TIDEOVER_RANDOM_LOANS; kills $TIDEOVER_KILLS; fuzzed requests $TIDEOVER_FUZZ_REQUESTS"
  python -m pytest -n 2 -p no:cacheprovider -rP --durations=5 "${@:-tests/engine/test_kernel.py}"
  if [ $# -eq 0 ]; then python -m pytest -p no:cacheprovider -m soak -rP tests/web/test_api_fuzz.py tests/contact/channels/test_end_to_end.py; fi
} 2>&1 | grep -v "^$" | sed "s|$PWD|.|g; s|/tmp/[^ ',]*|TMP|g" | tee "$report"
