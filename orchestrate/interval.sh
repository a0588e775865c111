#!/usr/bin/env bash
# Load one interval of the history through Meltano:
#
#     orchestrate/interval.sh 2026-01-01 2026-02-01
#
# The first date (or date-time) is inclusive, the second exclusive. No state is read or kept: to load
# an interval again, run it again. Any number of intervals can run at the same time, each in a temporary
# folder; run `meltano install` in the project before.
#
#     CROCT_TARGET    loader to run (default: target-postgres)
#     CROCT_MELTANO   Meltano's program (default: meltano)
set -euo pipefail

if [ $# -ne 2 ]; then
  echo "Usage: $0 START END" >&2
  exit 2
fi
cd "${MELTANO_PROJECT_ROOT:-$(dirname "${BASH_SOURCE[0]}")/..}"
installed=${MELTANO_SYS_DIR_ROOT:-$PWD/.meltano}

# Runs that share a folder remove each other's files. Only the plugins are shared.
folder=$(mktemp -d "${TMPDIR:-/tmp}/croct-interval.XXXXXX")
trap 'rm -rf "$folder"' EXIT
for kind in extractors loaders mappers; do
  ln -s "$installed/$kind" "$folder/$kind"
done

code=0
MELTANO_SYS_DIR_ROOT="$folder" \
MELTANO_DATABASE_URI="sqlite:///$folder/meltano.db" \
MELTANO_STATE_BACKEND_URI=systemdb \
TAP_CROCT_START_DATE="$1" \
TAP_CROCT_END_DATE="$2" \
  "${CROCT_MELTANO:-meltano}" run --no-install tap-croct "${CROCT_TARGET:-target-postgres}" || code=$?
if [ "$code" -ne 0 ]; then
  echo "Interval $1 to $2: failed" >&2
fi
exit "$code"
