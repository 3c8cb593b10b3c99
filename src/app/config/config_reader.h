// Reads typed values out of the configuration's two sources, file and environment, and writes down what is
// wrong.
//
// A Section is one map of the file. Whatever key it is asked for is a known key; the others are errors, told
// by finish(). A value that is wrong leaves the default in place and an error behind, so that one pass finds
// all.
#pragma once

#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config_tree.h"
#include "ringfence/model/number.h"

namespace ringfence::app {

// In the place of a file's name, of a variable.
inline constexpr std::string_view environment_file = "environment";

// Where a value came from, as an error names it.
struct Origin {
  std::string file;
  int line = 0;
  std::string key;
};

struct Found {
  std::string text;
  Origin origin;
  bool from_environment = false;
};

struct ReadContext {
  std::string file;
  const Environment& environment;
  std::vector<ConfigError>& errors;
  std::vector<ConfigError>& warnings;
  std::set<std::string> known_variables;

  void error(const Origin& origin, std::string message) {
    errors.push_back({origin.file, origin.line, origin.key, std::move(message)});
  }
  void warning(const Origin& origin, std::string message) {
    warnings.push_back({origin.file, origin.line, origin.key, std::move(message)});
  }
  // Tells every RINGFENCE_ variable that no key asked for and that is not reserved.
  void finish();
};

using model::Unit;

class Section {
 public:
  Section(ReadContext& context, const ConfigNode* node, std::string path, std::string variable);

  // The value of a key that holds a single one.
  std::optional<Found> scalar(std::string_view key);
  // Of keys of which only one may be given, the one that is. The environment's beats the file's.
  std::optional<Found> one_of(std::initializer_list<std::string_view> keys, std::string_view* which);

  void text(std::string_view key, std::string& out);
  void boolean(std::string_view key, bool& out);
  template <typename T>
  void number(std::string_view key, T& out, uint64_t min, uint64_t max, Unit unit = Unit::count) {
    if (auto value = number_of(key, min, max, unit)) out = static_cast<T>(*value);
  }
  // All numbers of a value of the model.
  template <typename Value>
  void numbers(Value& value) {
    each_number(value, [this](const char* key, auto& out, const model::Range& range) {
      number(key, out, range.min, range.max, range.unit);
    });
  }
  template <typename T>
  void choice(std::string_view key, T& out, std::initializer_list<model::Named<T>> choices) {
    choose(key, out, std::span<const model::Named<T>>(choices.begin(), choices.size()));
  }
  template <typename T, size_t count>
  void choice(std::string_view key, T& out, const model::Named<T> (&choices)[count]) {
    choose(key, out, std::span<const model::Named<T>>(choices));
  }
  template <typename T>
  void choose(std::string_view key, T& out, std::span<const model::Named<T>> choices) {
    auto found = scalar(key);
    if (!found) return;
    std::string names;
    for (const auto& [name, value] : choices) {
      if (found->text == name) {
        out = value;
        return;
      }
      if (!names.empty()) names += " or ";
      names += name;
    }
    context_.error(found->origin, "is \"" + found->text + "\"; use " + names);
  }
  // A list of plain texts.
  std::vector<Found> texts(std::string_view key, size_t items_max);
  Section section(std::string_view key);
  std::vector<Section> list(std::string_view key, size_t items_max);

  bool has(std::string_view key);
  bool is_map(std::string_view key);
  // Where this section, or a key of it, stands.
  Origin origin() const;
  Origin origin(std::string_view key) const;
  void error(std::string_view key, std::string message) { context_.error(origin(key), std::move(message)); }
  ReadContext& context() { return context_; }
  // Tells the keys that nobody asked for.
  void finish();

 private:
  const ConfigNode* child(std::string_view key);
  std::string path_of(std::string_view key) const;
  std::string variable_of(std::string_view key) const;
  std::optional<uint64_t> number_of(std::string_view key, uint64_t min, uint64_t max, Unit unit);
  size_t item_count(const ConfigNode* list, const std::string& variable, bool are_sections,
                    const Origin& where, size_t items_max);

  ReadContext& context_;
  const ConfigNode* node_;  // Null when the file has no such map.
  int line_ = 0;
  std::string path_;      // "listeners[0]"
  std::string variable_;  // "RINGFENCE_LISTENERS_0"
  std::vector<std::string> known_keys_;
};

// "did you mean x?", or the names there are.
std::string suggest(std::string_view name, const std::vector<std::string>& known);
// Digits with an optional suffix of the unit: 16MiB, 10s. Nothing when it is no such number or does not fit.
std::optional<uint64_t> parse_quantity(std::string_view text, Unit unit);

}  // namespace ringfence::app
