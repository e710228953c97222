#!/usr/bin/env bash
# Everything that must hold, cheap checks first. `scripts/check.sh lint` stops after the cheap ones.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" DJANGO_SETTINGS_MODULE=tideover.web.settings
export TIDEOVER_SHARED="${TIDEOVER_SHARED:-$PWD/../shared}"
TIDEOVER_HOME="$(mktemp -d)"; export TIDEOVER_HOME
trap 'rm -rf "$TIDEOVER_HOME"' EXIT
step() { printf '\n== %s\n' "$*"; }

step lint; ruff check src tests scripts; ruff format --check --quiet src tests scripts || { echo "run: ruff format src tests scripts"; exit 1; }
step types; mypy
step imports; lint-imports --no-cache
step migrations; django-admin makemigrations --check --dry-run
[ "${1:-}" = lint ] && exit 0
step "the engine, not compiled"; NUMBA_DISABLE_JIT=1 TIDEOVER_RANDOM_LOANS=160 python -W error -m pytest -n 2 -p no:cacheprovider tests/engine
step "everything, compiled"; python -m pytest -n 2 --dist loadfile -m "not soak"
step "journal, day and peers on PostgreSQL"
python scripts/with_postgres.py python -m pytest -p no:cacheprovider tests/lending tests/peers_book tests/daily
