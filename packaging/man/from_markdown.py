#!/usr/bin/python3
"""from_markdown.py NAME SECTION TITLE SUMMARY FILE: a manual page out of one of the documents, on standard output.

Knows what our documents use: headings, paragraphs, lists, fenced blocks, tables, `code`, **bold**, [links](to).
The first heading becomes NAME; a table's rows become tagged paragraphs.
"""
import re
import sys


def escape(text):
    return text.replace('\\', '\\e').replace('-', '\\-')


def inline(text):
    text = re.sub(r'\[([^\]]+)\]\([^)]+\)', r'\1', text)
    out = []
    for piece in re.split(r'(`[^`]+`|\*\*[^*]+\*\*)', text):
        if piece.startswith('`'):
            out.append('\\fB' + escape(piece[1:-1]) + '\\fR')
        elif piece.startswith('**'):
            out.append('\\fI' + escape(piece[2:-2]) + '\\fR')
        else:
            out.append(escape(piece))
    line = ''.join(out)
    return '\\&' + line if line.startswith(('.', "'")) else line


def row(cells):
    key, rest = cells[0], cells[1:]
    default, meaning = ('', rest[0]) if len(rest) == 1 else (rest[0], rest[1])
    tail = [inline(meaning if meaning.endswith(('.', ')')) else meaning + '.')] if meaning else []
    if default:
        tail.append(inline('Default: %s.' % default if default != 'required' else 'Required.'))
    return ['.TP', inline(key), *(tail or ['\\&'])]


def page(name, section, title, summary, text):
    out = ['.\\" Made from docs/ by from_markdown.py.',
           '.TH "%s" "%s" "" "Ringfence" "%s"' % (name.upper(), section, title),
           '.SH NAME', '%s \\- %s' % (escape(name), escape(summary)), '.SH DESCRIPTION']
    fenced = paragraph = False
    lines = text.splitlines()
    for line, after in zip(lines, lines[1:] + ['']):
        if line.startswith('```'):
            out += ['.fi', '.RE'] if fenced else ['.PP', '.RS 4', '.nf']
            fenced, paragraph = not fenced, False
        elif fenced:
            out.append('\\&' + escape(line))
        elif line.startswith('# '):
            continue
        elif line.startswith('#'):
            out.append('.SH "%s"' % inline(line.lstrip('# ').upper()))
            paragraph = True
        elif not line.strip():
            paragraph = False
        elif re.match(r'\|[-| ]+\|$', line):
            continue
        elif line.startswith('|'):
            if not re.match(r'\|[-| ]+\|$', after):  # Else it is the head of a table.
                out += row([cell.strip() for cell in re.split(r'(?<!\\)\|', line.strip()[1:-1])])
        elif line.startswith('- '):
            out += ['.IP \\(bu 2', inline(line[2:])]
            paragraph = True
        else:
            if not paragraph:
                out.append('.PP')
            paragraph = True
            out.append(inline(line.strip()))
    return '\n'.join(out) + '\n'


if __name__ == '__main__':
    with open(sys.argv[5], encoding='utf-8') as source:
        sys.stdout.write(page(*sys.argv[1:5], source.read()))
