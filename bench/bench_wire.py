#!/usr/bin/python3
"""CPU a query of each proxy with nothing else in the way: a server that answers without working, clients that saturate
the proxy, answers of 100 bytes to 256 KB. The floor is a bare io_uring relay that inspects nothing.

Prints a table and appends JSON lines to build/bench/wire.jsonl. README.md beside this file says how to read both.
"""
import argparse

import contenders
from contenders import harness
from load import LOAD_CORE, PROXY_CORE, queries
from runner import Report, interleave, show

ORDER = 'floor,ringfence-bare,ringfence,ringfence-full,pgbouncer,haproxy,nginx'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--seconds', type=float, default=2, help='length of a run (2)')
    parser.add_argument('--rounds', type=int, default=5, help='runs of each case and contender (5)')
    parser.add_argument('--bytes', default='100,1000,16000,64000,256000', help='sizes of the answer (100,1000,...)')
    parser.add_argument('--clients', default='64', help='(64)')
    parser.add_argument('--modes', default='prepared', help='prepared, extended, simple (prepared)')
    parser.add_argument('--contenders', default=ORDER)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.rounds = min(arguments.seconds, 1), 1
    report = Report('wire')
    directory = harness.work_directory('bench-wire')
    for size in arguments.bytes.split(','):
        place = directory / size
        place.mkdir()
        backend = contenders.start_backend(int(size))
        started = []
        try:
            if LOAD_CORE is not None:
                backend.pin(LOAD_CORE)
            makers = contenders.makers(place, backend.port)
            # The fake server lets anybody in.
            makers['pgbouncer'] = lambda: contenders.start_pgbouncer(place / 'pgbouncer', backend.port, auth='trust')
            contenders.start_all(arguments.contenders.split(','), makers, started)
            for one in started:
                if LOAD_CORE is not None and one.pid:
                    one.pin(PROXY_CORE)
            for mode in arguments.modes.split(','):
                for clients in arguments.clients.split(','):
                    case = '%s/%s/%sB' % (mode, clients, size)
                    for one in started:
                        queries(one, mode, clients, 0.3, core=LOAD_CORE)
                    results = interleave(case, started, arguments.rounds, lambda one: queries(
                        one, mode, clients, arguments.seconds, core=LOAD_CORE))
                    show(report, case, results, [('cpu_us', 'us/query', '%.1f'), ('rate', 'queries/s', '%.0f')],
                         [('floor', 'cpu_us'), ('pgbouncer', 'cpu_us')])
        finally:
            for one in started:
                one.close()
            backend.close()
            harness.remove(place)
    harness.remove(directory)
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
