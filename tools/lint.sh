#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Static checks ('make lint'): each goes on after another one failed; the status says whether all were content.
set -u
cd "$(dirname "$0")/.." || exit 1

JOBS=$(nproc)
failed=0

mapfile -t folders < <(ls -d core wire config host view sim supervise daemon cli bench tests 2>/dev/null)
mapfile -t sources < <(find "${folders[@]}" -name '*.c' ! -name '*.bpf.c' | sort)
mapfile -t headers < <(find "${folders[@]}" -name '*.h' | sort)
mapfile -t pages < <(ls man/*.[1-8])

step()
{
	local start=$SECONDS title=$1

	shift
	if "$@"; then
		echo "ok      $title ($((SECONDS - start)) s)"
	else
		echo "FAILED  $title"
		failed=1
	fi
}

tidy()
{
	# clang-tidy counts on stderr what it does not show; its findings are on stdout.
	# Where there is no lwIP, bench/core_lwip.c is what says so.
	printf '%s\0' "${sources[@]}" | xargs -0 -P "$JOBS" -n 4 sh -c \
		'clang-tidy-14 --quiet --config-file=.clang-tidy "$@" -- -iquote . -isystem build -isystem /usr/include/lwip -D_GNU_SOURCE -DBERTH_VERSION=\"lint\" -std=gnu11 2>build/tidy.$$ ||
		{ grep -v "warnings generated" build/tidy.$$; false; }' tidy
}

# It does not see the C library's headers, nor libbpf's (*.bpf.c). incompleteArrayFill: an IPv4 address fills a quarter of its array.
cppcheck_all()
{
	cppcheck --quiet -j "$JOBS" --std=c11 --language=c --enable=warning,performance,portability --inconclusive \
		--suppress=incompleteArrayFill --error-exitcode=1 -i tests/system/next_build.bpf.c -I . \
		-D_GNU_SOURCE -DBERTH_VERSION='""' "${folders[@]}"
}

manual_pages()
{
	mandoc -T lint -W warning "${pages[@]}" 2> >(grep -v "outdated mandoc.db" >&2)
}

# SC2317: functions that are called through their name in a variable look unreachable.
scripts()
{
	shellcheck -e SC2317 tools/*.sh .ci/run
}

make -s build/berth.h build/berth.skel.h build/trace.skel.h build/look.skel.h || exit 1 # tests/install and daemon include them
step "clang-format" clang-format-14 --dry-run -Werror "${sources[@]}" "${headers[@]}" bpf/*.c tests/system/*.bpf.c
step "clang-tidy, ${#sources[@]} files" tidy
step "cppcheck" cppcheck_all
step "mandoc, ${#pages[@]} pages" manual_pages
step "shellcheck" scripts
exit $failed
