import itertools
import os
import pathlib
import re
import subprocess
import sys

import pytest

import harness


def pytest_configure(config):
    config.addinivalue_line('markers', 'long: takes long; only in ./dev test all')
    config.addinivalue_line('markers', 'tsan: for a program that is built with TSan; only in ./dev test tsan')
    config.addinivalue_line('markers', 'xdist_group(name): stays in one process of several')
    if not harness.BINARY.exists():
        pytest.exit('%s is missing: ./dev build' % harness.BINARY, returncode=2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of several processes beside each other one runs the whole of a file, and of a folder that shares a wall."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group('readonly' if item.path.parent.name == 'readonly' else item.path.stem))


@pytest.fixture(scope='session')
def target():
    directory = harness.work_directory('target')
    cluster = harness.make_target(directory / 'pg')
    yield cluster
    cluster.stop()
    harness.remove(directory)


@pytest.fixture(scope='session')
def appliance(target):
    """The one that most tests share, with its embedded store. It watches its targets."""
    directory = harness.work_directory('e2e')
    one = harness.Appliance(directory, target)
    for each in one.config['targets']:
        each['attribution_watch'] = 'on'
    one.write_config()
    one.start()
    yield one
    # Whatever the tests did: no answer contradicted its record, and no session ran what it did not send.
    mismatches = one.metrics()['ringfence_attribution_mismatches_total'] if one.process.poll() is None else 0
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()
    assert mismatches == 0


@pytest.fixture(scope='session')
def shared_trail(appliance):
    trail = appliance.trail()
    yield trail
    if trail.connection:
        trail.connection.close()


@pytest.fixture
def trail(shared_trail):
    return shared_trail


@pytest.fixture(scope='session')
def store_cluster():
    """A server for stores given by URL: each appliance of a test gets a database of its own."""
    directory = harness.work_directory('store')
    cluster = harness.Cluster(directory / 'pg', {'log_statement': 'none'}).start()
    yield cluster
    cluster.stop()
    harness.remove(directory)


names = itertools.count(1)


@pytest.fixture
def own(target, store_cluster, request):
    """Makes appliances that the test may break: own(**changes of the configuration). Not started yet."""
    made = []

    def make(**changes):
        directory = harness.work_directory('own')
        if 'store' not in changes:
            database = 'store_%d_%d' % (os.getpid(), next(names))
            store_cluster.sql('CREATE DATABASE %s' % database)
            changes['store'] = 'postgres://postgres@127.0.0.1:%d/%s' % (store_cluster.port, database)
        one = harness.Appliance(directory, target, **changes)
        made.append(one)
        return one
    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.kill()
        harness.remove(one.directory)


@pytest.fixture
def app(request):
    """An application_name of this test alone, by which it finds its rows in the trail."""
    return '%s-%d' % (re.sub(r'\W+', '_', request.node.name)[:40], next(names))


@pytest.fixture
def fake_backend():
    """The port of a server that lets anybody in."""
    program = pathlib.Path(__file__).with_name('fake_backend.py')
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as one:
        yield int(one.stdout.readline())
        one.stdin.close()


CLOCK = r'''
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long *offset_s;
__attribute__((constructor)) static void begin(void) {
  int fd = open(getenv("CLOCK_FILE"), O_RDONLY);
  void *at = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) offset_s = at;
  close(fd);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
  long result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME && offset_s) now->tv_sec += *offset_s;
  return (int)result;
}
'''


@pytest.fixture
def clock(tmp_path):
    """set(seconds): how wrong the wall clock of a process with .environment is from now on."""
    library, file, source = tmp_path / 'clock.so', tmp_path / 'offset', tmp_path / 'clock.c'
    source.write_text(CLOCK)
    try:
        subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', library, source], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('needs a C compiler')
    file.write_bytes(bytes(4096))

    class Clock:
        environment = {'LD_PRELOAD': str(library), 'CLOCK_FILE': str(file)}

        def set(self, seconds):
            with open(file, 'r+b') as offset:
                offset.write(seconds.to_bytes(8, 'little', signed=True))
    return Clock()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the end of the appliance's log."""
    outcome = yield
    report = outcome.get_result()
    if report.when == 'call' and report.failed:
        one = item.funcargs.get('appliance')
        if one is not None:
            report.sections.append(('ringfence log', one.log_tail(20)))
