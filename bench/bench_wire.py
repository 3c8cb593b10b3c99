#!/usr/bin/python3
"""CPU a query of each proxy with nothing else in the way: a server that answers without working, clients that saturate
the proxy, answers of 100 bytes to 256 KB. The floor is a bare io_uring relay that inspects nothing.

With --controls each size is measured under several TCP congestion controls (as root; the machine's own is set again).

Prints a table and appends JSON lines to build/bench/wire.jsonl. README.md beside this file says how to read both.
"""
import argparse
import contextlib
import pathlib

import contenders
from contenders import harness
from load import LOAD_CORE, PROXY_CORE, queries
from runner import Report, interleave, show

ORDER = 'floor,ringfence-bare,ringfence,ringfence-full,pgbouncer,haproxy,nginx'


PEERS = ('pgbouncer', 'haproxy', 'nginx')
CONTROL = pathlib.Path('/proc/sys/net/ipv4/tcp_congestion_control')


@contextlib.contextmanager
def congestion_control():
    """use(name): what TCP connections of this machine begin with from now on; None leaves it as it is."""
    before = CONTROL.read_text()

    def use(name):
        if name is not None:
            CONTROL.write_text(name)
    try:
        yield use
    finally:
        if CONTROL.read_text() != before:
            CONTROL.write_text(before)


def measure(report, arguments, place, control, size):
    place.mkdir()
    backend = contenders.start_backend(int(size))
    started = []
    try:
        if LOAD_CORE is not None:
            backend.pin(LOAD_CORE)
        makers = contenders.makers(place, backend.port)
        if arguments.before:
            makers.update(contenders.makers_before(place, backend.port, arguments.before))
        # The fake server lets anybody in.
        makers['pgbouncer'] = lambda: contenders.start_pgbouncer(place / 'pgbouncer', backend.port, auth='trust')
        contenders.start_all(arguments.contenders.split(','), makers, started)
        for one in started:
            if LOAD_CORE is not None and one.pid:
                one.pin(PROXY_CORE)
        peers = [one.name for one in started if one.name in PEERS]
        before = [one.name for one in started if one.name.startswith('before-')]
        for mode in arguments.modes.split(','):
            for clients in arguments.clients.split(','):
                case = '%s/%s/%sB%s' % (mode, clients, size, '/' + control if control else '')
                for one in started:
                    queries(one, mode, clients, 0.3, core=LOAD_CORE)
                results = interleave(case, started, arguments.rounds, lambda one: queries(
                    one, mode, clients, arguments.seconds, core=LOAD_CORE))
                show(report, case, results, [('cpu_us', 'us/query', '%.1f'), ('rate', 'queries/s', '%.0f')],
                     [(name, 'cpu_us') for name in ['floor'] + peers + before])
    finally:
        for one in started:
            one.close()
        backend.close()
        harness.remove(place)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--seconds', type=float, default=2, help='length of a run (2)')
    parser.add_argument('--rounds', type=int, default=5, help='runs of each case and contender (5)')
    parser.add_argument('--bytes', default='100,1000,16000,64000,256000', help='sizes of the answer (100,1000,...)')
    parser.add_argument('--clients', default='64', help='(64)')
    parser.add_argument('--modes', default='prepared', help='prepared, extended, simple (prepared)')
    parser.add_argument('--contenders', default=ORDER)
    parser.add_argument('--controls', default='', help="TCP congestion controls, as bbr,cubic (the machine's)")
    parser.add_argument('--before', metavar='BINARY', help='another build, to be compared as before-bare and before-full')
    arguments = parser.parse_args()
    if arguments.before and arguments.contenders == ORDER:
        arguments.contenders = 'floor,ringfence-bare,before-bare,ringfence-full,before-full'
    if arguments.quick:
        arguments.seconds, arguments.rounds = min(arguments.seconds, 1), 1
    report = Report('wire')
    directory = harness.work_directory('bench-wire')
    controls = arguments.controls.split(',') if arguments.controls else [None]
    with congestion_control() as use:
        for control in controls:
            use(control)
            for size in arguments.bytes.split(','):
                measure(report, arguments, directory / ('%s-%s' % (control, size)), control, size)
    harness.remove(directory)
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
