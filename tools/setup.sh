#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that Berth's make targets need, and only those that are missing.
#
#   tools/setup.sh build|check|lint|bench...   silent and without network when nothing is missing
#
# Written for Debian 12 and Ubuntu 24.04 (the section "universe" must be enabled, as it is by default).
# Root installs; anybody else is told the one command to run, and the status is 1.
set -eu

# libFuzzer and the sanitizers live in a package named after the release's clang, the one name that differs.
clang_runtime()
{
	# shellcheck source=/dev/null
	case $(. /etc/os-release && echo "$ID $VERSION_ID") in
	"debian 12") echo libclang-rt-14-dev ;;
	"ubuntu 24.04") echo libclang-rt-18-dev ;;
	*) echo libclang-rt-dev ;;
	esac
}

# Debian has bpftool as a package of its own, Ubuntu with the kernel's tools.
bpftool_package()
{
	# shellcheck source=/dev/null
	case $(. /etc/os-release && echo "$ID") in
	ubuntu) echo linux-tools-generic ;;
	*) echo bpftool ;;
	esac
}

# Debian 12 comes with clang 14, which is older than what others will build Berth with.
newer_clang()
{
	# shellcheck source=/dev/null
	case $(. /etc/os-release && echo "$ID $VERSION_ID") in
	"debian 12") echo "check clang-19           the eBPF program, by a newer compiler" ;;
	esac
}

# Ubuntu has Chromium as a snap only, which needs more than a container has.
browser_packages()
{
	# shellcheck source=/dev/null
	case $(. /etc/os-release && echo "$ID") in
	ubuntu) ;;
	*)
		echo "check chromium           the page, in a browser"
		echo "check chromium-driver    drives it"
		;;
	esac
}

packages()
{
	cat <<END
build gcc                compiles everything
build libc6-dev          the C library's headers
build libseccomp-dev     berth run: the filter, and the notifications of bind and connect
build libmnl-dev         berth run: the dump of the kernel's sockets (sock_diag)
build libinih-dev        berth.conf: the format of systemd's units, in one small library
build clang              the eBPF program
build libbpf-dev         berth run --mode=kernel: loads it
build $(bpftool_package) berth run --mode=kernel: the header by which the loader carries it
build libjansson-dev     what --json prints
build libmicrohttpd-dev  berth daemon: metrics, the page
build libpng-dev         berth map --png
build libncurses-dev     berth top
check clang              the second compiler; sanitizers and fuzzers are built by it
check $(clang_runtime) clang's AddressSanitizer, UBSan and libFuzzer
check g++                the installed header must be good C++ as well
check pkgconf            a program outside is built against the installed library
check libcmocka-dev      unit tests
check python3            system tests, and the layers
check python3-pytest     system tests
$(newer_clang)
$(browser_packages)
check prometheus         promtool: the metrics and the alerts, by Prometheus's own account
check tmux               a terminal for berth top: of a size, resized, looked at
check iproute2           ip and ss: namespaces for the tests, and what they see
check util-linux         unshare, prlimit, setpriv, script: private namespaces and terminals
check procps             ps, pgrep: what is left behind
check systemd            systemd-analyze: the service's unit
check strace             a program that is traced and supervised at once
check curl               a client that binds its own address (--interface)
check wrk                many connections from an event loop
check hey                a Go program
check etcd-client        a Go program
check nginx              a proxy that binds (proxy_bind)
check haproxy            a proxy that binds (source)
check gnuplot-nox        berth sim --plot: draws where it is installed
check redis-server       a server to connect to
check redis-tools        redis-benchmark: many connections at once
bench liblwip-dev        lwIP's own choice of a port, next to ours (without it bench/core says so in the row)
bench python3            the proxies and the governor
bench iproute2           ip: namespaces and what connects them
bench util-linux         unshare, nsenter: the same
bench wrk                the proxies' load
bench nginx              a proxy that closes first, and the origin
bench haproxy            a proxy that resets
lint clang-format-14     one format for everybody: the version is fixed, others format differently
lint clang-tidy-14       static checks: the version is fixed, others know more or fewer
lint cppcheck            static checks by another mind
lint mandoc              the manual pages
lint shellcheck          the scripts
END
}

# The lines of these groups whose package is not installed.
missing()
{
	local group package reason names=() installed

	while read -r group package reason; do
		[[ " $* " != *" $group "* ]] || names+=("$package")
	done < <(packages)
	installed=$(dpkg-query -W -f='${Package} ${db:Status-Status} ' "${names[@]}" 2>/dev/null) || true
	while read -r group package reason; do
		[[ " $* " != *" $group "* || " $installed" == *" $package installed "* ]] ||
			printf '%s %s\n' "$package" "$reason"
	done < <(packages)
}

# The servers are here to be started by the tests. Debian starts a service as it installs it, unless
# policy-rc.d says no (an existing one is somebody's decision: it stays), and enables it for the next boot.
readonly SERVICES="nginx haproxy redis-server prometheus"
readonly POLICY=/usr/sbin/policy-rc.d

install_packages()
{
	local service

	if [ ! -e $POLICY ]; then
		trap 'rm -f $POLICY' EXIT
		trap 'exit 1' INT TERM HUP
		printf '#!/bin/sh\nexit 101\n' >$POLICY
		chmod 755 $POLICY
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@"
	for service in $SERVICES; do
		[[ " $* " != *" $service "* ]] || systemctl --quiet disable "$service" 2>/dev/null || true
	done
}

if [ $# -eq 0 ]; then
	echo "usage: tools/setup.sh build|check|lint|bench..." >&2
	exit 2
fi
for group; do
	case $group in
	build | check | lint | bench) ;;
	*)
		echo "tools/setup.sh: no group '$group': build, check, lint or bench" >&2
		exit 2
		;;
	esac
done
if ! command -v dpkg-query >/dev/null; then
	echo "tools/setup.sh: no dpkg here: this script knows Debian and Ubuntu; its table says what to install" >&2
	exit 1
fi

lines=$(missing "$@")
[ -n "$lines" ] || exit 0
mapfile -t wanted < <(cut -d' ' -f1 <<<"$lines")
echo "Berth needs these packages of your distribution:"
while read -r package reason; do
	printf '  %-20s %s\n' "$package" "$reason"
done <<<"$lines"
if [ "$(id -u)" -ne 0 ]; then
	echo "Run this, then again what you ran:" >&2
	echo "  sudo $(realpath --relative-to=. "$0") $*" >&2
	exit 1
fi
echo "Installing them."
install_packages "${wanted[@]}"
