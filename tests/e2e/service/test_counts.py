"""What a statement costs in counts, which depend neither on the machine nor on what else it does: system calls,
submissions, allocations, copied bytes, locks and wakes for each query of 64 sessions that keep a shard busy.

The counters are those of /metrics, read twice in the middle of a run of pgbench, when everybody is logged in; locks are
counted by a library that is loaded before libc (LOCKS).
"""
import mmap
import os
import struct
import subprocess

import pytest

import harness
import raw

CLIENTS = 64
WHITELIST = ['^SELECT [a-z]+ FROM report_%02d WHERE id = [0-9]+$' % number for number in range(99)] + ['^SELECT ']
# Everything on: a hundred patterns, of which the last one matches; the level whose statements are all looked at; the trail.
FULL = {'policies': [{'name': 'readers', 'roles': ['operator'], 'tags': ['*'], 'level': 'read', 'whitelist': WHITELIST}]}
BARE = {'audit': {'enabled': False}}
# For each query. What happens now and then, a segment of the journal or a timer, is below the third digit.
BOUNDS = {'enters': 0.2, 'submissions': 4, 'allocations': 0.001, 'copied_bytes': 0.001, 'locks': 0.001, 'wakes': 0.05}
# Beside io_uring_enter a query is sent with one call, and so is its answer.
SYSTEM_CALLS_MAX = 2.25

LOCKS = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct slot { long thread, locks; };
static struct slot *slots, nobody;
static int used;
static __thread struct slot *own;

__attribute__((constructor)) static void begin(void) {
  int fd = open(getenv("LOCKS_FILE"), O_RDWR);
  void *at = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) slots = at;
  close(fd);
}
static long raw_gettid(void) {
  long thread;
  __asm__ volatile("syscall" : "=a"(thread) : "0"(SYS_gettid) : "rcx", "r11", "memory");
  return thread;
}
static void count(void) {
  if (!slots) return;
  if (!own) {
    int place = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);
    own = place < 4096 ? &slots[place] : &nobody;
    own->thread = raw_gettid();
  }
  ++own->locks;
}
#define COUNTED(name, type)                                                  \
  int name(type *lock) {                                                     \
    static int (*next)(type *);                                              \
    if (!next) next = (int (*)(type *))dlsym(RTLD_NEXT, #name);              \
    count();                                                                 \
    return next(lock);                                                       \
  }
COUNTED(pthread_mutex_lock, pthread_mutex_t)
COUNTED(pthread_mutex_trylock, pthread_mutex_t)
COUNTED(pthread_rwlock_rdlock, pthread_rwlock_t)
COUNTED(pthread_rwlock_wrlock, pthread_rwlock_t)
/* What waits for an atomic, and what wakes it, asks for the futex by this. */
long syscall(long number, ...) {
  static long (*next)(long, ...);
  if (!next) next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list words;
  va_start(words, number);
  long a = va_arg(words, long), b = va_arg(words, long), c = va_arg(words, long), d = va_arg(words, long),
       e = va_arg(words, long), f = va_arg(words, long);
  va_end(words);
  if (number == SYS_futex) count();
  return next(number, a, b, c, d, e, f);
}
'''


@pytest.fixture
def locks(tmp_path):
    """count(pid, name): locks taken by that process's threads of that name."""
    library, file, source = tmp_path / 'locks.so', tmp_path / 'locks', tmp_path / 'locks.c'
    source.write_text(LOCKS)
    try:
        subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', library, source], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('needs a C compiler, and amd64')
    file.write_bytes(bytes(65536))

    class Locks:
        environment = {'LD_PRELOAD': str(library), 'LOCKS_FILE': str(file)}

        def count(self, pid, name):
            with open(file, 'rb') as counted, mmap.mmap(counted.fileno(), 65536, prot=mmap.PROT_READ) as memory:
                slots = dict(slot for slot in struct.iter_unpack('ll', memory[:]) if slot[0])
            found = [slots.get(thread, 0) for thread in threads(pid) if thread_name(pid, thread).startswith(name)]
            assert found, 'no thread called %s' % name
            return sum(found)
    return Locks()


def threads(pid):
    return [int(path.name) for path in harness.pathlib.Path('/proc/%d/task' % pid).iterdir()]


def thread_name(pid, thread):
    return harness.pathlib.Path('/proc/%d/task/%d/comm' % (pid, thread)).read_text().strip()


@pytest.fixture
def cores(target):
    """Two of the machine's cores, on which the server's processes are for the time being."""
    chosen = set(sorted(os.sched_getaffinity(0))[:2])
    postmaster = int((target.data / 'postmaster.pid').read_text().splitlines()[0])
    before = os.sched_getaffinity(postmaster)
    os.sched_setaffinity(postmaster, chosen)
    yield chosen
    os.sched_setaffinity(postmaster, before)


def yield_to_the_load(appliance, cores):
    """The shard is the last to get one of the cores, so that it finds more than one query whenever it gets one: as with a load
    that is more than it can serve, on whatever machine."""
    for thread in threads(appliance.process.pid):
        os.sched_setaffinity(thread, cores)
        if thread_name(appliance.process.pid, thread).startswith('rf-shard'):
            os.setpriority(os.PRIO_PROCESS, thread, 19)


@pytest.fixture(scope='module')
def accounts(target):
    environment = {**harness.clean_environment(), 'PGPASSWORD': harness.APP_PASSWORD}
    subprocess.run([harness.PG_BIN / 'pgbench', '-i', '-s', '1', '-q', '-h', '127.0.0.1', '-p', str(target.port),
                    '-U', 'shop_app', 'bench'], check=True, capture_output=True, cwd='/', env=environment)


def sample(appliance, locks):
    samples = appliance.metrics()
    return {
        'queries': samples['ringfence_statements_total{shard="0",outcome="success"}'],
        'enters': samples['ringfence_ring_enters_total'],
        'system_calls': samples['ringfence_shard_system_calls_total'],
        'submissions': samples['ringfence_ring_submissions_total'],
        'completions': samples['ringfence_ring_completions_total'],
        'allocations': samples['ringfence_shard_allocations_total'],
        'copied_bytes': samples['ringfence_shard_copied_bytes_total'],
        'wakes': samples['ringfence_shard_wakes_total'],
        'locks': locks.count(appliance.process.pid, 'rf-shard'),
        'sessions': samples['ringfence_sessions_open'],
    }


def per_query(appliance, locks, cores, mode, app, queries, enters_max=1.0):
    """Counts for each of so many queries, while everybody is logged in and asks. How many of them the shard finds at a time
    depends on what else the machine does, which can only make it fewer: that is tried again until it finds enough."""
    with subprocess.Popen([harness.PG_BIN / 'pgbench', '-n', '-S', '-M', mode, '-c', str(CLIENTS), '-j', '2', '-T', '300'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd='/',
                          preexec_fn=lambda: os.sched_setaffinity(0, cores),
                          env=appliance.environment(database='bench', application_name=app)) as load:
        try:
            def after(count, sessions=0):
                def reached():
                    assert load.poll() is None, load.stdout.read()
                    now = sample(appliance, locks)
                    return now if now['queries'] >= count and now['sessions'] >= sessions else None
                return harness.eventually(reached, 120, 0.01, '%d queries' % count)
            begun = after(0, CLIENTS)
            # Every client has prepared its statement and asked a few times.
            first = after(begun['queries'] + 50 * CLIENTS)
            for _ in range(5):
                last = after(first['queries'] + queries)
                assert last['sessions'] == CLIENTS
                counts = {name: (last[name] - first[name]) / (last['queries'] - first['queries'])
                          for name in last if name not in ('queries', 'sessions')}
                if counts['enters'] <= enters_max:
                    break
                first = last
        finally:
            load.terminate()
    harness.eventually(lambda: sample(appliance, locks)['sessions'] == 0, 30, what='the clients to go')
    return counts


@pytest.mark.parametrize('name, changes', [('full', FULL), ('bare', BARE)], ids=['full', 'bare'])
def test_a_prepared_query_costs_few_calls_and_nothing_else(own, locks, cores, app, accounts, capsys, name, changes):
    appliance = own(shards=1, log={'level': 'warning'}, **changes)
    appliance.start(environment=locks.environment)
    yield_to_the_load(appliance, cores)
    counts = per_query(appliance, locks, cores, 'prepared', app, 8_000, BOUNDS['enters'])
    simple = per_query(appliance, locks, cores, 'simple', app, 4_000)
    with capsys.disabled():
        for case, found in (('prepared', counts), ('simple', simple)):
            print('\n%s, %s, each query: %s' % (name, case, ', '.join('%s %.4f' % pair for pair in found.items())))
    # The logins needed workers, which are behind a lock, and memory: what is not counted at all would pass.
    total = sample(appliance, locks)
    assert total['locks'] > 0 and total['allocations'] > CLIENTS and total['wakes'] > 0
    over = {key: counts[key] for key, bound in BOUNDS.items() if counts[key] > bound}
    assert not over and counts['system_calls'] <= SYSTEM_CALLS_MAX, counts


def test_a_statement_that_comes_in_pieces_is_seen_to_be_copied(own, app):
    appliance = own(shards=1, **FULL).start()
    statement = "SELECT '%s'" % ('x' * 5000)
    whole = raw.query(statement)
    copied = lambda: appliance.metrics()['ringfence_shard_copied_bytes_total']
    with raw.RawClient(appliance.pg_port) as client, raw.RawClient(appliance.pg_port) as other:
        for one in (client, other):
            one.log_in('alice', harness.USERS['alice'], 'shop', application_name=app)
            one.run('SELECT 1')
        before = copied()
        client.send(whole[:2000])
        # What the shard answers now it has read after that.
        other.run('SELECT 1')
        client.send(whole[2000:])
        assert raw.kinds(client.receive_until(b'Z')) == b'TDCZ'
        harness.eventually(lambda: copied() - before >= len(statement), what='the copies to be counted')
