"""Runs the load program against a contender: what it reports, and the CPU time that the proxy took for it."""
import json
import os
import subprocess

from contenders import PASSWORD, PROGRAMS, USER

CORES = sorted(os.sched_getaffinity(0))
# With two cores or more a proxy gets one for itself where its own cost is what is measured.
PROXY_CORE, LOAD_CORE = (CORES[0], CORES[-1]) if len(CORES) > 1 else (None, None)


class Load:
    """A load that stands ready: its clients are connected, nothing has been sent."""

    def __init__(self, contender, what, clients, seconds, *more, mode=(), core=None, nice=0, program='load'):
        def in_process():
            if core is not None:
                os.sched_setaffinity(0, {core})
            os.nice(nice)

        self.contender = contender
        self.process = subprocess.Popen(
            [PROGRAMS / program, what, str(contender.port), str(clients), str(seconds), *mode, USER, PASSWORD, 'bench', *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=in_process)
        if self.process.stdout.readline() != 'ready\n':
            raise SystemExit('the load through %s did not begin' % contender.name)

    def go(self):
        """Its line of results as a dictionary, `cpu` seconds of the proxy with it, once that has nothing left to do."""
        before = self.contender.settled()
        self.begin()
        result = self.finish()
        result['cpu'] = self.contender.settled()[0] - before[0]
        return result

    def begin(self):
        self.process.stdin.write('\n')
        self.process.stdin.flush()

    def finish(self):
        """The results of a load that has begun."""
        result = json.loads(self.process.stdout.readline())
        self.end()
        result['rate'] = result['rounds'] / result['seconds']
        self.contender.sent += result['rounds']
        return result

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def queries(contender, mode, clients, seconds, sql='SELECT {}', rate=None, core=None):
    result = Load(contender, 'clients', clients, seconds, sql, *([str(rate)] if rate else []), mode=[mode], core=core).go()
    result['cpu_us'] = result['cpu'] / max(1, result['rounds']) * 1e6
    return result
