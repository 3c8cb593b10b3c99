"""What the client sees: which of its messages each answer belongs to, by the protocol alone. It knows no text and no
name, so that it cannot be wrong in the way in which a model of names can be."""
import collections
import dataclasses
import struct

import alphabet
import raw


@dataclasses.dataclass
class Seen:
    """The answer to a statement of a Query, to an Execute, or (`outside`) an error that is neither's."""
    place: int  # Of the message.
    kind: str  # Its type.
    text: bytes  # Of a Query: all of it.
    ending: str = ''  # 'done', 'empty', 'suspended', 'error'.
    tag: str = ''
    data_rows: int = 0
    sqlstate: str = ''
    message: str = ''
    is_refused: bool = False  # The error is the appliance's, which says no file of the server's source.
    values: set = dataclasses.field(default_factory=set)
    parameters: set = dataclasses.field(default_factory=set)

    @property
    def is_outside(self):
        return self.kind not in 'QE'


class Unexpected(Exception):
    """An answer that fits nothing that was sent."""


class Answers:
    def __init__(self):
        self.pending = collections.deque()  # Of (place, type, text).
        self.place = 0
        self.is_skipping = False
        self.seen = []
        self.now = None
        self.fatal = None

    def sent(self, kind, body):
        self.place += 1
        if kind in b'dcfHX':
            return
        if self.is_skipping:
            if kind != b'S':
                return
            self.is_skipping = False
        self.pending.append((self.place, kind.decode(), body[:-1] if kind == b'Q' else b''))

    @property
    def is_settled(self):
        return not self.pending

    def current(self):
        if self.now is None:
            place, kind, text = self.pending[0]
            self.now = Seen(place, kind, text)
        return self.now

    def end(self, ending, pops, **more):
        now, self.now = self.current(), None
        now.ending = ending
        for key, value in more.items():
            setattr(now, key, value)
        self.seen.append(now)
        if pops:
            self.pending.popleft()

    def expect(self, kind, kinds):
        if not self.pending or self.pending[0][1] not in kinds:
            raise Unexpected('%s answers %s' % (kind, list(self.pending)[:3]))

    def received(self, kind, body):
        letter = kind.decode()
        if letter in 'SA':
            return
        if letter == 'N':
            if self.pending and self.pending[0][1] in 'QE':
                self.current().values |= set(alphabet.VALUE.findall(raw.error_fields(body)['M'].encode()))
        elif letter in '123':
            self.expect(letter, {'1': 'P', '2': 'B', '3': 'C'}[letter])
            self.pending.popleft()
        elif letter == 't':
            self.expect(letter, 'D')
        elif letter in 'Tn':
            self.expect(letter, 'DQE')
            if self.pending[0][1] == 'D':
                self.pending.popleft()
        elif letter in 'DdGHcW':
            self.expect(letter, 'QE')
            if letter in 'Dd':
                now = self.current()
                now.data_rows += letter == 'D'
                now.values |= set(alphabet.VALUE.findall(body))
                now.parameters |= set(alphabet.PARAMETER.findall(body))
        elif letter in 'CIs':
            self.expect(letter, 'QE' if letter != 's' else 'E')
            ending = {'C': 'done', 'I': 'empty', 's': 'suspended'}[letter]
            self.end(ending, self.pending[0][1] == 'E', tag=body[:-1].decode() if letter == 'C' else '')
        elif letter == 'E':
            self.error(raw.error_fields(body))
        elif letter == 'Z':
            self.expect(letter, 'QS')
            self.pending.popleft()
            self.now = None
        else:
            raise Unexpected('a message %s' % letter)

    def error(self, fields):
        if fields['S'] in ('FATAL', 'PANIC'):
            self.fatal = fields
            return
        if not self.pending:
            raise Unexpected('an error: %s' % fields)
        kind = self.pending[0][1]
        is_refused = 'F' not in fields
        self.end('error', kind not in 'QS', sqlstate=fields['C'], message=fields['M'], is_refused=is_refused)
        if kind in 'QS':
            return
        while self.pending and self.pending[0][1] != 'S':
            self.pending.popleft()
        self.is_skipping = not self.pending


class Client(raw.RawClient):
    """Sends a session's messages and keeps what it sees."""

    def play(self, session, sleep):
        self.answers = Answers()
        self.out = bytearray()
        self.cut = session.cut
        for op in session.ops:
            for kind, body in op.messages:
                self.add(kind, body)
            if op.then != 'flow':
                self.flush()
            if op.then == 'pause':
                sleep()
            if op.then == 'wait':
                self.settle()
        self.add(b'S', b'')
        self.flush()
        self.settle()
        if self.answers.fatal is None:
            self.send(raw.TERMINATE)
        return self.answers

    def add(self, kind, body):
        self.answers.sent(kind, body)
        self.out += raw.message(kind, body)

    def flush(self):
        if self.answers.fatal is not None:
            return
        step = self.cut or len(self.out) or 1
        try:
            for at in range(0, len(self.out), step):
                self.socket.sendall(self.out[at:at + step])
        except (BrokenPipeError, ConnectionResetError):
            self.settle()
        self.out = bytearray()

    def settle(self):
        self.flush_was = None
        while not self.answers.is_settled and self.answers.fatal is None:
            try:
                self.answers.received(*self.receive())
            except (EOFError, ConnectionResetError):
                self.answers.fatal = self.answers.fatal or {'C': '', 'M': 'closed without a word'}


def log_in(port, user, password, database, name):
    client = Client(port, timeout=30)
    client.log_in(user, password, database, application_name=name)
    return client
