"""Writes a C++ table of the files named on the command line: OUT FILE..."""
import os
import sys

MEDIA_TYPES = {
    '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
    '.json': 'application/json'}


def literal(text):
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n').replace('?', '\\?')


def main():
    out, files = sys.argv[1], sorted(sys.argv[2:])
    with open(out, 'w', encoding='utf-8') as target:
        target.write('#include "admin/api/pages.h"\n\n#include <nlohmann/json.hpp>\n\nnamespace ringfence::admin {\n\n')
        target.write('namespace {\nconst Page pages[] = {\n')
        for path in files:
            name = os.path.basename(path)
            with open(path, encoding='utf-8') as source:
                text = source.read()
            target.write('    {"%s", "%s",\n' % (name, MEDIA_TYPES[os.path.splitext(name)[1]]))
            # Adjacent literals: one literal has a length limit.
            for line in text.splitlines():
                target.write('     %s\n' % literal(line + '\n'))
            target.write('    },\n')
        target.write('};\n}  // namespace\n\n')
        target.write('const Page& page(std::string_view name) {\n  for (const Page& one : pages)\n'
                     '    if (one.name == name) return one;\n  RINGFENCE_ASSERT(false);\n  return pages[0];\n}\n\n')
        target.write('const model::Json& schemas_in_file() {\n'
                     '  static const model::Json all = model::Json::parse(page("schemas.json").text);\n'
                     '  return all;\n}\n\n}  // namespace ringfence::admin\n')


main()
