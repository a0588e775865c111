#!/usr/bin/env bash
# Loads the tap's output into warehouse.duckdb in the working directory, and prints the state, as a
# Singer target does:
#
#     nightly.sh load-duckdb.sh
#
# Needs a `python` with the package duckdb.
set -euo pipefail
sql=$(dirname "$0")/load-duckdb.sql

if [ ! -e warehouse.duckdb ] && [ -s state.json ] && [ "$(cat state.json)" != '{}' ]; then
  echo 'state.json belongs to another pipeline: there is no warehouse.duckdb next to it.' >&2
  echo 'Use another folder, or remove state.json to export everything.' >&2
  exit 1
fi

cat > croct.jsonl
python -c 'import sys, duckdb; duckdb.connect("warehouse.duckdb").execute(open(sys.argv[1]).read())' "$sql"
cat croct-state.json
