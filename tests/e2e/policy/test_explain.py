"""What explaining says is what happens: the same statements by psql and as questions."""
import json
import subprocess
import urllib.error
import urllib.request

import pytest

import harness

PASSWORD = 'explain-test'
STATEMENTS = [
    'SELECT 1', 'SELECT * FROM customers', 'SELECT name FROM products', 'SELECT 1; DELETE FROM products',
    'EXPLAIN ANALYZE DELETE FROM products', "SELECT set_config('transaction_read_only', 'off', false)", 'BEGIN; SELECT 1; COMMIT',
    'BEGIN READ WRITE', 'COPY products TO STDOUT', "COPY products TO PROGRAM 'true'", 'SELECT lo_unlink(lo_create(0))', "SET DateStyle = 'ISO'",
    'SET ROLE postgres', 'DO $$ BEGIN END $$', "PREPARE p AS SELECT '\u00e4'", 'WITH d AS (DELETE FROM products RETURNING 1) SELECT * FROM d',
    "SELECT '\u00fc'; /* \u00e4 */ UPDATE products SET name = 'x'", 'SELECT 1; selec', 'SELECT ' + '+'.join(['1'] * 3000),
]


@pytest.fixture(scope='module')
def guarded(target):
    directory = harness.work_directory('explain')
    one = harness.Appliance(
        directory, target,
        users=[{'name': name, 'password': PASSWORD, 'roles': [name]} for name in ('reader', 'lister', 'boss', 'nobody')],
        policies=[
            {'name': 'readers', 'roles': ['reader'], 'tags': ['e2e'], 'deny': [{'relations': ['customers'], 'message': 'no customers'}]},
            {'name': 'listers', 'roles': ['lister'], 'tags': ['e2e'], 'level': 'write', 'whitelist': ['^select .* from products', '^begin']},
            {'name': 'bosses', 'roles': ['boss'], 'tags': ['e2e'], 'level': 'admin'}]).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


def ask(one, question, token=harness.TOKEN):
    """(status, body as an object)"""
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    request = urllib.request.Request('http://127.0.0.1:%d/api/v1/policy/explain' % one.admin_port, data=body, method='POST')
    if token:
        request.add_header('Authorization', 'Bearer ' + token)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        assert refusal.headers['Content-Type'] == 'application/problem+json'
        return refusal.code, json.loads(refusal.read())


def command(one, *arguments, stdin=None):
    return subprocess.run([harness.BINARY, 'explain', '--config', one.config_file, *arguments], input=stdin, text=True,
                          capture_output=True, timeout=60, env=harness.clean_environment())


def by_psql(one, user, text):
    """Who refused it: None, or the policy's message; the server's own errors do not count."""
    done = one.psql('-X', '-v', 'VERBOSITY=verbose', '-c', text, check=False, user=user, PGPASSWORD=PASSWORD)
    # The server's own come with a place in its source.
    refusals = [line for line in done.stderr.splitlines() if 'ERROR:  42501:' in line and 'LOCATION:' not in done.stderr]
    return (refusals[0].split('42501: ', 1)[1], done.stderr) if refusals else (None, done.stderr)


@pytest.mark.parametrize('user', ['reader', 'lister', 'boss'])
def test_explaining_and_psql_agree(guarded, user):
    decided = set()
    for text in STATEMENTS:
        status, told = ask(guarded, {'user': user, 'target': 'shop', 'statement': text})
        assert status == 200, told
        message, everything = by_psql(guarded, user, text)
        assert told['allowed'] == (message is None), (text, told, everything)
        decided.add(told['allowed'])
        offline = command(guarded, '-u', user, '-t', 'shop', '--json', text)
        assert offline.returncode == (0 if told['allowed'] else 2), offline.stderr
        assert json.loads(offline.stdout)['statements'] == told['statements']
        if message is None:
            continue
        refused = told['statements'][told['refused_statement']]
        assert refused['message'] == message and refused['sqlstate'] == '42501'
        if refused['position'] and '\n' not in text:
            # psql's own caret, under the character that Position counts.
            lines = everything.splitlines()
            shown = next(i for i, line in enumerate(lines) if line.startswith('LINE 1: '))
            if '...' not in lines[shown]:
                assert lines[shown + 1].index('^') - len('LINE 1: ') == refused['position']['character'] - 1
    assert decided == ({True} if user == 'boss' else {True, False})


def test_the_answer_names_access_rules_facts_and_places(guarded):
    text = "SELECT '\u00e4'; SELECT c.name, lower(x) FROM public.customers c"
    status, told = ask(guarded, {'user': 'reader', 'target': 'shop', 'statement': text})
    assert status == 200 and not told['allowed'] and told['decision'] == 'refuse' and told['refused_statement'] == 1
    assert told['access']['level'] == 'read' and told['access']['granted'] and not told['access']['unrestricted']
    assert [policy['name'] for policy in told['access']['policies']] == ['readers']
    first, second = told['statements']
    assert first['allowed'] and first['rule'] is None and first['facts']['kind'] == 'select'
    assert second['rule'].startswith('policy readers: deny ') and second['message'] == 'no customers'
    at = second['position']
    assert text.encode()[at['byte']:].startswith(b'public.customers') and text[at['character'] - 1:].startswith('public.customers')
    assert [(one['schema'], one['name'], one['written']) for one in second['facts']['relations']] == [('public', 'customers', False)]
    assert [one['name'] for one in second['facts']['functions']] == ['lower']
    assert {one['effect'] for one in second['matched']} == {'admits', 'refuses'}
    # Roles in place of a user; a target on which nobody has access is said to be such.
    assert ask(guarded, {'roles': ['boss'], 'target': 'shop', 'statement': 'x'})[1]['access']['unrestricted']
    status, told = ask(guarded, {'user': 'nobody', 'target': 'shop', 'statement': 'SELECT 1'})
    assert status == 200 and not told['allowed'] and not told['access']['granted'] and told['statements'][0]['rule'] == 'access'
    status, told = ask(guarded, {'user': 'lister', 'target': 'shop', 'statement': 'select name from products'})
    assert [one['rule'].split(' ')[0] for one in told['statements'][0]['matched']] == ['level', 'whitelist']


@pytest.mark.parametrize('question,status,says', [
    ({'user': 'who', 'target': 'shop', 'statement': 'x'}, 422, 'no user "who"'),
    ({'user': 'reader', 'target': 'where', 'statement': 'x'}, 422, 'no target "where"'),
    ({'user': 'reader', 'target': 'shop', 'method': 'GET', 'path': '/'}, 422, 'speaks PostgreSQL'),
    ({'user': 'reader', 'target': 'shop'}, 400, '"statement" is missing'),
    ({'user': 'reader', 'roles': [], 'target': 'shop', 'statement': 'x'}, 400, 'one of them'),
    ({'target': 'shop', 'statement': 'x'}, 400, 'one of them'),
    ({'user': 'reader', 'target': 'shop', 'statement': 7}, 400, 'not a string'),
    ({'user': 'reader', 'target': 'shop', 'statement': 'a\0b'}, 400, 'NUL'),
    ({'user': 'reader', 'target': 'shop', 'statement': 'x', 'sql': 'y'}, 400, 'unknown key "sql"'),
    ({'user': 'reader', 'target': 'shop', 'statement': ';'.join(['select 1'] * 300)}, 422, 'more than 200 statements'),
    (b'{"user": ', 400, 'not a JSON object'), (b'[]', 400, 'not a JSON object'), (b'', 400, 'not a JSON object'),
    (b'[' * 500000, 400, 'not a JSON object'),
    ({'user': 'reader', 'target': 'shop', 'statement': 'x' * 1100000}, 413, ''),
])
def test_a_question_that_makes_no_sense_is_told_why(guarded, question, status, says):
    told = ask(guarded, question)
    assert told[0] == status and says in told[1]['detail'], told


def test_questions_need_the_token_and_follow_a_reload(own):
    one = own().start()
    assert ask(one, {'user': 'alice', 'target': 'shop', 'statement': 'x'}, token='wrong')[0] == 401
    question = {'user': 'alice', 'target': 'shop', 'statement': 'DROP TABLE x'}
    assert ask(one, question)[1]['allowed']
    one.config['policies'][0]['level'] = 'read'
    one.write_config()
    one.reload()
    harness.eventually(lambda: not ask(one, question)[1]['allowed'])


def test_the_command_shows_the_place_and_reads_standard_input(guarded):
    told = command(guarded, '-u', 'reader', '-t', 'shop', stdin="SELECT 1;\nDELETE\tFROM products;\n")
    assert told.returncode == 2 and told.stderr == ''
    assert 'refused: reader on shop' in told.stdout and 'policy readers' in told.stdout
    lines = told.stdout.splitlines()
    caret = [i for i, line in enumerate(lines) if line.strip() == '^'][-1]
    assert lines[caret].index('^') == lines[caret - 1].index('DELETE')
    assert 'level read: DELETE needs access level write' in told.stdout
    for arguments, says in ((('-t', 'shop', 'x'), '--user or --role'), (('-u', 'who', '-t', 'shop', 'x'), 'no user "who"'),
                            (('-u', 'reader', '-t', 'where', 'x'), 'no target "where"')):
        told = command(guarded, *arguments)
        assert told.returncode == 1 and says in told.stderr


def test_policies_that_were_reloaded_stay_when_a_certificate_changes(own, tmp_path):
    def make(days):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', days,
                        '-subj', '/CN=localhost', '-keyout', tmp_path / 'new.key', '-out', tmp_path / 'new.crt'],
                       check=True, capture_output=True)
        for name in ('key', 'crt'):
            (tmp_path / ('new.' + name)).chmod(0o600)
            (tmp_path / ('new.' + name)).rename(tmp_path / ('c.' + name))
    make('2')
    port = harness.free_port()
    one = own(listeners=[{'name': 'main', 'port': port, 'tls': 'prefer'}],
              tls={'certificate_file': str(tmp_path / 'c.crt'), 'key_file': str(tmp_path / 'c.key')}).start()
    question = {'user': 'alice', 'target': 'shop', 'statement': 'DROP TABLE x'}
    assert ask(one, question)[1]['allowed']
    one.config['policies'][0]['level'] = 'read'
    one.write_config()
    one.reload()
    harness.eventually(lambda: not ask(one, question)[1]['allowed'])
    presented = 'ringfence_tls_certificate_expiry_seconds{use="listener",name="main",development="false"}'
    before = one.metrics()[presented]
    make('9')
    harness.eventually(lambda: one.metrics()[presented] != before, what='the new certificate')
    assert not ask(one, question)[1]['allowed']
