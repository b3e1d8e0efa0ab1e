# SPDX-License-Identifier: MIT
"""nginx and HAProxy for a minute each, in kernel mode (proxies.py). Begun before all other tests, as the other long waits."""

import re

import pytest
from proxies import HAPROXY, HAPROXY_ORIGINS, NGINX, NGINX_ORIGINS, PORTS


@pytest.mark.parametrize("long_wait", ["proxies"])
def test_for_a_minute(long_waits, long_wait):
    """No request fails, before the first origin has no port left, or after it, or when it has again. And there is no other
    failure to connect than that."""
    done, answers, (held, refused), log, status = long_waits(long_wait)
    for good, asked in done.values():
        assert good == asked > 0, done
    exhausted = {event["remote"] for event in status["ports_exhausted"] if event["count"] > 0}
    assert exhausted == {f"127.0.0.1:{origins[0]}" for origins in (NGINX_ORIGINS, HAPROXY_ORIGINS)}, status

    # nginx has had every port, and was refused then, as quickly as it asked
    failures = re.findall(r"connect\(\) to 127\.0\.0\.1:(\d+) failed \((\d+):", log)
    assert {*failures} == {(str(NGINX_ORIGINS[0]), "99")}
    assert answers[NGINX_ORIGINS[0]] >= len(PORTS)
    elsewhere = sum(answers[port] for port in NGINX_ORIGINS[1:])
    assert elsewhere <= len(failures) <= elsewhere + 100, (answers, len(failures))  # some were on their way as wrk ended
    assert done[NGINX][0] <= sum(answers[port] for port in NGINX_ORIGINS) <= done[NGINX][0] + 100

    # HAProxy went on while others had its ports
    assert refused > 0 and held > len(PORTS) - 100, (held, refused)
    assert all(answers[port] > 0 for port in HAPROXY_ORIGINS)
    assert done[HAPROXY][0] <= sum(answers[port] for port in HAPROXY_ORIGINS) <= done[HAPROXY][0] + 100
