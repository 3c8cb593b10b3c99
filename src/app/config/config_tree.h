// A configuration file as a tree of our own: what it says and on which line. yaml-cpp is used behind this
// header alone, and what it throws ends there.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/app/config/config.h"

namespace ringfence::app {

struct ConfigNode {
  enum class Kind : uint8_t { absent, scalar, list, map };
  struct Entry;

  Kind kind = Kind::absent;  // A key without a value counts as absent.
  int line = 0;
  std::string text;               // Of a scalar.
  std::vector<ConfigNode> items;  // Of a list.
  std::vector<Entry> entries;     // Of a map, in the file's order; no key twice.

  const ConfigNode* find(std::string_view key) const;
};

struct ConfigNode::Entry {
  std::string key;
  int line = 0;
  ConfigNode value;
};

// Errors of the grammar, and keys that stand twice, go to `errors`. The tree is absent when there is nothing
// to read.
ConfigNode parse_config_tree(const std::string& text, const std::string& file,
                             std::vector<ConfigError>& errors);

// Overwrites every text of the tree: some of them are secrets.
void wipe(ConfigNode& node);

}  // namespace ringfence::app
