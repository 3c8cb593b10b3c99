"""What crosses threads, under the thread sanitizer: cancels that find their session on another shard, reloads
under load, sessions that the admin API ends, and the drain. The sanitizer says nothing about the process."""
import random
import threading
import time

import psycopg
import pytest

import harness

PASSWORD = 'threads-test'
SHARDS = 4
SECONDS = 8
# Long enough to be analysed beside the shard.
LARGE = 'SELECT 1 WHERE 1 IN (%s)' % ', '.join(str(number) for number in range(3_000))

pytestmark = [
    pytest.mark.tsan,
    pytest.mark.skipif(b'__tsan_func_entry' not in harness.BINARY.read_bytes(),
                       reason='needs a program that is built with TSan'),
]


@pytest.fixture
def one(own):
    made = own(
        shards=SHARDS,
        audit={'durability': 'disk', 'batch_ms': 50},
        limits={'drain_ms': 20_000},
        users=[{'name': name, 'password': PASSWORD, 'roles': [name]} for name in ('writer', 'reader')],
        policies=[{'name': 'writers', 'roles': ['writer'], 'tags': ['*'], 'level': 'admin'},
                  {'name': 'readers', 'roles': ['reader'], 'tags': ['*'], 'level': 'read'}])
    for target in made.config['targets']:
        if target['name'] == 'shop':
            target['pool'] = {'min': 1, 'max': 12, 'idle': '2s'}
    made.write_config()
    reports = made.directory / 'tsan'
    # No suppressions: OpenSSL, libpq and io_uring's shared memory have given no false report.
    options = ['log_path=%s' % reports, 'halt_on_error=0', 'exitcode=0', 'second_deadlock_stack=1',
               'history_size=4']
    made.start(environment={'TSAN_OPTIONS': ':'.join(options)})
    yield made
    code = made.stop()
    said = '\n'.join(path.read_text(errors='replace') for path in sorted(made.directory.glob('tsan.*')))
    assert not said, said[:20_000]
    assert code == 0


class Crew:
    """Threads that repeat something until they are told to stop; what one of them raises fails the test."""

    def __init__(self):
        self.is_over = threading.Event()
        self.counts = {}
        self.errors = []
        self.threads = []

    def add(self, name, work):
        def run():
            try:
                while not self.is_over.is_set():
                    self.counts[name] = self.counts.get(name, 0) + work()
            except BaseException as error:  # What pytest.raises() raises is no Exception.
                self.errors.append((name, error))
        self.threads.append(threading.Thread(target=run, name=name))
        self.threads[-1].start()

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(60)
        assert not [thread.name for thread in self.threads if thread.is_alive()]
        assert self.errors == []


def login(one, user, app):
    return one.connect(user=user, password=PASSWORD, application_name=app)


def cancelled(one, app):
    """1 when the statement was ended by a cancel request, which has a connection of its own. One that comes
    before the server has the statement does nothing: so there is another."""
    is_over = threading.Event()
    with login(one, 'writer', app) as connection:
        def cancel():
            while not is_over.wait(random.uniform(0.05, 0.3)):
                connection.cancel()
        thread = threading.Thread(target=cancel)
        thread.start()
        try:
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute('SELECT pg_sleep(30)')
        finally:
            is_over.set()
            thread.join()
    return 1


def statements(one, user, app):
    with login(one, user, app) as connection:
        for number in range(20):
            connection.execute('SELECT %d' % number)
            connection.execute('SELECT %s::int', (number,), prepare=True)
        connection.execute(LARGE)
        if user == 'reader':
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute('DELETE FROM customers')
    return 1


def killed(one, app):
    """1 when a session was ended by the admin API in the middle of its statement."""
    name = '%s-%d' % (app, random.randrange(10 ** 9))
    with login(one, 'writer', name) as connection:
        [listed] = harness.eventually(
            lambda: [each for each in one.sessions() if each['application_name'] == name], what='the session')

        def end():
            assert one.http('/api/v1/sessions/%s' % listed['id'], 'DELETE')[0] == 202
        timer = threading.Timer(random.uniform(0, 0.1), end)
        timer.start()
        with pytest.raises(psycopg.OperationalError):
            connection.execute('SELECT pg_sleep(30)')
        timer.join()
    return 1


def looked_at(one):
    one.metrics()
    one.json('/api/v1/stats')
    time.sleep(0.05)
    return 1


def reload_often(one, ends):
    """Users come and go, and a policy changes; the number of reloads."""
    users, turn = list(one.config['users']), 0
    while time.monotonic() < ends:
        turn += 1
        guest = {'name': 'guest%d' % turn, 'password': PASSWORD, 'roles': ['reader']}
        one.config['users'] = users + [guest]
        one.config['policies'][0]['name'] = 'writers %d' % turn
        one.write_config()
        one.reload()

        def works(guest=guest):
            try:
                one.connect(user=guest['name'], password=PASSWORD).close()
                return True
            except psycopg.OperationalError:
                return False
        harness.eventually(works, 30, 0.1, 'the new user')
    return turn


def test_nothing_is_said_about_threads(one, app):
    crew = Crew()
    for number in range(2):
        crew.add('cancel %d' % number, lambda: cancelled(one, app))
        crew.add('kill %d' % number, lambda: killed(one, app))
        crew.add('writer %d' % number, lambda: statements(one, 'writer', app))
        crew.add('reader %d' % number, lambda: statements(one, 'reader', app))
    crew.add('look', lambda: looked_at(one))
    reloads = reload_often(one, time.monotonic() + SECONDS)
    crew.stop()
    samples = one.metrics()
    print(reloads, crew.counts)
    assert reloads >= 3 and len(crew.counts) == 9 and all(crew.counts.values()), crew.counts
    # The drain, with a statement that ends in it and one that does not want to.
    quick, slow = login(one, 'writer', app), login(one, 'writer', app)
    answers = []

    def finish():
        answers.append(quick.execute("SELECT 'done', pg_sleep(1)").fetchone()[0])
    threads = [
        threading.Thread(target=finish),
        threading.Thread(target=lambda: pytest.raises(psycopg.Error, slow.execute, 'SELECT pg_sleep(120)'))]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    assert one.stop(timeout=120) == 0
    for thread in threads:
        thread.join(30)
    assert answers == ['done']
    assert samples['ringfence_attribution_mismatches_total'] == 0
