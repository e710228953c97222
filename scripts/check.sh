#!/usr/bin/env bash
# Everything that must hold, cheap checks first. `scripts/check.sh lint` stops after the cheap ones.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" DJANGO_SETTINGS_MODULE=tideover.web.settings
export TIDEOVER_SHARED="${TIDEOVER_SHARED:-$PWD/../shared}"
TIDEOVER_HOME="$(mktemp -d)"; export TIDEOVER_HOME
trap 'rm -rf "$TIDEOVER_HOME"' EXIT
step() { printf '\n== %s\n' "$*"; }

# The types take a core for a while; the other cheap checks take the other one meanwhile.
mypy > "$TIDEOVER_HOME/types" 2>&1 & types=$!
step lint; ruff check src tests scripts; ruff format --check --quiet src tests scripts || { echo "run: ruff format src tests scripts"; exit 1; }
step imports; lint-imports --no-cache
step migrations; django-admin makemigrations --check --dry-run
step types; wait "$types" || { cat "$TIDEOVER_HOME/types"; exit 1; }
tail -1 "$TIDEOVER_HOME/types"
[ "${1:-}" = lint ] && exit 0

# For what compiled code hides: an overflow wraps and an index out of range reads rubbish there, and both stop plain Python.
step "the engine, not compiled"; NUMBA_DISABLE_JIT=1 TIDEOVER_RANDOM_LOANS=160 python -W error -m pytest -n 2 -p no:cacheprovider tests/engine

# Every test once, on SQLite. A file stays with one worker (its module's books are built once); long files come first (tests/conftest.py).
step "everything, on SQLite"; python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak"

# For what the two databases do differently: locks and races of real processes, triggers that refuse changes, chains under
# concurrent writers, bulk by COPY, kills in the middle of a transaction. Rules, pages and documents are not asked again.
step "journal, day, books, outbox, approvals and work on PostgreSQL"
python scripts/with_postgres.py python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" -p no:cacheprovider \
  --ignore-glob='*_pages.py' --ignore-glob='*/test_pages.py' --ignore-glob='*/test_rules.py' --ignore-glob='*/test_readers.py' \
  --ignore-glob='*/test_documents.py' --ignore-glob='*/test_payer_names.py' --ignore-glob='*/test_publishing.py' \
  --deselect 'tests/lending/debits/test_faults.py::test_never_two_takes_never_a_lost_one[file-mix]' \
  tests/lending tests/peers_book tests/daily tests/core tests/accounting/test_kill.py tests/accounting/test_posting.py \
  tests/contact/test_workers.py tests/contact/test_outbox.py tests/contact/test_verdicts.py \
  "tests/contact/test_faults.py::test_killed_again_and_again_by_three_workers_against_a_faulty_gateway[faulty]" \
  "tests/contact/channels/test_end_to_end.py::test_nothing_is_doubled_and_nothing_misreported[smpp-mix restart]"
