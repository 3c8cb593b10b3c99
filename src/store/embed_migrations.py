"""Writes a C++ table of the migrations named on the command line: OUT FILE..."""
import os
import sys


def main():
    out, files = sys.argv[1], sys.argv[2:]
    with open(out, "w", encoding="utf-8") as target:
        target.write('#include "store/migrations.h"\n\nnamespace ringfence::store {\n\n')
        target.write("const Migration migrations[] = {\n")
        for path in sorted(files):
            name = os.path.basename(path)
            number = int(name.split("_")[0])
            with open(path, encoding="utf-8") as source:
                text = source.read()
            target.write('    {%d, "%s",\n' % (number, name))
            # Adjacent literals: one literal has a length limit.
            for line in text.splitlines():
                target.write('     "%s\\n"\n' % line.replace("\\", "\\\\").replace('"', '\\"'))
            target.write("    },\n")
        target.write("};\nconst int migrations_count = %d;\n\n}  // namespace ringfence::store\n" % len(files))


main()
