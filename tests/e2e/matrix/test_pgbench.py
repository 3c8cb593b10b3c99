"""pgbench through the port: as many rows in the trail as the backend ran statements, whatever the mode."""
import re
import subprocess

import pytest

import harness


@pytest.fixture(scope='module')
def bench_tables(appliance):
    subprocess.run([harness.PG_BIN / 'pgbench', '-i', '-s', '1', '-q'], check=True, capture_output=True, cwd='/',
                   env=appliance.environment(database='bench', application_name='pgbench-init'))


def pgbench(appliance, app, *arguments):
    done = subprocess.run([harness.PG_BIN / 'pgbench', '-n', *arguments], text=True, capture_output=True, cwd='/',
                          timeout=300, env=appliance.environment(database='bench', application_name=app))
    assert done.returncode == 0, done.stderr
    assert 'number of failed transactions: 0' in done.stdout, done.stdout
    return int(re.search(r'number of transactions actually processed: (\d+)', done.stdout)[1])


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared'])
@pytest.mark.parametrize('clients, transactions', [(1, 200), (8, 200), (64, 50)])
def test_select_only_has_one_row_for_each_transaction(appliance, trail, app, bench_tables, mode, clients, transactions):
    done = pgbench(appliance, app, '-S', '-M', mode, '-c', str(clients), '-j', '2', '-t', str(transactions))
    assert done == clients * transactions
    # pgbench opens one connection more, to look at the tables.
    rows = trail.settled(app, sessions=clients + 1, timeout=60)
    selects = [row for row in rows if row['statement'].startswith('SELECT abalance')]
    assert len(selects) == done
    assert {(row['rows'], row['outcome'], row['target']) for row in selects} == {(1, 'success', 'bench')}
    if mode != 'simple':
        assert {row['statement'] for row in selects} == {'SELECT abalance FROM pgbench_accounts WHERE aid = $1;'}
        assert all(row['parameters'] for row in selects)


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared'])
def test_read_write_matches_the_log_of_the_backend(appliance, trail, app, bench_tables, mode):
    """The witness is the server's own log with log_statement=all."""
    position = appliance.target.log_position()
    pgbench(appliance, app, '-M', mode, '-c', '8', '-t', '40')
    rows = trail.settled(app, sessions=9, timeout=60)
    logged = [re.match(r'.*LOG:  (?:statement|execute [^:]+): (.*)', line)
              for line in appliance.target.logged(position).splitlines()]
    witnessed = [match[1] for match in logged if match]
    normal = lambda text: re.sub(r'\s+', ' ', text).strip().rstrip(';')
    for start in ('UPDATE pgbench_accounts', 'SELECT abalance', 'UPDATE pgbench_tellers', 'UPDATE pgbench_branches',
                  'INSERT INTO pgbench_history', 'BEGIN', 'END'):
        ours = sorted(normal(row['statement']) for row in rows if row['statement'].startswith(start))
        theirs = sorted(normal(text) for text in witnessed if text.startswith(start))
        assert ours == theirs, start
        assert len(ours) == 320
    assert {row['outcome'] for row in rows} == {'success'}


def test_init_with_its_copy_is_recorded(appliance, trail, bench_tables):
    rows = trail.settled('pgbench-init')
    [copy] = [row for row in rows if row['statement'].lower().startswith('copy pgbench_accounts')]
    assert (copy['rows'], copy['outcome']) == (100000, 'success')


def test_reconnecting_for_each_transaction(appliance, trail, app, bench_tables):
    done = pgbench(appliance, app, '-S', '-C', '-c', '8', '-t', '20')
    rows = trail.settled(app, sessions=done + 1, timeout=60)
    assert len([row for row in rows if row['statement'].startswith('SELECT abalance')]) == done == 160


@pytest.mark.long
def test_half_a_minute_of_64_clients_loses_nothing(appliance, trail, app, bench_tables):
    done = pgbench(appliance, app, '-S', '-M', 'prepared', '-c', '64', '-j', '2', '-T', '30')
    harness.eventually(lambda: len(trail.events(app, 'postgres_disconnect')) >= 65, 120, 1, 'the sessions to end')
    [count] = trail.rows("SELECT count(*) AS n FROM ringfence.audit_query WHERE application_name = %s AND "
                         "statement LIKE 'SELECT abalance%%'", app)
    assert count['n'] == done
