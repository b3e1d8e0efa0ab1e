#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every program of bench/ ('make bench', 'make bench-quick'), one after another: what it prints, and its rows as
# BUILD/bench/results/NAME.json.
#
#   tools/bench.sh BUILD [--quick]
#
# Ends within LIMIT seconds, whatever happens: who is still at it then is ended, and the status is 1.
set -u
cd "$(dirname "$0")/.." || exit 1

readonly BUILD=$1 EFFORT=${2:-}
readonly RESULTS=$BUILD/bench/results
LIMIT=1200
[ -z "$EFFORT" ] || LIMIT=120
readonly LIMIT
failed=0

mkdir -p "$RESULTS"
rm -f "$RESULTS"/*.json

# run NAME COMMAND [ARGUMENT...]
run()
{
	local name=$1 began=$SECONDS

	shift
	printf '== %s\n' "$name"
	# A limit of 0 would be none.
	timeout --foreground -k 10 $((LIMIT > SECONDS ? LIMIT - SECONDS : 1)) "$@" ${EFFORT:+"$EFFORT"} \
		--json="$RESULTS/$name.json" || {
		echo "FAILED $name: status $?" >&2
		failed=1
	}
	printf '(%s: %d s)\n\n' "$name" $((SECONDS - began))
}

for source in bench/*.c; do
	name=$(basename "$source" .c)
	[[ $name == *_* ]] || run "$name" "$BUILD/bench/$name"
done
for name in governor proxies; do
	run "$name" "bench/$name.py" "$BUILD"
done
echo "all of it: $SECONDS s; rows in $RESULTS"
exit $failed
