"""The command line client as a program that somebody runs, with a home of its own."""
import json
import os
import pty
import select
import subprocess
import time

import harness

PASSWORD = 'correct horse 7'
OK, REFUSED, USAGE, NOT_FOUND, DENIED, CONFLICT, UNREACHABLE = range(7)


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return 'exit %s\n%s\n%s' % (self.code, self.out, self.err)


class Client:
    """Somebody with a home of his own."""

    def __init__(self, one, home):
        self.one, self.home = one, home
        self.url = 'http://127.0.0.1:%d' % one.admin_port
        self.file = home / '.config/ringfence/contexts.json'

    def environment(self, **more):
        kept = {name: value for name, value in harness.clean_environment().items() if name != 'XDG_CONFIG_HOME'}
        return {**kept, 'HOME': str(self.home), **more}

    def run(self, *words, given='', **more):
        done = subprocess.run([self.one.binary, *words], input=given, capture_output=True, text=True, timeout=60,
                              env=self.environment(**more))
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words, **more):
        done = self.run(*words, **more)
        for _ in range(5):  # A machine that has much else to do checks passwords late, and says so.
            if done.code == UNREACHABLE and 'try again' in done.err:
                done = self.run(*words, **more)
        assert done.code == OK, done
        return done

    def log_in(self, user, password=PASSWORD, *words):
        return self.ok('login', '--url', self.url, '--user', user, '--password-stdin', *words, given=password + '\n')

    def as_token(self, *words, **more):
        return self.run(*words, RINGFENCE_URL=self.url, RINGFENCE_KEY=harness.TOKEN, **more)

    def typed(self, *words, answers, **more):
        """At a terminal: (prompt, answer) one after the other. The exit status and what the terminal showed."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.one.binary, [str(self.one.binary), *words], self.environment(**more))
        shown, deadline = '', time.monotonic() + 30

        def read():
            nonlocal shown
            assert time.monotonic() < deadline, shown
            if not select.select([terminal], [], [], 0.2)[0]:
                return True
            try:
                piece = os.read(terminal, 4096).decode()
            except OSError:
                return False
            shown += piece
            return bool(piece)
        for prompt, answer in answers:
            at = len(shown)
            while prompt not in shown[at:]:
                assert read(), shown
            os.write(terminal, answer.encode())
        while read():
            pass
        os.close(terminal)
        status = os.waitpid(pid, 0)[1]
        return Done(os.waitstatus_to_exitcode(status), shown, '')
