import sys
sys.path.insert(0, "/work/wt-review/tests/system")
from test_never_worse import *
import test_never_worse as T
MINE = {
 "source poisoned": ("""
R = struct.pack("ii", 1, 0)
each(PORTS, lambda i: connect(7001, ("127.0.0.9", 0), NO_PORT))
each(1, lambda i: connect(7001))
held[0].setsockopt(1, LINGER, R); held[0].close()
each(1, lambda i: connect(7001, ("127.0.0.9", 0), NO_PORT))
each(PORTS - 1, lambda i: connect(7001))
""", [100, 1, 1, 99]),
 "mapped any listens, bind specific": ("""
def l6(p):
    s = made(family=socket.AF_INET6); s.bind(("::ffff:0.0.0.0", p)); s.listen(1)
for i in range(80): l6(FIRST + i)
each(20, lambda i: bind("127.0.0.1"))
""", [20]),
 "specific listens, bind mapped any": ("""
for i in range(80): listen("127.0.0.1", FIRST + i)
def b6(i):
    s = made(family=socket.AF_INET6); s.bind(("::ffff:0.0.0.0", 0))
each(20, b6)
""", [20]),
}
@pytest.mark.parametrize("case", MINE)
def test_mine(world, prefix, case):
    program, stock = MINE[case]
    told = run(world, prefix, program)
    print(prefix, told)
    judge(prefix, told, stock)

def test_reserved(world, prefix):
    world.sysctl("ipv4.ip_local_reserved_ports", "40050-40059")
    text = """
R = struct.pack("ii", 1, 0)
for i in range(90): connect(7001)
mine = []
for p in range(40050, 40060):
    s = made(REUSE); s.bind(("127.0.0.1", p)); s.connect(("127.0.0.1", 7001)); mine.append(s)
try: connect(7001); told.append("got")
except OSError: pass
try: connect(7001); told.append("got")
except OSError: pass
for s in mine: s.setsockopt(1, LINGER, R); s.close()
for i in range(5):
    s = made()
    try: s.connect(("127.0.0.1", 7001)); told.append(s.getsockname()[1])
    except OSError: told.append(0)
"""
    told = run(world, prefix, text)
    assert told == [0]*5, told
