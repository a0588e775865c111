#!/usr/bin/env bash
# Runs tap-croct and a target, and keeps the state from run to run:
#
#     nightly.sh [--config FILE]... [--catalog FILE] TARGET [ARGUMENT]...
#     nightly.sh --config config.json --config privacy.json target-jsonl --config target.json
#
# What comes before the target is for the tap; without --config, it reads config.json. All files,
# state.json too, are in the working directory.
#
# If the target succeeds, the last state that it printed becomes state.json, even if the tap failed:
# the next run resumes after what was loaded. If the target fails, state.json stays as it was, and
# the next run exports the same again. Exits with the target's code, or with the tap's if that is 0.
set -euo pipefail

usage() {
  sed -n '/^# .*nightly.sh \[/s/^# */Usage: /p' "$0" >&2
  exit 2
}

configs=()
catalog=
while [[ ${1:-} == -* ]]; do
  case $1 in
    --config=* | --catalog=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    --config) configs+=(--config "${2?--config needs a file}"); shift 2 ;;
    --catalog) catalog=${2?--catalog needs a file}; shift 2 ;;
    *) usage ;;
  esac
done
[ $# -gt 0 ] || usage
[ ${#configs[@]} -gt 0 ] || configs=(--config config.json)

[ -e state.json ] || echo '{}' > state.json
codes=(0 0)
tap-croct "${configs[@]}" ${catalog:+--catalog "$catalog"} --state state.json | "$@" > states.jsonl || codes=("${PIPESTATUS[@]}")
if [ "${codes[1]}" -ne 0 ]; then exit "${codes[1]}"; fi

tail -n 1 states.jsonl > state.json.new
if [ -s state.json.new ]; then
  mv state.json.new state.json
elif [ "${codes[0]}" -eq 0 ]; then
  echo 'The target printed no state: the next run exports the same again.' >&2
  exit 1
fi
exit "${codes[0]}"
