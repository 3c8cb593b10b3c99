#include "unknown_word.h"

#include <algorithm>
#include <vector>

#include "app/config/config_reader.h"

namespace ringfence::app {

namespace {

std::string told(const std::string& what, const std::string& word, const std::vector<std::string>& known) {
  std::string hint = suggest(word, known);
  constexpr std::string_view meant = "did you mean ";
  if (hint.starts_with(meant))
    hint = std::string(meant) + "'" + hint.substr(meant.size(), hint.size() - meant.size() - 1) + "'?";
  return "unknown " + what + " '" + word + "'; " + hint;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    out.push_back(command->get_name());
  }
  return out;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  }
  return out;
}

}  // namespace

std::string unknown_word(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* command = &app;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--") return "";
    if (word.size() > 1 && word[0] == '-') {
      const std::string name = word.substr(0, word.find('='));
      const bool is_long = word[1] == '-';
      const CLI::Option* option = command->get_option_no_throw(is_long ? name : name.substr(0, 2));
      if (option == nullptr) return told("option", is_long ? name : word, options_of(*command));
      // Its value is the next word, unless it stands in this one.
      const bool has_value = is_long ? name.size() < word.size() : word.size() > 2;
      if (option->get_items_expected_max() > 0 && !has_value) ++i;
      continue;
    }
    const std::vector<std::string> known = commands_of(*command);
    if (known.empty()) continue;
    if (std::find(known.begin(), known.end(), word) == known.end()) return told("command", word, known);
    command = command->get_subcommands([&](const CLI::App* one) { return one->get_name() == word; }).front();
  }
  return "";
}

}  // namespace ringfence::app
