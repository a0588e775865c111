#!/usr/bin/env bash
# Runs the tap and a target, and keeps the target's last state for the next run:
#
#     docs/nightly.sh target-jsonl --config target.json
#
# Needs config.json in the working directory. Whatever fails, state.json stays as it was, and the
# next run repeats what this one did not finish.
set -euo pipefail

[ -s state.json ] || echo '{}' > state.json
tap-croct --config config.json --state state.json | "$@" > states.jsonl
tail -n 1 states.jsonl > state.json.new
[ -s state.json.new ]
mv state.json.new state.json
