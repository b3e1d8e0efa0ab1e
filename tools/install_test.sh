#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs into an empty folder, builds a program outside against what lies there, and uninstalls.
set -eu
cd "$(dirname "$0")/.."

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make install DESTDIR="$root" PREFIX=/usr

lib=$root/usr/lib
export PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
version=$(pkg-config --modversion libberth)
read -ra compile < <(pkg-config --cflags libberth)
link=$(pkg-config --libs libberth)

expect() # WHAT WANTED FOUND
{
	[ "$2" = "$3" ] && return
	printf 'install: %s: wanted:\n%s\nfound:\n%s\n' "$1" "$2" "$3" >&2
	exit 1
}

expect "files" "bin/berth
include/berth.h
lib/libberth.a
lib/libberth.so
lib/libberth.so.${version%%.*}
lib/libberth.so.$version
lib/pkgconfig/libberth.pc
lib/systemd/system/berth.service
share/doc/berth/berth-alerts.yml
share/doc/berth/berth-dashboard.json
share/doc/berth/berth.conf
share/man/man1/berth.1
share/man/man3/libberth.3
share/man/man5/berth.conf.5
share/man/man7/berth-http.7" "$(cd "$root/usr" && find . ! -type d -printf '%P\n' | LC_ALL=C sort)"
expect "soname" "libberth.so.${version%%.*}" "$(objdump -p "$lib/libberth.so" | awk '$1 == "SONAME" { print $2 }')"
unit=$lib/systemd/system/berth.service
expect "the service's program" "ExecStart=/usr/bin/berth daemon" "$(grep ExecStart "$unit")"
sed "s|/usr/bin|$root/usr/bin|" "$unit" >"$root/berth.service"
systemd-analyze verify --man=no "$root/berth.service"
expect "berth --version" "berth $version" "$("$root/usr/bin/berth" --version)"

# What the header declares is what the library exports. Inline functions are the header's own.
gcc -x c -fsyntax-only -aux-info "$root/prototypes" "$root/usr/include/berth.h"
declared=$(sed -nE 's|.*/berth\.h:.*\*/ extern [^(]*\b(berth_\w+) \(.*|\1|p' "$root/prototypes" | LC_ALL=C sort -u)
expect "exports" "$declared" "$(nm -D --defined-only "$lib/libberth.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' |
	LC_ALL=C sort)"

# try NAME LIBRARIES COMPILER...: builds the program outside and runs it.
try()
{
	local name=$1 libraries=$2

	echo "== $name"
	# shellcheck disable=SC2086 # the libraries are words
	"${@:3}" -Wall -Wextra -Werror -pedantic "${compile[@]}" tests/install/outside.c -x none $libraries -o "$root/$name"
	LD_LIBRARY_PATH=$lib "$root/$name"
}

try c-shared "$link" gcc -std=c11
try c-static "$lib/libberth.a" clang -std=c11
try c++-shared "$link" g++ -std=c++17 -x c++
try c++-static "$lib/libberth.a" clang++ -std=c++17 -x c++
objdump -p "$root/c-shared" | grep -q "NEEDED *libberth.so.${version%%.*}$"

make uninstall DESTDIR="$root" PREFIX=/usr
expect "files left by uninstall" "" "$(find "$root/usr" ! -type d)"
