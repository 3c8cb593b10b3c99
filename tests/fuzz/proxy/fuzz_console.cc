// A text, as a Query message may hold it, into the console's parser. What it says of a command it says of
// that command's own text, too.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "proxy/pg/console_answers.h"
#include "proxy/pg/console_tables.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

void must_hold(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size, without what would end the text.
  std::string text(reinterpret_cast<const char*>(data), size);
  text.erase(std::find(text.begin(), text.end(), '\0'), text.end());
  text.shrink_to_fit();
  const std::vector<ConsoleCommand> commands = parse_console(text);
  must_hold(commands.size() <= console_commands_max + 1, "more commands than the bound");
  for (size_t i = 0; i < commands.size(); ++i) {
    const ConsoleCommand& command = commands[i];
    must_hold(text.find(command.text) != std::string::npos, "a command that does not stand in the text");
    must_hold(!console_name(command.verb).empty(), "a command without a name");
    if (i == console_commands_max) break;
    const std::vector<ConsoleCommand> again = parse_console(command.text);
    must_hold(again.size() == 1, "a command that is none, or several, by itself");
    must_hold(again[0].verb == command.verb && again[0].argument == command.argument &&
                  again[0].value == command.value,
              "a command that is another one by itself");
    std::string out;
    append_row_description(out, console_columns(command), {});
  }
  return 0;
}
