"""Writes a C++ table of the migrations named on the command line, and what they make together: OUT FILE..."""
import os
import re
import sys


def literal(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def parts(body):
    """What stands between the commas of a parenthesised list, without those of inner ones."""
    depth, begin, out = 0, 0, []
    for at, c in enumerate(body):
        depth += (c == '(') - (c == ')')
        if c == ',' and depth == 0:
            out.append(body[begin:at])
            begin = at + 1
    return out + [body[begin:]]


def closing(text, at):
    depth = 0
    while True:
        depth += (text[at] == '(') - (text[at] == ')')
        if depth == 0:
            return at
        at += 1


class Schema:
    """Tables and views of the schema, in the few forms in which our migrations make them."""

    def __init__(self):
        self.tables, self.views = {}, {}

    def take(self, text):
        text = re.sub(r'--[^\n]*', '', text)
        for found in re.finditer(
                r'CREATE TABLE ringfence\.(?P<table>\w+) \(|CREATE TABLE ringfence\.(?P<part>\w+) PARTITION OF'
                r'|DROP TABLE ringfence\.(?P<gone>\w+);|ALTER TABLE ringfence\.(?P<old>\w+) RENAME TO (?P<new>\w+);'
                r'|ALTER TABLE ringfence\.(?P<more>\w+) (?P<columns>ADD COLUMN [^;]*);'
                r'|CREATE (?:OR REPLACE )?VIEW ringfence\.(?P<view>\w+) AS(?P<query>[^;]*);', text):
            if found['table']:
                open_at = found.end() - 1
                body = text[open_at + 1:closing(text, open_at)]
                words = [part.split()[0] for part in parts(body)]
                self.tables[found['table']] = [w for w in words if w not in ('PRIMARY', 'UNIQUE', 'CHECK', 'CONSTRAINT')]
            elif found['part']:
                self.tables[found['part']] = None
            elif found['gone']:
                del self.tables[found['gone']]
            elif found['old']:
                self.tables[found['new']] = self.tables.pop(found['old'])
            elif found['more']:
                self.tables[found['more']] += re.findall(r'ADD COLUMN (\w+)', found['columns'])
            else:
                self.views[found['view']] = found['query'].strip()


def main():
    out, files = sys.argv[1], sorted(sys.argv[2:])
    schema = Schema()
    with open(out, "w", encoding="utf-8") as target:
        target.write('#include "store/migrations.h"\n\n#include "ringfence/store/schema.h"\n\nnamespace ringfence::store {\n\n')
        target.write("const Migration migrations[] = {\n")
        for path in files:
            name = os.path.basename(path)
            number = int(name.split("_")[0])
            with open(path, encoding="utf-8") as source:
                text = source.read()
            schema.take(text)
            target.write('    {%d, "%s",\n' % (number, name))
            # Adjacent literals: one literal has a length limit.
            for line in text.splitlines():
                target.write('     %s\n' % literal(line + "\n"))
            target.write("    },\n")
        target.write("};\nconst int migrations_count = %d;\n\n" % len(files))
        target.write("const std::map<std::string, std::vector<std::string>>& schema_tables() {\n"
                     "  static const std::map<std::string, std::vector<std::string>> tables = {\n")
        for name, columns in sorted(schema.tables.items()):
            target.write('      {"%s", {%s}},\n' % (name, ', '.join('"%s"' % c for c in columns or ())))
        target.write("  };\n  return tables;\n}\n\nconst std::map<std::string, std::string>& schema_views() {\n"
                     "  static const std::map<std::string, std::string> views = {\n")
        for name, query in sorted(schema.views.items()):
            lines = '\n       '.join(literal(line + "\n") for line in query.splitlines())
            target.write('      {"%s",\n       %s},\n' % (name, lines))
        target.write("  };\n  return views;\n}\n\n}  // namespace ringfence::store\n")


main()
