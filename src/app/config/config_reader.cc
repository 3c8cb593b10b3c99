#include "config_reader.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace ringfence::app {

namespace {

// Variables that other programs and the demo use; they are not keys.
bool is_reserved(std::string_view name) {
  const bool is_clients = name == "RINGFENCE_URL" || name == "RINGFENCE_KEY" || name == "RINGFENCE_CONTEXT" ||
                          name == "RINGFENCE_CACERT";
  return is_clients || name == "RINGFENCE_KEY_RING" || name == "RINGFENCE_PG_PORT" ||
         name == "RINGFENCE_ADMIN_URL" || name == "RINGFENCE_STORE_DSN" ||
         name.starts_with("RINGFENCE_DEV_") || name.starts_with("RINGFENCE_DEMO_");
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

struct Suffix {
  std::string_view name;
  uint64_t factor;
};
constexpr Suffix size_suffixes[] = {{"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}};
constexpr Suffix time_suffixes[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

std::string_view how_to_write(Unit unit) {
  switch (unit) {
    case Unit::bytes: return " (plain or with KiB, MiB, GiB)";
    case Unit::milliseconds: return " (milliseconds, or with s, m, h)";
    case Unit::count: break;
  }
  return "";
}

std::string_view kind_name(ConfigNode::Kind kind) {
  return kind == ConfigNode::Kind::list  ? "a list"
         : kind == ConfigNode::Kind::map ? "a group of keys"
                                         : "a single value";
}

}  // namespace

std::string suggest(std::string_view name, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  // A name of a peer's making may be long; a typing mistake is not.
  if (name.size() <= 100) {
    for (const auto& candidate : known) {
      // A name cut short counts as near: `idle` for `idle_ms`.
      bool is_cut = name.size() >= 3 && candidate.starts_with(name);
      size_t distance = is_cut ? 1 : edit_distance(name, candidate);
      if (distance >= best_distance) continue;
      best_distance = distance;
      best = &candidate;
    }
  }
  if (best != nullptr) return "did you mean " + *best + "?";
  std::string all = "known here: ";
  for (size_t i = 0; i < known.size() && i < 24; ++i) all += (i == 0 ? "" : ", ") + known[i];
  return all;
}

std::optional<uint64_t> parse_quantity(std::string_view text, Unit unit) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  std::string_view suffix(rest, static_cast<size_t>(end - rest));
  while (!suffix.empty() && suffix.front() == ' ') suffix.remove_prefix(1);
  if (suffix.empty()) return rest == end ? std::optional(number) : std::nullopt;
  auto scaled = [&](const auto& suffixes) -> std::optional<uint64_t> {
    for (const Suffix& known : suffixes) {
      if (known.name != suffix) continue;
      if (number > std::numeric_limits<uint64_t>::max() / known.factor) return std::nullopt;
      return number * known.factor;
    }
    return std::nullopt;
  };
  if (unit == Unit::bytes) return scaled(size_suffixes);
  if (unit == Unit::milliseconds) return scaled(time_suffixes);
  return std::nullopt;
}

void ReadContext::finish() {
  std::vector<std::string> known(known_variables.begin(), known_variables.end());
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("RINGFENCE_") || is_reserved(name) || known_variables.count(name) != 0) continue;
    std::string hint = suggest(name, known);
    // All the variables there could be are too many to list.
    if (hint.starts_with("known here")) hint = "a key's variable is its path in capitals, joined by `_`";
    error({std::string(environment_file), 0, name}, "is a variable that belongs to no key; " + hint);
  }
}

Section::Section(ReadContext& context, const ConfigNode* node, std::string path, std::string variable)
    : context_(context), node_(node), path_(std::move(path)), variable_(std::move(variable)) {
  line_ = node_ == nullptr ? 0 : node_->line;
  if (node_ == nullptr || node_->kind == ConfigNode::Kind::map) return;
  if (node_->kind != ConfigNode::Kind::absent) {
    context_.error({context_.file, node_->line, path_},
                   "is " + std::string(kind_name(node_->kind)) + "; write a group of `key: value` lines");
  }
  node_ = nullptr;
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

std::string Section::variable_of(std::string_view key) const {
  std::string out = variable_ + "_";
  for (char c : key) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

Origin Section::origin() const { return {context_.file, line_, path_}; }

Origin Section::origin(std::string_view key) const {
  std::string variable = variable_of(key);
  if (context_.environment.count(variable) != 0) return {std::string(environment_file), 0, variable};
  const ConfigNode* node = node_ == nullptr ? nullptr : node_->find(key);
  return {context_.file, node != nullptr ? node->line : line_, path_of(key)};
}

const ConfigNode* Section::child(std::string_view key) {
  if (std::find(known_keys_.begin(), known_keys_.end(), key) == known_keys_.end())
    known_keys_.emplace_back(key);
  const ConfigNode* node = node_ == nullptr ? nullptr : node_->find(key);
  return node == nullptr || node->kind == ConfigNode::Kind::absent ? nullptr : node;
}

bool Section::has(std::string_view key) {
  return child(key) != nullptr || context_.environment.count(variable_of(key)) != 0;
}

bool Section::is_map(std::string_view key) {
  const ConfigNode* node = child(key);
  return node != nullptr && node->kind == ConfigNode::Kind::map;
}

std::optional<Found> Section::scalar(std::string_view key) {
  const ConfigNode* node = child(key);
  std::string variable = variable_of(key);
  context_.known_variables.insert(variable);
  if (auto at = context_.environment.find(variable); at != context_.environment.end()) {
    return Found{at->second, {std::string(environment_file), 0, variable}, true};
  }
  if (node == nullptr) return std::nullopt;
  Origin where{context_.file, node->line, path_of(key)};
  if (node->kind != ConfigNode::Kind::scalar) {
    context_.error(where, "is " + std::string(kind_name(node->kind)) + "; write a single value");
    return std::nullopt;
  }
  if (node->text.find("${") != std::string::npos) {
    context_.warning(where, "holds `${`, which is taken as it stands: nothing is expanded; set " + variable +
                                " in the environment instead");
  }
  return Found{node->text, std::move(where), false};
}

std::optional<Found> Section::one_of(std::initializer_list<std::string_view> keys, std::string_view* which) {
  std::optional<Found> chosen;
  for (auto key : keys) {
    auto found = scalar(key);
    if (!found) continue;
    if (!chosen || (found->from_environment && !chosen->from_environment)) {
      chosen = std::move(found);
      *which = key;
    } else if (found->from_environment == chosen->from_environment) {
      context_.error(found->origin, "and " + std::string(*which) + " say the same twice; keep one of them");
    }
  }
  return chosen;
}

void Section::text(std::string_view key, std::string& out) {
  if (auto found = scalar(key)) out = std::move(found->text);
}

void Section::boolean(std::string_view key, bool& out) {
  choice<bool>(key, out, {{"true", true}, {"false", false}});
}

std::optional<uint64_t> Section::number_of(std::string_view key, uint64_t min, uint64_t max, Unit unit) {
  auto found = scalar(key);
  if (!found) return std::nullopt;
  auto number = parse_quantity(found->text, unit);
  if (number && *number >= min && *number <= max) return number;
  context_.error(found->origin, "is \"" + found->text + "\"; use a whole number from " + std::to_string(min) +
                                    " to " + std::to_string(max) + std::string(how_to_write(unit)));
  return std::nullopt;
}

Section Section::section(std::string_view key) {
  return Section(context_, child(key), path_of(key), variable_of(key));
}

size_t Section::item_count(const ConfigNode* list, const std::string& variable, bool are_sections,
                           const Origin& where, size_t items_max) {
  size_t count = list == nullptr ? 0 : list->items.size();
  const Environment& environment = context_.environment;
  for (; count <= items_max; ++count) {
    std::string next = variable + "_" + std::to_string(count);
    if (are_sections) next += "_";
    auto at = environment.lower_bound(next);
    if (at == environment.end() || !(are_sections ? at->first.starts_with(next) : at->first == next)) break;
  }
  if (count <= items_max) return count;
  context_.error(where, "has more than " + std::to_string(items_max) + " entries");
  return items_max;
}

std::vector<Section> Section::list(std::string_view key, size_t items_max) {
  const ConfigNode* node = child(key);
  if (node != nullptr && node->kind != ConfigNode::Kind::list) {
    error(key, "is " + std::string(kind_name(node->kind)) + "; write a list (lines that begin with `- `)");
    node = nullptr;
  }
  std::vector<Section> out;
  size_t count = item_count(node, variable_of(key), true, origin(key), items_max);
  for (size_t i = 0; i < count; ++i) {
    const ConfigNode* item = node != nullptr && i < node->items.size() ? &node->items[i] : nullptr;
    out.emplace_back(context_, item, path_of(key) + "[" + std::to_string(i) + "]",
                     variable_of(key) + "_" + std::to_string(i));
  }
  return out;
}

std::vector<Found> Section::texts(std::string_view key, size_t items_max) {
  const ConfigNode* node = child(key);
  if (node != nullptr && node->kind != ConfigNode::Kind::list) {
    error(key, "is " + std::string(kind_name(node->kind)) + "; write a list, as in [one, two]");
    node = nullptr;
  }
  std::vector<Found> out;
  std::string variable = variable_of(key);
  size_t count = item_count(node, variable, false, origin(key), items_max);
  for (size_t i = 0; i < count; ++i) {
    std::string name = variable + "_" + std::to_string(i);
    context_.known_variables.insert(name);
    if (auto at = context_.environment.find(name); at != context_.environment.end()) {
      out.push_back({at->second, {std::string(environment_file), 0, name}, true});
      continue;
    }
    const ConfigNode& item = node->items[i];
    Origin where{context_.file, item.line, path_of(key) + "[" + std::to_string(i) + "]"};
    if (item.kind == ConfigNode::Kind::scalar) out.push_back({item.text, std::move(where), false});
    else context_.error(where, "is " + std::string(kind_name(item.kind)) + "; write a single value");
  }
  return out;
}

void Section::finish() {
  if (node_ == nullptr) return;
  for (const auto& entry : node_->entries) {
    if (std::find(known_keys_.begin(), known_keys_.end(), entry.key) != known_keys_.end()) continue;
    context_.error({context_.file, entry.line, path_of(entry.key)},
                   "is an unknown key; " + suggest(entry.key, known_keys_));
  }
}

}  // namespace ringfence::app
