#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every test, stage by stage ('make check'); stages that do not need each other run side by side. A stage that fails does
# not stop the next one; only a build that fails does. The last line counts, and a stage that ran nothing has failed.
# What a stage printed is in build/check/.
set -u
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL # each make below is its own

readonly LOGS=build/check
JOBS=$(nproc)
readonly JOBS
all_passed=0 all_failed=0 all_skipped=0 number=0
titles=() counters=() logs=() pids=() # of the stages that run
began=0
mkdir -p $LOGS
rm -f $LOGS/*
chmod 1777 $LOGS # some tests run as nobody

# Counters. Each reads what the stage printed and prints "PASSED FAILED SKIPPED".

count_whole()
{
	echo "$((STATUS == 0)) $((STATUS != 0)) 0"
}

count_marked() # lines of each()
{
	echo "$(grep -c '^ok [^ ]' "$1") $(grep -c '^FAILED [^ ]' "$1") $(grep -c '^SKIPPED [^ ]' "$1")"
}

count_cmocka() # a program that crashed or ran no test counts as one failure
{
	awk '/^FAILED / { bad++ }
	     /\[  PASSED  \] [0-9]+ test/ { passed += $4 }
	     /\[  FAILED  \] [0-9]+ test/ { failed += $4 }
	     /\[  SKIPPED \] [0-9]+ test/ { skipped += $4 }
	     END { print passed + 0, (failed > bad ? failed : bad) + 0, skipped + 0 }' "$1"
}

count_pytest() # its closing line: "1 failed, 20 passed, 1 skipped, 1 error in 3.21s"
{
	awk '/ in [0-9.]+s/ { line = $0 }
	     END {
		n = split(line, word, /[ ,]+/)
		for (i = 2; i <= n; i++) {
			if (word[i] == "passed") passed = word[i - 1]
			if (word[i] ~ /^(failed|errors?)$/) failed += word[i - 1]
			if (word[i] == "skipped") skipped = word[i - 1]
		}
		print passed + 0, failed + 0, skipped + 0
	     }' "$1"
}

# Ends a process and all that it has started; of this one, all but itself. What a script runs in the background does not
# hear of Ctrl-C.
end_tree()
{
	local child children

	children=$(pgrep -P "$1")
	[ "$1" -eq $$ ] || kill "$1" 2>/dev/null
	for child in $children; do
		end_tree "$child"
	done
}
trap 'end_tree $$; exit 130' INT TERM

# begin TITLE COUNTER COMMAND [ARGUMENT...]: starts a stage, beside those that were begun before.
begin()
{
	local log

	number=$((number + 1))
	log=$LOGS/$(printf %02d $number)-${1//[^a-zA-Z0-9]/-}
	titles+=("$1") counters+=("$2") logs+=("$log")
	shift 2
	{
		"$@" >"$log" 2>&1 </dev/null
		echo "$? $SECONDS" >"$log.status"
	} &
	pids+=($!)
}

# settle: waits for the stages that were begun, and counts them. Its status is that of the last.
settle()
{
	local i status=0

	for i in "${!titles[@]}"; do
		printf '%-58s' "${titles[i]}"
		wait "${pids[i]}"
		report "${counters[i]}" "${logs[i]}"
		status=$?
	done
	titles=() counters=() logs=() pids=()
	began=$SECONDS
	return $status
}

report()
{
	local counter=$1 log=$2 passed failed skipped ended

	read -r STATUS ended <"$log.status"
	rm "$log.status"
	read -r passed failed skipped < <($counter "$log")
	if [ "$STATUS" -ne 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
	elif [ $((passed + failed)) -eq 0 ]; then
		echo "no test ran" >>"$log"
		failed=1
	fi
	printf '%4d passed' "$passed"
	[ "$failed" -eq 0 ] || printf ', %d FAILED' "$failed"
	[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
	printf ' (%d s)\n' $((ended - began))
	grep '^SKIPPED ' "$log" | sed 's/^/    /'
	[ "$failed" -eq 0 ] || tail -n 60 "$log" | sed 's/^/    /'
	all_passed=$((all_passed + passed))
	all_failed=$((all_failed + failed))
	all_skipped=$((all_skipped + skipped))
	[ "$failed" -eq 0 ]
}

stage()
{
	begin "$@"
	settle
}

closing_line()
{
	printf '\n%d passed, %d failed, %d skipped\n' $all_passed $all_failed $all_skipped
	[ $all_failed -eq 0 ]
	exit
}

build()
{
	make -j "$JOBS" all tests benches "$@"
}

# The programs that make builds from these sources: programs BUILD SOURCE...
programs()
{
	local source

	for source in "${@:2}"; do
		[ ! -e "$source" ] || echo "$1/${source%.c}"
	done
}

# each SECONDS PROOF ARGUMENTS PROGRAM...: every program by itself. Status 0 is a pass if a line matches PROOF
# (a test program may exit with 0 though it ran no test), 77 a skip, with its reason in the last line.
each()
{
	local limit=$1 proof=$2 arguments=$3 program said status bad=0

	for program in "${@:4}"; do
		# shellcheck disable=SC2086 # the arguments are words
		said=$(timeout -k 5 "$limit" "$program" $arguments 2>&1)
		status=$?
		printf '== %s\n%s\n' "$program" "$said"
		if [ "$status" -eq 77 ]; then
			echo "SKIPPED $program: ${said##*$'\n'}"
		elif [ "$status" -eq 0 ] && grep -q "$proof" <<<"$said"; then
			echo "ok $program"
		else
			echo "FAILED $program: status $status"
			bad=1
		fi
	done
	return "$bad"
}

unit_tests()
{
	local wanted

	mapfile -t wanted < <(programs "$1" tests/*/*_test.c)
	each 300 'Running [1-9][0-9]* test' "" "${wanted[@]}"
}

fuzzers()
{
	local wanted

	mapfile -t wanted < <(programs build tests/fuzz/*_fuzz.c)
	each 120 '^Done [1-9][0-9]* runs' "-runs=200000 -max_total_time=20 -artifact_prefix=$LOGS/" "${wanted[@]}"
}

kernel_facts()
{
	local wanted

	mapfile -t wanted < <(programs build tests/kernel/*.c)
	each 60 "" "" "${wanted[@]}"
}

system_tests() # BERTH [ARGUMENT...]
{
	BERTH=$1 timeout -k 5 3600 /usr/bin/python3 -m pytest -q -rsfE --tb=short -p no:cacheprovider "${@:2}" tests/system
}

page_in_browser()
{
	timeout -k 5 300 /usr/bin/python3 -m pytest -q -rsfE --tb=short -p no:cacheprovider tests/browser
}

no_browser()
{
	echo "SKIPPED the page in a browser: this distribution has no package of Chromium (a snap is none)"
}

# The supervisor has no stderr, and if it dies its program runs on: what a sanitizer finds must go to a file.
# What runs on stock Linux, to compare with, was run already; what is steered in kernel mode, the daemon's loads, the hammers, the
# proxies' minute and the verifier are the kernel's work.
system_tests_sanitized()
{
	# LeakSanitizer cannot work in what strace traces; it has had its say in the unit tests. A SIGSEGV that is sent is a finding to
	# ASan, as one of the program's own has to be.
	local options=detect_leaks=0:log_path=$PWD/$LOGS/sanitizer status

	ASAN_OPTIONS=$options UBSAN_OPTIONS=$options:print_stacktrace=1 system_tests build/asan/berth --deselect "tests/system/test_supervisor_death.py::test_supervisor_dies_under_load[SIGSEGV]" -k "not stock and not kernel-mode and not daemon_under_load and not test_hammer and not test_proxies and not test_verifier"
	status=$?
	if compgen -G "$LOGS/sanitizer.*" >/dev/null; then
		cat "$LOGS"/sanitizer.*
		status=1
	fi
	return "$status"
}

stage "build: gcc" count_whole build CC=gcc || closing_line
stage "build: clang, ASan, UBSan" count_whole build CC=clang BUILD=build/asan SANITIZE=1 || closing_line
stage "build: fuzzers" count_whole make -j "$JOBS" fuzzers || closing_line
begin "layers: who may know whom" count_whole make layers
begin "unit tests: gcc" count_cmocka unit_tests build
begin "unit tests: clang, ASan, UBSan" count_cmocka unit_tests build/asan
begin "kernel facts" count_marked kernel_facts
settle
begin "fuzzers: some seconds each" count_marked fuzzers
begin "real programs" count_pytest system_tests build/berth
begin "real programs: ASan, UBSan" count_pytest system_tests_sanitized
settle
if command -v chromedriver >/dev/null; then
	stage "the page in Chromium" count_pytest page_in_browser
else
	stage "the page in Chromium" count_marked no_browser
fi
stage "install, and a program outside" count_whole tools/install_test.sh
stage "demo" count_whole build/berth demo
closing_line
