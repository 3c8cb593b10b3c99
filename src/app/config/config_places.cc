#include "config_places.h"

#include <cctype>
#include <charconv>
#include <set>
#include <utility>

namespace ringfence::app {

namespace {

// One step of a path: a key, or a place in a list.
struct Step {
  std::string_view key;
  size_t place = 0;
  bool is_place = false;
};

Step take_step(std::string_view& path) {
  if (path.starts_with('.')) path.remove_prefix(1);
  Step step;
  if (path.starts_with('[')) {
    const size_t end = std::min(path.find(']'), path.size() - 1);
    std::from_chars(path.data() + 1, path.data() + end, step.place);
    step.is_place = true;
    path.remove_prefix(end + 1);
    return step;
  }
  step.key = path.substr(0, path.find_first_of(".["));
  path.remove_prefix(step.key.size());
  return step;
}

const ConfigNode* below(const ConfigNode* node, const Step& step) {
  if (node == nullptr) return nullptr;
  if (!step.is_place) return node->find(step.key);
  return step.place < node->items.size() ? &node->items[step.place] : nullptr;
}

std::string in_place_of(const std::string& path, std::string_view end, std::string_view other) {
  return path.substr(0, path.size() - end.size()) + std::string(other);
}

std::string first_at(const Origin& first) {
  return first.line > 0 ? "first on line " + std::to_string(first.line) : "first as " + first.key;
}

}  // namespace

Places::Found Places::find(const std::string& path) const {
  const ConfigNode* node = &root_;
  int line = root_.line;
  std::string variable = "RINGFENCE";
  for (std::string_view rest = path; !rest.empty();) {
    const Step step = take_step(rest);
    variable += "_";
    if (step.is_place) variable += std::to_string(step.place);
    for (char c : step.key) variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    node = below(node, step);
    if (node != nullptr) line = node->line;
    else if (!rest.empty()) line = 0;
  }
  if (context_.environment.count(variable) != 0) return {{std::string(environment_file), 0, variable}, true};
  return {{context_.file, line, path}, node != nullptr && node->kind != ConfigNode::Kind::absent};
}

bool Places::is_written(const std::string& path) const { return find(path).is_written; }

std::string Places::written_path(const std::string& path) const {
  if (path.ends_with(".password")) {
    std::string file = path + "_file";
    return !is_written(path) && is_written(file) ? file : path;
  }
  if (path.ends_with(".hosts") && !is_written(path)) return in_place_of(path, "hosts", "host");
  if (path.ends_with(".hosts[0]")) {
    std::string single = in_place_of(path, "hosts[0]", "host");
    const Found found = find(single);
    if (found.is_written && (found.origin.line == 0 || !is_written(path))) return single;
  }
  return path;
}

Origin Places::of(const std::string& path) const { return find(written_path(path)).origin; }

void Places::tell(const model::Defects& defects) {
  std::set<std::pair<std::string, std::string>> told;
  for (const ConfigError& error : context_.errors) told.emplace(error.file, error.key);
  for (const model::Defect& defect : defects) {
    const Origin where = of(defect.path);
    if (told.count({where.file, where.key}) != 0) continue;
    std::string message = defect.message;
    const std::string first = "first as " + defect.first;
    if (const size_t at = message.rfind(first); !defect.first.empty() && at != std::string::npos)
      message.replace(at, first.size(), first_at(of(defect.first)));
    context_.error(where, std::move(message));
  }
}

}  // namespace ringfence::app
