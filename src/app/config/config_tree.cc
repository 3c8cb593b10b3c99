#include "config_tree.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

namespace ringfence::app {

namespace {

// Deeper than any key of ours, and far from what recursion can bear. An alias may make a node contain itself.
constexpr int depth_max = 16;
// Aliases can make a short text stand for an enormous tree.
constexpr size_t nodes_max = 1'000'000;

class Builder {
 public:
  Builder(const std::string& file, std::vector<ConfigError>& errors) : file_(file), errors_(errors) {}

  ConfigNode build(const YAML::Node& from, const std::string& path, int depth) {
    ConfigNode node;
    node.line = from.Mark().line + 1;
    if (depth > depth_max || ++nodes_ > nodes_max) {
      if (!std::exchange(overflown_, true)) error(node.line, path, "is nested too deeply or is too large");
      return node;
    }
    if (from.IsScalar()) {
      node.kind = ConfigNode::Kind::scalar;
      node.text = from.Scalar();
    } else if (from.IsSequence()) {
      node.kind = ConfigNode::Kind::list;
      for (const auto& item : from) {
        node.items.push_back(build(item, path + "[" + std::to_string(node.items.size()) + "]", depth + 1));
      }
    } else if (from.IsMap()) {
      node.kind = ConfigNode::Kind::map;
      for (const auto& entry : from) add_entry(node, entry.first, entry.second, path, depth);
    }
    return node;
  }

 private:
  void add_entry(ConfigNode& node, const YAML::Node& key, const YAML::Node& value, const std::string& path,
                 int depth) {
    int line = key.Mark().line + 1;
    if (!key.IsScalar()) {
      error(line, path, "has a key that is no plain text; write `key: value`");
      return;
    }
    std::string name = key.Scalar();
    std::string below = path.empty() ? name : path + "." + name;
    for (const auto& entry : node.entries) {
      if (entry.key != name) continue;
      error(line, below,
            "stands here for the second time, first on line " + std::to_string(entry.line) +
                "; remove one of them");
      return;
    }
    ConfigNode child = build(value, below, depth + 1);
    if (child.line <= 0) child.line = line;
    node.entries.push_back({std::move(name), line, std::move(child)});
  }
  void error(int line, const std::string& key, std::string message) {
    errors_.push_back({file_, line, key, std::move(message)});
  }

  const std::string& file_;
  std::vector<ConfigError>& errors_;
  size_t nodes_ = 0;
  bool overflown_ = false;
};

}  // namespace

const ConfigNode* ConfigNode::find(std::string_view key) const {
  auto at =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  return at == entries.end() ? nullptr : &at->value;
}

ConfigNode parse_config_tree(const std::string& text, const std::string& file,
                             std::vector<ConfigError>& errors) {
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.empty()) return {};
    if (documents.size() > 1) {
      errors.push_back({file, documents[1].Mark().line + 1, "", "a second document begins; use one only"});
      return {};
    }
    ConfigNode root = Builder(file, errors).build(documents[0], "", 0);
    if (root.kind == ConfigNode::Kind::scalar || root.kind == ConfigNode::Kind::list) {
      errors.push_back({file, root.line, "", "the file must consist of `key: value` lines"});
      return {};
    }
    return root;
  } catch (const YAML::Exception& broken) {
    errors.push_back({file, broken.mark.line + 1, "", "is not valid YAML: " + broken.msg});
    return {};
  }
}

void wipe(ConfigNode& node) {
  crypto::secure_zero(node.text);
  for (auto& item : node.items) wipe(item);
  for (auto& entry : node.entries) wipe(entry.value);
}

}  // namespace ringfence::app
