"""Start, reload, drain, kill, start again; and what a wrong configuration says."""
import re
import signal
import subprocess
import threading
import time

import psycopg
import pytest

import harness


def run(*arguments, **more):
    return subprocess.run([harness.BINARY, *arguments], text=True, capture_output=True, timeout=30,
                          env=harness.clean_environment(), **more)


def test_version_and_help():
    assert re.search(r'\d+\.\d+', run('version').stdout)
    assert run('--help').returncode == 0
    assert run('no-such-command').returncode != 0


@pytest.mark.parametrize('words, said', [
    (['chek'], "unknown command 'chek'; did you mean 'check'?"),
    (['audit', 'verfy', '--json'], "unknown command 'verfy'; did you mean 'verify'?"),
    (['check', '--conect'], "unknown option '--conect'; did you mean '--connect'?"),
    (['check', '--confg=/x.yaml'], "unknown option '--confg'; did you mean '--config'?"),
    (['explain', '-t', 'shop', '--rle', 'x', 'SELECT 1'], "unknown option '--rle'; did you mean '--role'?"),
    (['check', '-z'], "unknown option '-z'; known here: --help, --config, --connect"),
    # A word behind an option that takes one is its value; what is missing is told as before.
    (['check', '--config', 'chek', '--conect'], "unknown option '--conect'"),
    (['nothing-like-it-at-all'], 'known here: serve, check, explain'),
])
def test_a_mistyped_word_gets_the_nearest_one(words, said):
    done = run(*words)
    assert done.returncode not in (0, -6, -11)
    assert done.stderr.startswith('error: unknown ') and said in done.stderr, done.stderr
    assert '--help' in done.stderr


def test_what_is_missing_is_told_as_what_is_missing():
    assert 'subcommand' in run().stderr
    assert '--target' in run('explain', 'SELECT 1').stderr


def test_check_accepts_the_configuration_that_we_serve_with(appliance):
    done = run('check', '--config', appliance.config_file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize('broken, line, word', [
    ('node: a\nstate_dir: /tmp/x\nno_such_key: 1\n', 3, 'no_such_key'),
    ('node: a\nlog:\n  level: loud\n', 3, 'level'),
    ('node: a\nlisteners:\n  - {name: p, protocol: postgres, address: 127.0.0.1, port: 99999}\n', 3, 'port'),
    ('node: a\nlimits:\n  connections_max: many\n', 3, 'connections_max'),
    ('node: a\nlimits:\n  conections_max: 5\n', 3, 'conections_max'),
    ('node: a\nusers:\n  - {name: alice}\n', 3, 'password'),
    ('node: a\nusers:\n  - {name: x, verifier: "rubbish"}\n', 3, 'verifier'),
    ('node: a\ntargets:\n  - {name: t, port: 5432, database: d, user: u, password: p}\n', 3, 'host'),
    ('node: [a\n', None, ''),
])
def test_check_names_file_line_and_reason(tmp_path, broken, line, word):
    file = tmp_path / 'broken.yaml'
    file.write_text(broken)
    done = run('check', '--config', file)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert word in said
    assert re.search(re.escape(str(file)) + (r':%d\b' % line if line else r':\d+'), said), said


def test_check_of_a_missing_file_says_which(tmp_path):
    done = run('check', '--config', tmp_path / 'absent.yaml')
    assert done.returncode != 0 and 'absent.yaml' in done.stdout + done.stderr


def test_a_taken_port_is_reported_with_its_setting(own, appliance):
    one = own()
    one.config['listeners'][0]['port'] = appliance.pg_port
    one.write_config()
    one.start(ready=False)
    assert one.process.wait(30) != 0
    assert str(appliance.pg_port) in one.log() and 'listeners' in one.log()


def test_environment_overrides_the_file(own):
    one = own()
    file_port, one.admin_port, one.pg_port = one.admin_port, harness.free_port(), harness.free_port()
    one.start(environment={'RINGFENCE_ADMIN_PORT': str(one.admin_port),
                           'RINGFENCE_LISTENERS_0_PORT': str(one.pg_port)})
    with one.connect() as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)
    one.admin_port = file_port
    assert one.http('/healthz')[0] == 0


def test_a_unix_socket_listener(own):
    one = own()
    path = one.directory / '.s.PGSQL.6432'
    one.config['listeners'].append({'name': 'local', 'protocol': 'postgres', 'path': str(path)})
    one.write_config()
    one.start()
    info = {**one.conninfo(), 'host': str(one.directory), 'port': 6432}
    with psycopg.connect(**info) as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)
    one.stop()
    assert not path.exists()


def test_sigterm_lets_a_running_statement_finish(own, app):
    one = own().start()
    idle = one.connect(application_name=app)
    busy = one.connect(application_name=app)
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(busy.execute("SELECT 'done', pg_sleep(2)").fetchone()[0]))
    thread.start()
    time.sleep(0.5)
    one.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert one.http('/readyz')[0] in (0, 503)
    with pytest.raises((psycopg.OperationalError, ConnectionError)):
        one.connect()
    thread.join(15)
    assert answers == ['done']
    assert one.process.wait(40) == 0
    with pytest.raises(psycopg.OperationalError):
        idle.execute('SELECT 1')
    # Everything was flushed into the store before it ended.
    rows = one.trail().queries(app)
    assert [(row['statement'], row['outcome']) for row in rows] == [("SELECT 'done', pg_sleep(2)", 'success')]


def test_the_drain_has_a_deadline(own, app):
    one = own(limits={'drain_ms': 1000}).start()
    busy = one.connect(application_name=app)
    thread = threading.Thread(target=lambda: pytest.raises(psycopg.Error, busy.execute, 'SELECT pg_sleep(60)'))
    thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - began < 15
    thread.join(5)
    assert not thread.is_alive()
    [row] = one.trail().queries(app)
    assert row['outcome'] in ('cancelled', 'unknown', 'failure')


def test_sighup_adds_a_user_and_leaves_sessions_alone(own):
    one = own().start()
    with one.connect() as before:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(**one.conninfo('dora', password='new here'))
        one.config['users'].append({'name': 'dora', 'password': 'new here', 'roles': ['operator']})
        one.write_config()
        one.reload()

        def works():
            try:
                psycopg.connect(**one.conninfo('dora', password='new here')).close()
                return True
            except psycopg.OperationalError:
                return False
        harness.eventually(works, what='the new user')
        assert before.execute('SELECT 1').fetchone() == (1,)


def test_sighup_with_a_broken_file_changes_nothing_and_says_why(own):
    one = own().start()
    one.config_file.write_text('node: x\nno_such_key: 1\n')
    one.reload()
    harness.eventually(lambda: 'no_such_key' in one.log(), what='the reason in the log')
    assert one.http('/readyz')[0] == 200
    with one.connect() as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)


def test_the_embedded_store_survives_a_restart(own, app):
    one = own(store='embedded').start()
    with one.connect(application_name=app) as connection:
        connection.execute('SELECT 1')
    assert one.stop() == 0
    assert not list(one.state.rglob('postmaster.pid'))
    one.start()
    with one.connect(application_name=app) as connection:
        connection.execute('SELECT 2')
    rows = one.trail().settled(app, sessions=2)
    assert [row['statement'] for row in rows] == ['SELECT 1', 'SELECT 2']
    [chain] = one.trail().rows(
        'SELECT count(*) AS n, count(DISTINCT chain_no) AS d, max(chain_no) - min(chain_no) + 1 AS span '
        'FROM ringfence.audit_event')
    assert chain['n'] == chain['d'] == chain['span']
    assert one.stop() == 0


@pytest.mark.parametrize('store', ['embedded', 'url'])
def test_kill_9_loses_nothing_and_doubles_nothing(own, app, store):
    """Statements that the client saw answered, and those that the server logged, are in the trail after a restart."""
    one = own(**({'store': 'embedded'} if store == 'embedded' else {})).start()
    position = one.target.log_position()
    answered = []
    stop = threading.Event()

    def work(worker):
        try:
            with one.connect(application_name=app, prepare_threshold=None) as connection:
                for n in range(100000):
                    if stop.is_set():
                        return
                    text = "SELECT 'w%d-%d'" % (worker, n)
                    connection.execute(text)
                    answered.append(text)
        except psycopg.OperationalError:
            pass
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    one.kill()
    stop.set()
    for thread in threads:
        thread.join(20)
    assert len(answered) > 100
    time.sleep(0.3)
    executed = re.findall(r"(?:statement|execute [^:]+): (SELECT 'w\d+-\d+')", one.target.logged(position))
    one.start()
    trail = one.trail()

    def recovered():
        rows = trail.queries(app)
        return rows if {row['statement'] for row in rows} >= set(executed) else None
    rows = harness.eventually(recovered, 30, 0.2, 'every executed statement in the trail')
    texts = [row['statement'] for row in rows]
    assert len(texts) == len(set(texts)), 'a statement is in the trail twice'
    assert set(answered) <= set(texts)
    time.sleep(1.5)
    rows = trail.queries(app)
    assert len(rows) == len(texts)
    assert {row['outcome'] for row in rows} <= {'success', 'unknown'}
    for row in rows:
        if row['statement'] in set(answered):
            continue
        assert row['outcome'] in ('unknown', 'success')
    done = run('audit', 'verify', '--config', one.config_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert one.stop() == 0


def test_two_processes_on_one_state_directory_the_second_refuses(own):
    one = own().start()
    second = subprocess.run([harness.BINARY, 'serve', '--config', one.config_file], text=True, capture_output=True,
                            timeout=60, env=harness.clean_environment())
    assert second.returncode != 0
    assert one.http('/readyz')[0] == 200


def test_a_store_by_url(own, store_cluster, app):
    one = own().start()
    with one.connect(application_name=app) as connection:
        connection.execute('SELECT 1')
    [row] = one.trail().settled(app)
    assert row['outcome'] == 'success'
    assert one.stop() == 0


def test_a_store_that_is_not_there_keeps_it_from_being_ready(own):
    one = own(store='postgres://postgres@127.0.0.1:%d/none' % harness.free_port())
    one.start(ready=False)
    time.sleep(2)
    status, body = one.http('/readyz')
    if one.process.poll() is None:
        assert status == 503 and body
        one.stop()
    else:
        assert one.process.returncode != 0 and 'store' in one.log()


def test_a_store_that_goes_away_and_comes_back_loses_nothing(own, target, app):
    directory = harness.work_directory('flap')
    cluster = harness.Cluster(directory / 'pg', {'log_statement': 'none'}).start()
    try:
        one = own(store='postgres://postgres@127.0.0.1:%d/postgres' % cluster.port).start()
        with one.connect(application_name=app) as connection:
            connection.execute('SELECT 1')
            cluster.stop('immediate')
            for n in range(50):
                connection.execute('SELECT %d AS away' % n)
            cluster.start()
            connection.execute('SELECT 2')
        rows = one.trail().settled(app, timeout=60)
        assert len(rows) == 52
        assert {row['outcome'] for row in rows} == {'success'}
        assert one.stop() == 0
    finally:
        cluster.stop()
        harness.remove(directory)


def test_audit_verify_finds_a_changed_row(own, store_cluster, app):
    one = own(audit={'block_rows': 0}).start()
    with one.connect(application_name=app) as connection:
        for n in range(20):
            connection.execute('SELECT %d AS n' % n)
    one.trail().settled(app)
    assert one.stop() == 0
    assert run('audit', 'verify', '--config', one.config_file).returncode == 0
    with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
        store.execute("UPDATE ringfence.audit_row SET statement = 'SELECT 999' "
                      "WHERE application_name = %s AND statement = 'SELECT 7 AS n'", (app,))
    done = run('audit', 'verify', '--config', one.config_file)
    assert done.returncode != 0
    assert re.search(r'\d+', done.stdout + done.stderr)


@pytest.mark.long
def test_kill_9_many_times(own, app):
    one = own(store='embedded').start()
    position = one.target.log_position()
    for turn in range(10):
        stop = threading.Event()

        def work(worker, turn=turn, stop=stop):
            try:
                with one.connect(application_name=app) as connection:
                    n = 0
                    while not stop.is_set():
                        connection.execute("SELECT 'k%d-%d-%d'" % (turn, worker, n))
                        n += 1
            except psycopg.OperationalError:
                pass
        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3 + 0.17 * turn)
        one.kill()
        stop.set()
        for thread in threads:
            thread.join(20)
        one.start()
    executed = set(re.findall(r"(SELECT 'k\d+-\d+-\d+')", one.target.logged(position)))
    trail = one.trail()
    harness.eventually(lambda: {row['statement'] for row in trail.queries(app)} >= executed, 60, 0.5, 'all of them')
    texts = [row['statement'] for row in trail.queries(app)]
    assert len(texts) == len(set(texts))
    assert one.stop() == 0
