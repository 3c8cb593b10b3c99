"""The client matrix: what a client says it sent, the trail, and the target's own log as the witness, side by side.

A client program ends by printing one line of JSON: {"sessions": [{"application": ..., "sent": [{"text": ...}]}]}.
An entry of `sent` holds the text and whatever else is known of it: parameters, rows, outcome (success when it says
nothing), sqlstate, tag, type (Q simple, E extended)."""
import collections
import itertools
import json
import re
import subprocess

import harness

names = itertools.count(1)
CHECKED = {'rows': 'rows', 'parameters': 'parameters', 'tag': 'command_tag', 'type': 'message_type'}


def application(prefix):
    """Short: the target sees `ringfence/alice: ` before it and keeps 63 bytes."""
    return '%s-%d' % (prefix, next(names))


def run(arguments, environment, timeout=60):
    """Runs a client program and returns what it says it sent."""
    done = subprocess.run(arguments, env=environment, text=True, capture_output=True, timeout=timeout, cwd='/')
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(rows, sent):
    """As many records as statements, in order, each with its text, outcome and what else the client knows of it. A bind
    that its group does not execute has a record of its own, which no client's program counts as a statement."""
    rows = [row for row in rows if row['action'] != 'postgres_bind']
    for number, (row, entry) in enumerate(zip(rows, sent)):
        wanted = (entry['text'], entry.get('outcome', 'success'), entry.get('sqlstate'))
        got = (row['statement'], row['outcome'], row['sqlstate'])
        assert got == wanted, 'statement %d: %r instead of %r' % (number, got, wanted)
        for name, column in CHECKED.items():
            if name in entry:
                assert row[column] == entry[name], 'statement %d, %s: %s is %r instead of %r' % (
                    number, entry['text'][:200], column, row[column], entry[name])
    more = [(row['statement'], row['outcome']) for row in rows[len(sent):]]
    assert not more, 'in the trail, but not sent: %r' % more[:5]
    less = [entry['text'] for entry in sent[len(rows):]]
    assert not less, 'sent, but not in the trail: %r' % less[:5]


Logged = collections.namedtuple('Logged', 'pid kind text parameters')
LINE = re.compile(r'^\d{4}-\d\d-\d\d [^|]*\|(\d+)\|([^|]*)\|[^|]*\|[^|]*\|(\w+): +(.*)$', re.DOTALL)
STATEMENT = re.compile(r'(statement|execute|fastpath)(?:[^:]*): (.*)$', re.DOTALL)
VALUE = re.compile(r"\$\d+ = (?:NULL|'((?:[^']|'')*)')")


class Witness:
    """The target's log from now on: which statements the server began to execute, and with what."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.since = cluster.log_position()

    def statements(self, application_name):
        entries = []
        for line in self.cluster.logged(self.since).split('\n'):
            if line.startswith('\t') and entries:
                entries[-1] += '\n' + line[1:]
            else:
                entries.append(line)
        found = []
        lines = [parts for entry in entries if (parts := LINE.match(entry))]
        processes = {parts[1] for parts in lines if parts[2].split(': ')[-1] == application_name}
        for parts in lines:
            if parts[1] not in processes:
                continue
            if parts[3] == 'LOG' and (statement := STATEMENT.match(parts[4])):
                found.append(Logged(int(parts[1]), statement[1], statement[2], None))
            elif parts[3] == 'DETAIL' and parts[4].lower().startswith('parameters: ') and found:
                found[-1] = found[-1]._replace(parameters=[
                    value[1] and value[1].replace("''", "'") for value in VALUE.finditer(parts[4])])
        return found

    def agrees(self, rows, application_name):
        """What the server executed is in the trail, once and in its order; what the trail calls a success, the server
        executed. Of one session."""
        problem = disagreement(rows, self.statements(application_name))
        assert problem is None, problem

    def agree_by_session(self, trail, application_name):
        """The same of several sessions of one name; gives the rows of each."""
        by_process = collections.defaultdict(list)
        for entry in self.statements(application_name):
            by_process[entry.pid].append(entry)
        assert by_process, 'the server knows no session of that name'
        sessions = collections.defaultdict(list)
        for row in trail.settled(application_name, sessions=len(by_process)):
            sessions[row['session_id']].append(row)
        assert len(sessions) == len(by_process)
        for rows in sessions.values():
            problems = {pid: disagreement(rows, logged) for pid, logged in by_process.items()}
            same = [pid for pid, problem in problems.items() if problem is None]
            assert same, 'no process of the server did what this session says: %r' % list(problems.values())
            del by_process[same[0]]
        return list(sessions.values())


def disagreement(rows, logged, rest=None):
    """What is wrong, or None. `rest`: of the Query that is being matched, what its statements have not yet covered."""
    rows = [row for row in rows if row['action'] != 'postgres_bind']
    logged = collections.deque(logged)
    for number, row in enumerate(rows):
        text = row['statement']
        may_be_absent = row['outcome'] in ('failure', 'not_executed', 'cancelled')
        if row['message_type'] == 'Q':
            if rest is None and logged and logged[0].kind == 'statement' and text in logged[0].text:
                rest = logged.popleft().text
            if rest is not None and text in rest:
                rest = rest[rest.index(text) + len(text):]
                if not rest.strip(' ;\n\t'):
                    rest = None
                continue
        elif (row['outcome'] != 'not_executed' and logged and logged[0].kind == 'execute' and logged[0].text == text
              and same_values(row['parameters'], logged[0].parameters)):
            # What fails while it is parsed or bound never gets as far as the log: then this entry is of a later one.
            if may_be_absent:
                if disagreement(rows[number + 1:], list(logged)[1:], rest) is None:
                    return None
                continue
            logged.popleft()
            continue
        if not may_be_absent:
            return "not in the server's log: %r, next is %r" % (
                (text, row['parameters'], row['outcome']), list(logged)[:2])
    return 'not in the trail: %r' % list(logged)[:3] if logged else None


def same_values(ours, theirs):
    """The server prints values as it reads them, so only those are compared whose print is the same for everybody."""
    if ours is None or theirs is None:
        return not ours and not theirs
    return len(ours) == len(theirs) and all(
        (mine is None) == (other is None) and
        (not isinstance(mine, str) or not re.fullmatch(r'0|-?[1-9]\d*', mine) or mine == other)
        for mine, other in zip(ours, theirs))


def check(trail, witness, said):
    """All sessions of a client's run."""
    for session in said['sessions']:
        rows = trail.settled(session['application'])
        compare(rows, session['sent'])
        witness.agrees(rows, session['application'])


def tool(name):
    return subprocess.run(['sh', '-c', 'command -v ' + name], capture_output=True).returncode == 0


def cache(name):
    """A directory below build/ that outlives a run."""
    path = harness.ROOT / 'build' / 'test-clients' / name
    path.mkdir(parents=True, exist_ok=True)
    return path
