#!/usr/bin/python3
"""What deciding costs: nanoseconds for each decision, and pgbench -S through an appliance with policies and one without.

Prints tables and appends JSON lines to build/bench/policy.jsonl. README.md beside this file says what is compared.
"""
import argparse
import json
import os
import pathlib
import subprocess

import contenders
import pgbench
from contenders import ROOT, say
from runner import Report, interleave, show

DECISIONS = pathlib.Path(os.environ.get('RINGFENCE_POLICY_DECISIONS', ROOT / 'build/release/bench/policy_decisions'))


def decisions(report, quick):
    """The judge alone, in a process of its own."""
    done = subprocess.run([DECISIONS, '50' if quick else '400'], text=True, capture_output=True, check=True)
    print('%-12s %10s %10s %10s %10s   ns for each decision' % ('case', 'p50', 'p90', 'min', 'max'))
    with open(report.path, 'a') as output:
        for line in done.stdout.splitlines():
            row = json.loads(line)
            print('%-12s %10.1f %10.1f %10.1f %10.1f' % (row['case'], row['value'], row['p90'], row['min'], row['max']))
            output.write(line + '\n')
    print()


BEGINNING = '^select abalance from pgbench_accounts where aid = '


def policies(patterns, last=BEGINNING):
    """The level read, and patterns of which the last one admits what pgbench measures by, two what it begins with."""
    whitelist = ['^select [a-z_, ]+ from report_%d where [a-z]+ = [0-9]+$' % i for i in range(patterns - 3)]
    whitelist += [r'^select count\(\*\) from pgbench_branches$', r'^select o\.n, p\.partstrat']
    return [{'name': 'bench', 'roles': ['operator'], 'tags': ['*'], 'level': 'read',
             'whitelist': whitelist + [last]}]


def through_appliances(report, arguments):
    with pgbench.server('bench') as (directory, cluster, both):
        for name, rules in (('unrestricted', ()), ('policies', policies(100)),
                            ('policies-whole', policies(100, BEGINNING + r'(-?[0-9]+|\$1)$'))):
            say('starting ' + name)
            both.append(contenders.start_ringfence(directory / name, cluster.port, name, policies=rules))
            if arguments.before:
                name = 'before-' + name
                both.append(contenders.start_ringfence(directory / name, cluster.port, name, policies=rules,
                                                       binary=arguments.before))
        for mode in arguments.modes.split(','):
            for clients in map(int, arguments.clients.split(',')):
                case = '%s/%d' % (mode, clients)
                connecting = {one.name: pgbench.warm(one, mode, clients) for one in both}
                results = interleave(case, both, arguments.rounds, lambda one: pgbench.measure(
                    one, mode, clients, arguments.seconds, connecting[one.name]))
                show(report, case, results, [('proxy_cpu_us', 'us/tx', '%.1f'), ('tps', 'tx/s', '%.0f')],
                     [(name, 'proxy_cpu_us') for name in ['unrestricted'] +
                      [one.name for one in both if one.name.startswith('before-')]])
        for one in both:
            refused = sum(value for name, value in one.appliance.metrics().items()
                          if name.startswith('ringfence_statements_total') and 'denied' in name)
            print('%s: %d transactions, %d statements refused' % (one.name, one.sent, refused))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='two rounds of one second: an impression, no result')
    parser.add_argument('--seconds', type=int, default=2, help='length of a run (2)')
    parser.add_argument('--rounds', type=int, default=7, help='runs of each case and contender (7)')
    parser.add_argument('--clients', default='8,64', help='(8,64)')
    parser.add_argument('--modes', default='prepared,simple', help='(prepared,simple)')
    parser.add_argument('--only', choices=['decisions', 'pgbench'])
    parser.add_argument('--before', metavar='BINARY', help='another build, to be compared in the same run')
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.rounds = 1, 2
    report = Report('policy')
    if arguments.only != 'pgbench':
        decisions(report, arguments.quick)
    if arguments.only != 'decisions':
        through_appliances(report, arguments)
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
