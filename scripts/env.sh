#!/usr/bin/env bash
# Make .venv from the locked requirements and install the package in place.
set -euo pipefail
python=${1:-python3}
cd "$(dirname "$0")/.."
"$python" - <<'PY' || { echo "Tideover needs Python 3.11 or newer (PYTHON=/path/to/python3.11 make env)."; exit 1; }
import sys
raise SystemExit(sys.version_info < (3, 11))
PY
if [ ! -x .venv/bin/python ]; then
  "$python" -m venv .venv || { echo "python -m venv failed: on Debian run: apt-get install python3-venv"; exit 1; }
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
# Compile the replay kernel once; its cache is named by its sources, so a later change compiles again by itself.
.venv/bin/python -c "from tideover.engine import presets, replay; replay.schedule(presets.consumer_annuity(100, 1, 0, 2))"
# The font of documents; without it everything but documents works, and `tideover doctor` says so.
.venv/bin/python scripts/fonts.py > /dev/null || echo "Documents cannot be made until the font is there; everything else works."
touch .venv/.ready
