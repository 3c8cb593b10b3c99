#!/usr/bin/python3
"""Memory that an idle pair of connections costs a proxy, after one prepared statement each, and whether the pairs are
still served.

The figure is the growth of the proxy's own memory between a tenth of the pairs and all of them, so that what is there
once (buffers, pools, caches, mappings that had not been touched) is not taken for the pairs'. Mappings of files do not
count: the journal of the trail belongs to the page cache and grows with the statements.

Prints a table and appends JSON lines to build/bench/idle.jsonl. README.md beside this file says how to read both.
"""
import argparse
import resource
import time

import contenders
from contenders import harness, say
from load import Load
from runner import Report, show

ORDER = 'floor,ringfence-bare,ringfence,ringfence-full,pgbouncer,haproxy,nginx'


def own_bytes(contender):
    pids = [contender.pid] + (list(contenders.children(contender.pid)) if contender.tree else [])
    return sum(harness.own_memory(pid) for pid in pids)


def settled(contender):
    """The same when it does not change any more: allocators give back what they have too much of a little later."""
    last, same = own_bytes(contender), 0
    for _ in range(60):
        time.sleep(0.25)
        now = own_bytes(contender)
        same = same + 1 if abs(now - last) <= 64 * 1024 else 0
        last = now
        if same == 6:
            break
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='500 pairs: an impression, no result')
    parser.add_argument('--pairs', default='2000,10000', help='(2000,10000); as many as the open-file limit admits')
    parser.add_argument('--contenders', default=ORDER)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pairs = '500'
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    report = Report('idle')
    directory = harness.work_directory('bench-idle')
    backend = contenders.start_backend(10)
    try:
        for wanted in (int(text) for text in arguments.pairs.split(',')):
            pairs = min(wanted, (files - 200) // 2)
            if pairs < wanted:
                say('the open-file limit of %d admits %d pairs in place of %d' % (files, pairs, wanted))
            results = {}
            for name in arguments.contenders.split(','):
                place = directory / ('%s-%d' % (name, pairs))
                place.mkdir()
                started = []
                makers = contenders.makers(place, backend.port)
                makers['pgbouncer'] = lambda: contenders.start_pgbouncer(place / 'pgbouncer', backend.port, auth='trust')
                makers['haproxy'] = lambda: contenders.start_haproxy(place / 'haproxy', backend.port, connections=pairs + 50)
                contenders.start_all([name], makers, started)
                for one in started:
                    try:
                        Load(one, 'clients', 50, 0.3, 'SELECT 1', mode=['prepared']).go()  # What the first ones cost alone.
                        first = Load(one, 'clients', pairs // 10, 1, 'SELECT 1', mode=['prepared'])
                        before = settled(one)
                        rest = Load(one, 'clients', pairs - pairs // 10, 1, 'SELECT 1', mode=['prepared'])
                        held = settled(one)
                        served = rest.go()
                        first.go()
                        each = (held - before) / (pairs - pairs // 10)
                        results[one.name] = [{'pair_bytes': each, 'queries': served['rounds']}]
                    finally:
                        one.close()
            show(report, '%d pairs' % pairs, results, [('pair_bytes', 'B/pair', '%.0f'), ('queries', 'in 1 s', '%.0f')])
    finally:
        backend.close()
        harness.remove(directory)
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
