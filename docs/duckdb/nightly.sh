#!/usr/bin/env bash
# Brings what is new into warehouse.duckdb. Run it in the folder that has config.json, one run at a
# time; state.json is what connects one run with the next.
set -euo pipefail
sql=$(dirname "$0")/load.sql

[ -s state.json ] || echo '{}' > state.json
if [ ! -e warehouse.duckdb ] && [ "$(cat state.json)" != '{}' ]; then
  echo 'state.json belongs to another pipeline: there is no warehouse.duckdb beside it.' >&2
  echo 'Use a folder of its own, or remove state.json to export everything.' >&2
  exit 1
fi

# A failed export is loaded as far as it came, with the state that belongs to it; the script still
# ends with the tap's exit code.
code=0
tap-croct --config config.json --state state.json > croct.jsonl || code=$?

python -c 'import sys, duckdb; duckdb.connect("warehouse.duckdb").execute(open(sys.argv[1]).read())' "$sql"

if [ -s state.json.new ]; then mv state.json.new state.json; fi
exit "$code"
