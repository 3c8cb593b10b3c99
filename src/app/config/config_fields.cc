#include "config_fields.h"

#include <yaml-cpp/yaml.h>

namespace ringfence::app {

namespace {

using Fields = std::map<std::string, std::string>;

bool is_list_of_values(const YAML::Node& node) {
  for (const YAML::Node& entry : node)
    if (!entry.IsScalar()) return false;
  return true;
}

std::string list_text(const YAML::Node& node) {
  std::string out;
  for (const YAML::Node& entry : node) out += (out.empty() ? "" : ", ") + entry.Scalar();
  return "[" + out + "]";
}

void add_fields(const YAML::Node& node, const std::string& path, Fields& to) {
  if (node.IsMap()) {
    for (const auto& entry : node) {
      const std::string& name = entry.first.Scalar();
      add_fields(entry.second, path.empty() ? name : path + "." + name, to);
    }
  } else if (node.IsSequence() && is_list_of_values(node)) {
    to[path] = list_text(node);
  } else if (node.IsSequence()) {
    size_t place = 0;
    for (const YAML::Node& entry : node) {
      const bool has_name = entry.IsMap() && entry["name"] && entry["name"].IsScalar();
      const std::string which = has_name ? entry["name"].Scalar() : std::to_string(place);
      add_fields(entry, path + "[" + which + "]", to);
      ++place;
    }
  } else if (node.IsScalar()) {
    to[path] = node.Scalar();
  } else {
    to[path] = "";
  }
}

}  // namespace

Fields effective_fields(const std::string& yaml) {
  Fields out;
  try {
    add_fields(YAML::Load(yaml), "", out);
  } catch (const YAML::Exception&) {
    // A text of ours that is no YAML: its fields are not known, the text is shown all the same.
    out.clear();
  }
  return out;
}

}  // namespace ringfence::app
