// A record's fields as words of the command line: "roles=operator,auditor", "enabled=false",
// "roles=+auditor".
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.h"
#include "ringfence/model/json.h"
#include "ringfence/model/noun.h"

namespace ringfence::client {

// What one word says. A list is either given whole, or its entries are added and taken away.
struct FieldText {
  const model::Field* field = nullptr;
  bool is_relative = false;
  model::Json value{};                 // Unless it is relative.
  std::vector<std::string> added{};    // Entries of a list, or "key:value" of labels.
  std::vector<std::string> removed{};  // Entries of a list, or keys of labels.
};

// Reads "NAME=VALUE". `is_change`: "+x,-y" is relative; a new record has nothing that this could be relative
// to. null is no value; a list that begins with [" and labels that begin with { are JSON. A time is RFC 3339,
// a date (0:00 UTC), or "+30d" from now_us on (s, m, h, d). Secrets are refused: others see a command line.
Outcome<FieldText> parse_field_text(const model::Noun& noun, std::string_view word, bool is_change,
                                    uint64_t now_us);
// The list or the labels after the relative change. Entries that are there already, or are not, change
// nothing.
model::Json applied(const FieldText& change, const model::Json& current);

// "users list" takes these: "roles=auditor".
Outcome<std::pair<std::string, std::string>> parse_filter(const model::Noun& noun, std::string_view word);

// "30d", "12h", "90m", "45s" in microseconds; nothing for what is none, or is longer than 100 years.
Outcome<uint64_t> parse_duration_us(std::string_view text);

// What completes a word of `verb` (create, update, list): "roles=", "enabled=true".
std::vector<std::string> field_words(const model::Noun& noun, std::string_view verb);

}  // namespace ringfence::client
