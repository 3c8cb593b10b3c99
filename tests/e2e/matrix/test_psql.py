"""psql through the port, and the trail beside what it sent."""
import re
import signal
import subprocess
import time

import pytest

import harness


def test_a_select_is_one_row_with_its_text_rows_and_outcome(appliance, trail, app):
    done = appliance.psql('-At', '-c', 'SELECT name FROM products ORDER BY id LIMIT 7', application_name=app)
    assert len(done.stdout.splitlines()) == 7
    [row] = trail.settled(app)
    assert row['statement'] == 'SELECT name FROM products ORDER BY id LIMIT 7'
    assert row['rows'] == 7
    assert row['outcome'] == 'success'
    assert row['user_name'] == 'alice'
    assert row['target'] == 'shop'
    assert row['command_tag'] == 'SELECT 7'
    assert row['duration_us'] > 0
    assert row['sqlstate'] is None
    assert row['action'] == 'postgres_query'
    assert row['message_type'] == 'Q'
    assert row['bytes_to_client'] > 7 * 5


@pytest.mark.parametrize('command', [r'\d', r'\dt+', r'\df', r'\l', r'\du', r'\d+ orders', r'\dn+', r'\dv', r'\di'])
def test_every_query_behind_a_backslash_command_is_in_the_trail(appliance, trail, app, command):
    """psql -E prints the queries that it sends for a backslash command."""
    done = appliance.psql('-E', '-c', command, application_name=app)
    sent = [text.strip() for text in re.findall(
        r'\*{9} QUERY \*{10}\n(.*?)\n\*{26}', done.stdout + done.stderr, re.DOTALL)]
    assert sent
    direct = subprocess.run(
        [harness.PG_BIN / 'psql', '-X', '-c', command], text=True, capture_output=True, check=True, cwd='/',
        env=appliance.environment(PGPORT=str(appliance.target.port), PGUSER='shop_app',
                                  PGPASSWORD=harness.APP_PASSWORD))
    without_echo = re.sub(r'\*{9} QUERY \*{10}\n.*?\n\*{26}\n+', '', done.stdout, flags=re.DOTALL)
    assert without_echo.strip() == direct.stdout.strip()
    rows = trail.settled(app)
    assert [row['statement'].strip() for row in rows] == sent
    assert {row['outcome'] for row in rows} == {'success'}


def test_copy_out_counts_its_rows_and_bytes(appliance, trail, app, tmp_path):
    out = tmp_path / 'customers.csv'
    appliance.psql('-c', r'\copy customers TO %s CSV' % out, application_name=app)
    assert len(out.read_text().splitlines()) == 120
    [row] = trail.settled(app)
    assert row['statement'].split() == 'COPY customers TO STDOUT CSV'.split()
    assert (row['rows'], row['outcome'], row['command_tag']) == (120, 'success', 'COPY 120')
    assert row['bytes_to_client'] >= out.stat().st_size


def test_copy_in_counts_its_rows_and_bytes(appliance, trail, app, tmp_path):
    data = tmp_path / 'in.tsv'
    data.write_text(''.join('%d\tvalue %d\n' % (n, n) for n in range(25000)))
    appliance.psql('-c', 'CREATE TABLE IF NOT EXISTS copy_in (n int, t text)', '-c', 'TRUNCATE copy_in',
                   '-c', r'\copy copy_in FROM %s' % data, '-c', 'SELECT count(*) FROM copy_in', application_name=app)
    create, truncate, copy, count = trail.settled(app)
    assert copy['statement'].split() == 'COPY copy_in FROM STDIN'.split()
    assert (copy['rows'], copy['outcome'], copy['command_tag']) == (25000, 'success', 'COPY 25000')
    assert copy['bytes_to_server'] >= data.stat().st_size
    assert [create['outcome'], truncate['outcome'], count['rows']] == ['success', 'success', 1]


def test_copy_in_with_a_bad_line_fails_with_its_sqlstate(appliance, trail, app):
    done = appliance.psql('-v', 'ON_ERROR_STOP=1', '-f', '-', stdin=(
        'CREATE TEMP TABLE c (n int);\n\\copy c FROM stdin\n1\nnot a number\n\\.\nSELECT 5;\n'),
        application_name=app, check=False)
    assert 'invalid input syntax' in done.stderr
    copy = trail.settled(app)[1]
    assert (copy['outcome'], copy['sqlstate']) == ('failure', '22P02')


def test_watch_records_each_turn(appliance, trail, app):
    """psql 15's \\watch knows no count; it is ended as a person would, by Ctrl-C."""
    process = subprocess.Popen(
        [harness.PG_BIN / 'psql', '-X', '-At', '-f', '-'], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=appliance.environment(application_name=app), cwd='/')
    process.stdin.write("SELECT 'turn' \\watch 0.1\n")
    process.stdin.close()
    seen = 0
    while seen < 5:
        seen += process.stdout.readline().startswith('turn')
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    process.wait(20)
    seen += rest.count('turn')
    rows = trail.settled(app)
    assert seen <= len(rows) <= seen + 1  # One may have been cancelled before it was printed.
    assert {row['statement'].strip() for row in rows} == {"SELECT 'turn'"}
    assert [row['outcome'] for row in rows[:seen]] == ['success'] * seen


def test_ctrl_c_cancels_the_statement_and_the_session_goes_on(appliance, trail, app):
    process = subprocess.Popen(
        [harness.PG_BIN / 'psql', '-X', '-At', '-c', 'SELECT pg_sleep(60)'], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=appliance.environment(application_name=app), cwd='/')
    trail_sees = lambda: any(s.get('application_name') == app for s in appliance.sessions())
    harness.eventually(trail_sees, what='the session')
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert 'canceling statement due to user request' in errors
    assert time.monotonic() - began < 5
    [row] = trail.settled(app)
    assert (row['outcome'], row['sqlstate']) == ('cancelled', '57014')
    assert row['statement'] == 'SELECT pg_sleep(60)'
    assert row['duration_us'] >= 200_000


def test_several_dash_c_are_several_rows_in_order(appliance, trail, app):
    appliance.psql('-c', 'SELECT 1', '-c', 'SELECT 2 FROM generate_series(1, 3)', '-c', 'SELECT 3', application_name=app)
    rows = trail.settled(app)
    assert [(row['statement'], row['rows']) for row in rows] == [
        ('SELECT 1', 1), ('SELECT 2 FROM generate_series(1, 3)', 3), ('SELECT 3', 1)]


def test_several_statements_in_one_message_each_have_their_own_row(appliance, trail, app):
    done = appliance.psql('-At', '-c', 'SELECT 1; SELECT n FROM generate_series(1, 4) n; SELECT 3', application_name=app)
    assert done.stdout.split() == ['1', '1', '2', '3', '4', '3']
    rows = trail.settled(app)
    assert [(row['statement'].strip(' ;'), row['rows'], row['outcome']) for row in rows] == [
        ('SELECT 1', 1, 'success'), ('SELECT n FROM generate_series(1, 4) n', 4, 'success'), ('SELECT 3', 1, 'success')]


def test_what_follows_an_error_in_one_message_was_not_executed(appliance, trail, app):
    done = appliance.psql('-c', "SELECT ';--'; SELECT 1/0; SELECT 3", application_name=app, check=False)
    assert 'division by zero' in done.stderr
    assert [(row['statement'].strip(' ;'), row['outcome'], row['sqlstate']) for row in trail.settled(app)] == [
        ("SELECT ';--'", 'success', None), ('SELECT 1/0', 'failure', '22012'), ('SELECT 3', 'not_executed', None)]


@pytest.mark.parametrize('statement, sqlstate', [
    ('SELECT * FROM no_such_table', '42P01'),
    ('SELEC 1', '42601'),
    ('SELECT 1/0', '22012'),
    ("SELECT 'x'::int", '22P02'),
    ('INSERT INTO orders (customer_id, status, placed_at) VALUES (1, \'lost\', now())', '23514'),
    ('DROP TABLE pg_class', '42501'),
    ('VACUUM FULL pg_authid; SELECT 1', '25001'),
])
def test_errors_pass_unchanged_and_keep_their_sqlstate(appliance, trail, app, statement, sqlstate):
    done = appliance.psql('-v', 'VERBOSITY=sqlstate', '-c', statement, application_name=app, check=False)
    assert done.returncode != 0
    assert sqlstate in done.stderr
    rows = trail.settled(app)
    assert rows[0]['sqlstate'] == sqlstate
    assert rows[0]['outcome'] == 'failure'


def test_notices_reach_the_client_and_do_not_disturb_the_record(appliance, trail, app):
    done = appliance.psql('-c', "DO $$BEGIN RAISE NOTICE 'said %', 42; END$$", application_name=app)
    assert 'NOTICE:  said 42' in done.stderr
    [row] = trail.settled(app)
    assert (row['outcome'], row['command_tag'], row['sqlstate']) == ('success', 'DO', None)


def test_passwords_are_redacted_before_they_are_written(appliance, trail, app):
    secret = 'hunter2-' + app
    appliance.psql('-c', "CREATE ROLE e2e_nobody PASSWORD '%s'" % secret, application_name=app, check=False)
    [row] = trail.settled(app)
    assert 'CREATE ROLE e2e_nobody PASSWORD' in row['statement']
    assert secret not in str(row)
    assert row['redacted'] is not None


def test_backslash_password_is_redacted(appliance, trail, app):
    """psql hashes the new password itself and sends ALTER USER with the verifier, which is a secret too."""
    done = subprocess.run(
        [harness.PG_BIN / 'psql', '-X', '-f', '-'], input='\\password e2e_nobody\n', text=True, capture_output=True,
        env=appliance.environment(application_name=app), cwd='/', start_new_session=True, timeout=30)
    sent = [row for row in trail.settled(app) if 'ALTER' in (row['statement'] or '')]
    # psql reads the password from the terminal; without one it may send nothing.
    for row in sent:
        assert 'SCRAM-SHA-256$' not in str(row)
    assert done.returncode in (0, 1, 3)
    appliance.psql('-c', "ALTER USER e2e_nobody PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$a2V5:c2VydmVy'",
                   application_name=app + '-x', check=False)
    [row] = trail.settled(app + '-x')
    assert 'SCRAM-SHA-256$' not in str(row)


def test_text_of_many_lines_and_alphabets_is_kept_as_sent(appliance, trail, app):
    text = "SELECT 'naïve ☃ 𝄞 日本語'\n  -- a comment, ünï\n  /* another\n one */ AS \"größe\"\n"
    done = appliance.psql('-At', '-c', text, application_name=app)
    assert done.stdout == 'naïve ☃ 𝄞 日本語\n'
    [row] = trail.settled(app)
    assert row['statement'] == text
    assert row['statement_bytes'] == len(text.encode())


def test_text_in_another_encoding_is_kept_as_bytes(appliance, trail, app):
    """client_encoding LATIN1: the bytes are not UTF-8; the record still holds them."""
    with appliance.connect(application_name=app) as connection:
        connection.execute("SET client_encoding TO 'LATIN1'")
        assert connection.execute("SELECT 'grün' AS x").fetchone() == ('grün',)
    last = trail.settled(app)[-1]
    assert last['statement_raw'] is None or bytes(last['statement_raw']) == "SELECT 'grün' AS x".encode('latin1')
    assert 'SELECT' in last['statement']
    assert (last['statement_raw'] is not None) or last['statement'] == "SELECT 'grün' AS x"


def test_a_literal_of_5_mb_passes_and_its_record_is_a_marked_prefix(appliance, trail, app, tmp_path):
    script = tmp_path / 'big.sql'
    script.write_text("SELECT length('%s')" % ('x' * 5_000_000))
    done = appliance.psql('-At', '-f', str(script), application_name=app)
    assert done.stdout.strip() == '5000000'
    [row] = trail.settled(app)
    assert row['statement_bytes'] == script.stat().st_size
    assert row['statement_truncated'] is True
    assert row['statement'].startswith("SELECT length('xxxx")
    assert len(row['statement']) <= 65536
    assert row['outcome'] == 'success'


def test_a_long_script_is_recorded_statement_by_statement(appliance, trail, app):
    script = ''.join('SELECT %d AS n;\n' % n for n in range(500))
    appliance.psql('-q', '-f', '-', stdin=script, application_name=app)
    assert [row['statement'].rstrip(';') for row in trail.settled(app)] == ['SELECT %d AS n' % n for n in range(500)]


def test_transactions_keep_their_status(appliance, trail, app):
    done = appliance.psql('-At', '-f', '-', stdin=(
        'BEGIN;\nSELECT 1/0;\nSELECT 2;\nROLLBACK;\nSELECT 3;\n'), application_name=app)
    assert 'current transaction is aborted' in done.stderr
    assert [(row['command_tag'], row['sqlstate']) for row in trail.settled(app)] == [
        ('BEGIN', None), (None, '22012'), (None, '25P02'), ('ROLLBACK', None), ('SELECT 1', None)]


def test_server_settings_reach_the_client_as_the_server_says_them(appliance, app):
    with appliance.connect(application_name=app) as through, \
            harness.psycopg.connect(host='127.0.0.1', port=appliance.target.port, user='shop_app', dbname='shop',
                                    password=harness.APP_PASSWORD) as direct:
        for name in ('server_version', 'server_encoding', 'client_encoding', 'DateStyle', 'TimeZone',
                     'integer_datetimes', 'standard_conforming_strings', 'IntervalStyle', 'is_superuser'):
            assert through.info.parameter_status(name) == direct.info.parameter_status(name), name


def test_application_name_upstream_names_the_human(appliance, app):
    with appliance.connect(application_name=app) as connection:
        [[name]] = connection.execute('SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()')
    assert 'alice' in name
