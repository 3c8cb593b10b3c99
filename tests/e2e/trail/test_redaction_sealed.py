"""What redaction takes out of the trail is kept: a keyed digest, and the clear text sealed for the state directory's owner."""
import contextlib
import json
import os
import shutil
import subprocess
import uuid

import psycopg
import pytest

import harness

SECRET = 'Zq7hunter2'
# Texts as they are sent, and as they are shown.
TEXTS = [
    ("SELECT 'a' FROM (SELECT 'x' password) q WHERE password='%s'UNION ALL SELECT 'shown'", '***'),
    ("DO U&'BEGIN PERFORM ''password=%s''; END'", '***'),
    ("SET app.jwt_secret = '%s'", '***'),
    ("SET app.jwt_secret TO '%s'", '***'),
    ("ALTER ROLE nobody_at_all SET app.secret_key = '%s'", '***'),
    ("CREATE SERVER s FOREIGN DATA WRAPPER nowhere OPTIONS (secret_access_key '%s')", '***'),
    ("CREATE SERVER s FOREIGN DATA WRAPPER nowhere OPTIONS (token '%s')", '***'),
    ("SELECT nothing_such(secret_key := '%s')", '***'),
    ("SELECT nothing_such(pwd := '%s')", '***'),
    ("COPY nowhere FROM PROGRAM 'curl -u me:%s http://h'", '***'),
    ("COPY nowhere FROM PROGRAM 'mysql -p%s'", '***'),
    ("COPY nowhere FROM PROGRAM 'curl -H \"Authorization: Bearer %s\" http://h'", '***'),
    ("DO $$BEGIN RAISE EXCEPTION 'password=%s'; END$$", '***'),
]


def command(appliance, *arguments, **more):
    return subprocess.run([harness.BINARY, 'audit', *arguments], capture_output=True, timeout=90,
                          env=harness.clean_environment(), cwd='/', **more)


def reveal(appliance, event, *arguments, **more):
    return command(appliance, 'reveal', '--config', str(appliance.config_file), str(event), *arguments, **more)


def revealed(appliance, event, column='statement'):
    done = reveal(appliance, event, '--column', column, '--reason', 'a test')
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def run(appliance, app, *texts, **more):
    with appliance.connect(application_name=app, **more) as session:
        for text in texts:
            try:
                session.execute(text)
            except psycopg.Error:
                pass


def test_clear_texts_are_sealed_and_come_back_byte_for_byte(appliance, trail, app):
    sent = [text.replace('%s', SECRET) for text, _ in TEXTS]
    run(appliance, app, *sent)
    rows = trail.settled(app)
    assert [row['statement'] for row in rows] == [text.replace('%s', shown) for text, shown in TEXTS]
    events = {row['id']: row for row in trail.events(app)}
    for row, text in zip(rows, sent):
        assert SECRET not in str(row)
        assert 'statement' in row['redacted']
        assert SECRET.encode() not in bytes(events[row['id']]['sealed'])
        assert revealed(appliance, row['id']) == text


def test_equal_texts_have_equal_digests(appliance, trail, app):
    text = "SET app.jwt_secret = '%s'"
    run(appliance, app, text % 'one', text % 'two', text % 'one', 'SELECT 1')
    one, two, again, plain = [row['redacted_digest'] for row in trail.settled(app)]
    assert one == again and one['statement'] != two['statement'] and plain is None
    assert len(one['statement']) == 64
    sealed = [row['sealed'] for row in trail.events(app, 'postgres_query')]
    assert sealed[0] != sealed[2] and sealed[3] is None


def test_error_messages_are_sealed_too(appliance, trail, app):
    run(appliance, app, "DO $$BEGIN RAISE EXCEPTION '%', 'tok' || 'en=' || 'Zq7' || 'hunter2'; END$$",
        "SELECT nothing_such(pwd := '%s')" % SECRET)
    said, about = trail.settled(app)
    assert said['error_message'] == 'token=***' and said['redacted'] == ['error_message']
    assert revealed(appliance, said['id'], 'error_message') == 'token=' + SECRET
    assert about['redacted'] == ['error_message', 'statement']
    assert set(about['outcome_digest']) == {'error_message'} and set(about['redacted_digest']) == {'statement'}
    assert 'nothing_such' in revealed(appliance, about['id'], 'error_message')
    assert SECRET in revealed(appliance, about['id'], 'statement')


def test_parameters_that_are_secrets(appliance, trail, app):
    with appliance.connect(application_name=app) as session:
        session.execute("SELECT set_config('app.jwt_secret', %s, %s)", (SECRET, False))
    [row] = trail.settled(app)
    assert row['parameters'][0] == '***' and row['parameters'][1] != '***'
    assert row['redacted'] == ['parameters'] and set(row['redacted_digest']) == {'parameters'}
    assert json.loads(revealed(appliance, row['id'], 'parameters')) == [SECRET, None]


def test_messages_of_several_statements(appliance, trail, app):
    text = "SELECT 1; SET app.jwt_secret = '%s'; SELECT 2" % SECRET
    run(appliance, app, text)
    trail.settled(app)
    [message] = trail.events(app, 'postgres_message')
    assert SECRET not in str(message) and message['redacted'] == ['statement']
    assert revealed(appliance, message['id']) == text
    rows = [row for row in trail.queries(app) if row['redacted']]
    assert [revealed(appliance, row['id']) for row in rows] == [" SET app.jwt_secret = '%s'" % SECRET] or \
        [revealed(appliance, row['id']).strip() for row in rows] == ["SET app.jwt_secret = '%s'" % SECRET]


def test_a_reveal_is_an_event_that_is_stored_first(appliance, trail, app):
    run(appliance, app, "SET app.jwt_secret = '%s'" % SECRET)
    [row] = trail.settled(app)
    done = reveal(appliance, row['id'], '--reason', 'the auditor asked: ticket 7')
    assert done.returncode == 0 and done.stdout.decode().startswith('statement, ')
    [told] = trail.rows("SELECT * FROM ringfence.audit_event WHERE action = 'audit_reveal' AND entity_id = %s",
                        str(row['id']))
    assert told['user_name'] == harness.pwd.getpwuid(os.getuid()).pw_name
    assert told['reason'] == 'the auditor asked: ticket 7' and told['entity_type'] == 'event'
    assert told['metadata'] == {'uid': os.getuid()} and told['severity'] == 'WARNING'
    assert not list(appliance.state.glob('reveal-*'))


def test_what_is_not_sealed_or_not_there(appliance, trail, app):
    run(appliance, app, 'SELECT 1')
    [row] = trail.settled(app)
    for event, message in ((row['id'], b'nothing is sealed'), (uuid.uuid4(), b'there is no event'),
                           ('nonsense', b'a UUID')):
        done = reveal(appliance, event)
        assert done.returncode == 1 and message in done.stderr and not done.stdout, done


@pytest.mark.skipif(os.getuid() != 0, reason='another user is needed')
def test_only_the_owner_of_the_state_directory(appliance, trail, app, tmp_path):
    run(appliance, app, "SET app.jwt_secret = '%s'" % SECRET)
    [row] = trail.settled(app)
    config = harness.work_directory('other') / 'ringfence.yaml'
    shutil.copy(appliance.config_file, config)
    account = harness.pg_account()
    os.chown(config, account.pw_uid, account.pw_gid)
    done = subprocess.run([harness.BINARY, 'audit', 'reveal', '--config', config, str(row['id'])], capture_output=True,
                          **harness.as_pg())
    harness.remove(config.parent)
    assert done.returncode == 1 and b'only the owner of the state directory' in done.stderr, done
    assert not done.stdout
    assert not trail.rows("SELECT 1 FROM ringfence.audit_event WHERE action = 'audit_reveal' AND entity_id = %s",
                          str(row['id']))


def test_a_uri_as_database_name_and_application_name(appliance, trail, app):
    uri = 'postgres://me:%s@host/db' % SECRET
    with pytest.raises(psycopg.OperationalError):
        appliance.connect(database='"' + uri + '"', application_name=app)
    denied = harness.eventually(lambda: trail.events(app, 'access_denied'), 20)
    [row] = denied
    assert row['database'] == row['entity_id'] == '"postgres://me:***@host/db"'
    assert row['redacted'] == ['database']
    assert revealed(appliance, row['id'], 'database') == '"' + uri + '"'
    with appliance.connect(application_name=uri) as session:
        session.execute('SELECT 1')
        assert SECRET not in json.dumps(appliance.sessions())
        shown = [one['application_name'] for one in appliance.sessions()]
        assert 'postgres://me:***@host/db' in shown
    [row] = trail.settled('postgres://me:***@host/db')
    assert row['redacted'] == ['application_name']
    assert revealed(appliance, row['id'], 'application_name') == uri
    assert SECRET not in appliance.log()


def test_startup_parameters(appliance, trail, app):
    for options in ('-c app.jwt_secret=%s' % SECRET, 'postgres://me:%s@host/db' % SECRET, '--password=%s' % SECRET):
        with contextlib.suppress(psycopg.OperationalError):
            appliance.connect(application_name=app, options=options).close()
    rows = harness.eventually(lambda: (found := trail.events(app)) and len(found) >= 3 and found, 20)
    assert SECRET not in str(rows) and SECRET not in appliance.log()
    with pytest.raises(psycopg.OperationalError):
        appliance.connect(user='postgres://me:%s@host/db' % SECRET, password='x')
    failed = harness.eventually(lambda: trail.rows(
        "SELECT * FROM ringfence.audit_event WHERE action = 'postgres_auth_failed' AND user_name = %s",
        'postgres://me:***@host/db'), 20)
    assert revealed(appliance, failed[0]['id'], 'user_name') == 'postgres://me:%s@host/db' % SECRET
    assert SECRET not in appliance.log()


def everything_stored(appliance, trail):
    tables = trail.rows("SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = "
                        "c.relnamespace WHERE n.nspname = 'ringfence' AND c.relkind IN ('r', 'p')")
    return '\n'.join(str(row) for table in tables for row in trail.rows('SELECT t::text FROM %s t' % table['name']))


def test_nothing_of_a_secret_is_in_files_store_log_or_api(own):
    appliance = own().start()
    trail = appliance.trail()
    run(appliance, 'everywhere', *[text.replace('%s', SECRET) for text, _ in TEXTS])
    with appliance.connect(application_name='everywhere') as session:
        session.execute("SELECT set_config('app.jwt_secret', %s, false)", (SECRET,))
        assert SECRET not in json.dumps(appliance.sessions())
    rows = trail.settled('everywhere', sessions=2)
    assert len(rows) == len(TEXTS) + 1
    assert SECRET not in everything_stored(appliance, trail)
    appliance.kill()
    files = [path for path in appliance.state.rglob('*') if path.is_file()] + [appliance.log_file]
    assert any(path.suffix == '.seg' for path in files)
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
    trail.connection.close()


def test_keys_rows_and_values_that_are_not_what_they_were(own):
    appliance = own().start()
    trail = appliance.trail()
    run(appliance, 'swap', "SET app.jwt_secret = 'one'", "SET app.jwt_secret = 'two'")
    one, two = trail.settled('swap')
    assert command(appliance, 'verify', '--config', str(appliance.config_file)).returncode == 0

    def refused(row, message):
        done = reveal(appliance, row['id'])
        assert done.returncode == 1 and message in done.stderr and not done.stdout, done

    # Another row's value, and one with a bit changed.
    sealed = {row['id']: bytes(row['sealed']) for row in trail.events('swap', 'postgres_query')}
    put = 'UPDATE ringfence.audit_row SET sealed = %s WHERE id = %s RETURNING id'
    trail.rows(put, sealed[two['id']], one['id'])
    refused(one, b'is not what was sealed for this record')
    changed = bytearray(sealed[one['id']])
    changed[-20] ^= 1
    trail.rows(put, bytes(changed), one['id'])
    refused(one, b'is not what was sealed for this record')
    assert command(appliance, 'verify', '--config', str(appliance.config_file)).returncode == 2
    trail.rows(put, sealed[one['id']], one['id'])
    assert revealed(appliance, one['id']) == "SET app.jwt_secret = 'one'"

    # A second key seals from the next start on; what the first one sealed still opens, and digests stay comparable.
    done = command(appliance, 'new-data-key', '--config', str(appliance.config_file))
    assert done.returncode == 0, done
    key_file = appliance.state / 'data.key'
    assert key_file.stat().st_mode & 0o777 == 0o600
    keys = key_file.read_text().split('\n')[:-1]
    assert len(keys) == 2
    appliance.stop()
    appliance.start()
    run(appliance, 'second', "SET app.jwt_secret = 'one'")
    [third] = trail.settled('second')
    assert third['redacted_digest'] == one['redacted_digest']
    ids = [bytes(row['sealed'])[1:9].hex() for row in trail.events('swap', 'postgres_query') + trail.events('second', 'postgres_query')]
    assert ids == [keys[0][:16], keys[0][:16], keys[1][:16]]
    for row in (one, third):
        assert revealed(appliance, row['id']) == "SET app.jwt_secret = 'one'"
    # Without the first key.
    key_file.write_text(keys[1] + '\n')
    refused(one, b'was sealed with the data key ' + keys[0][:16].encode() + b', which is not in data.key')
    assert revealed(appliance, third['id']) == "SET app.jwt_secret = 'one'"
    # That others may read, through a link, and without any.
    key_file.chmod(0o644)
    refused(third, b'is readable by others: chmod 600')
    key_file.chmod(0o600)
    key_file.rename(appliance.state / 'moved')
    refused(third, b'does not exist')
    key_file.symlink_to(appliance.state / 'moved')
    refused(third, b'symbolic link')
    key_file.unlink()
    (appliance.state / 'moved').rename(key_file)

    # While nothing runs the command writes the event itself.
    appliance.stop()
    assert revealed(appliance, third['id']) == "SET app.jwt_secret = 'one'"
    told = trail.rows("SELECT * FROM ringfence.audit_event WHERE action = 'audit_reveal' ORDER BY chain_no")
    assert [row['entity_id'] for row in told] == [str(row['id']) for row in (one, one, third, third, third)]
    appliance.start()
    assert command(appliance, 'verify', '--config', str(appliance.config_file)).returncode == 0
    appliance.stop()
    trail.connection.close()


def test_names_of_the_configuration(own):
    appliance = own(audit={'redact': {'names': ['pin_code', 'Kundennummer']}}).start()
    trail = appliance.trail()
    run(appliance, 'names', "SET app.pin_code = '4711'", "SELECT 'kundenNummer=4711'", "SELECT 'pincodes'")
    assert [row['statement'] for row in trail.settled('names')] == [
        "SET app.pin_code = '***'", "SELECT 'kundenNummer=***'", "SELECT 'pincodes'"]
    appliance.stop()
    trail.connection.close()
    appliance.config['audit']['redact']['names'] = ['4711']
    appliance.write_config()
    done = subprocess.run([harness.BINARY, 'check', '--config', appliance.config_file], capture_output=True,
                          env=harness.clean_environment())
    assert done.returncode == 1 and b'audit.redact.names' in done.stderr
