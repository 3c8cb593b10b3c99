"""What the server says that it ran: a line for each Query, before it runs, and one for each Execute of a portal."""
import re

import alphabet

LINE = re.compile(r'^[^|\n]*\|(?P<pid>\d+)\|[^|]*\|[^|]*\|[^|]*\|LOG:  (?P<what>statement|execute [^:]*): (?P<text>.*)$')


def executed(log):
    """The texts of the portals that ran, by the server's process; empty ones of portals that had failed already. What
    the appliance asks for itself has a text without a number."""
    found, open_in = {}, None
    for line in log.split('\n'):
        if line.startswith('\t'):
            if open_in is not None:
                open_in[-1] += '\n' + line[1:]
            continue
        match = LINE.match(line)
        open_in = None
        if match and match['what'] != 'statement':
            open_in = found.setdefault(int(match['pid']), [])
            open_in.append(match['text'])
    return {pid: [text for text in texts if not text or alphabet.ANY.search(text.encode())] for pid, texts in found.items()}
