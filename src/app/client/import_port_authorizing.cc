// port-authorizing's configuration: users with roles, connections with tags, and policies between them.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <set>

#include "app/config/config_tree.h"
#include "import_plan.h"
#include "ringfence/auth/scopes.h"

namespace ringfence::client {

using app::ConfigNode;
using model::Json;

namespace {

// Roles that are built in here give scopes, which nobody gets by an import.
std::string role_name(const std::string& role) {
  return auth::built_in_role(role) == nullptr ? role : "imported-" + role;
}

std::string text_of(const ConfigNode& map, std::string_view key) {
  const ConfigNode* found = map.find(key);
  return found != nullptr && found->kind == ConfigNode::Kind::scalar ? found->text : std::string();
}

// A list of texts, or one text.
std::vector<std::string> texts_of(const ConfigNode& map, std::string_view key) {
  std::vector<std::string> out;
  const ConfigNode* found = map.find(key);
  if (found == nullptr) return out;
  if (found->kind == ConfigNode::Kind::scalar) out.push_back(found->text);
  for (const ConfigNode& item : found->items) {
    if (item.kind == ConfigNode::Kind::scalar) out.push_back(item.text);
  }
  return out;
}

// The level that a pattern's words ask for.
std::string_view level_of_patterns(const std::vector<std::string>& patterns) {
  constexpr const char* ddl_words[] = {"CREATE", "ALTER", "DROP", "TRUNCATE"};
  constexpr const char* write_words[] = {"INSERT", "UPDATE", "DELETE", "MERGE"};
  std::string all;
  for (const std::string& pattern : patterns) all += pattern + "\n";
  std::transform(all.begin(), all.end(), all.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  const auto has = [&all](const char* word) { return all.find(word) != std::string::npos; };
  if (std::any_of(std::begin(ddl_words), std::end(ddl_words), has)) return "ddl";
  if (std::any_of(std::begin(write_words), std::end(write_words), has)) return "write";
  return "read";
}

class PortAuthorizing {
 public:
  explicit PortAuthorizing(std::string level) : level_(std::move(level)) {}

  ImportPlan plan(const ConfigNode& file) {
    for (const ConfigNode::Entry& entry : file.entries) take_section(entry);
    ImportPlan out;
    for (auto& [name, line] : roles_) {
      Json body = {{"name", name}, {"description", "imported from port-authorizing"}};
      out.records.push_back({model::find_noun("role"), line, std::move(body)});
    }
    for (auto* records : {&users_, &targets_, &policies_})
      std::move(records->begin(), records->end(), std::back_inserter(out.records));
    out.remarks = std::move(remarks_);
    return out;
  }

 private:
  void remark(int line, std::string path, std::string message) {
    remarks_.push_back({line, std::move(path), std::move(message)});
  }

  void take_section(const ConfigNode::Entry& entry) {
    if (entry.key == "auth") take_auth(entry.value);
    else if (entry.key == "connections")
      each(entry, [this](auto& item, auto& path) { take_connection(item, path); });
    else if (entry.key == "policies")
      each(entry, [this](auto& item, auto& path) { take_policy(item, path); });
    else if (entry.key == "approval")
      remark_keys(entry.value, "approval", {}, "statements wait for nobody's word here yet");
    else if (entry.value.kind == ConfigNode::Kind::map)
      remark_keys(entry.value, entry.key, {}, "has no counterpart");
    else remark(entry.line, entry.key, "has no counterpart");
  }

  // Each key of the map that is none of `taken`.
  void remark_keys(const ConfigNode& map, const std::string& path, const std::set<std::string_view>& taken,
                   const std::string& message) {
    for (const ConfigNode::Entry& entry : map.entries) {
      if (taken.count(entry.key) == 0) remark(entry.line, path + "." + entry.key, message);
    }
  }

  template <typename Take>
  void each(const ConfigNode::Entry& list, Take take) {
    for (size_t i = 0; i < list.value.items.size(); ++i) {
      const std::string path = list.key + "[" + std::to_string(i) + "]";
      const ConfigNode& item = list.value.items[i];
      if (item.kind == ConfigNode::Kind::map) take(item, path);
      else remark(item.line, path, "is no map and is left out");
    }
  }

  std::vector<std::string> take_roles(const ConfigNode& map, const std::string& path) {
    std::vector<std::string> out;
    for (const std::string& role : texts_of(map, "roles")) {
      const std::string name = role_name(role);
      if (std::find(out.begin(), out.end(), name) != out.end()) continue;
      out.push_back(name);
      if (role == "*") continue;
      const bool is_new = roles_.emplace(name, map.line).second;
      if (is_new && name != role)
        remark(map.line, path + ".roles",
               "the role " + role + " is built in here and gives scopes; it becomes " + name);
    }
    return out;
  }

  void take_auth(const ConfigNode& auth) {
    remark_keys(auth, "auth", {"users"}, "has no counterpart; users log in by password or API key");
    for (const ConfigNode::Entry& entry : auth.entries) {
      if (entry.key == "users")
        each(entry, [this](auto& item, auto& path) { take_user(item, "auth." + path); });
    }
  }

  void take_user(const ConfigNode& user, const std::string& path) {
    remark_keys(user, path, {"username", "password", "roles"}, "has no counterpart");
    Json body = {{"name", text_of(user, "username")},
                 {"roles", take_roles(user, path)},
                 {"must_change_password", true}};
    if (const std::string password = text_of(user, "password"); !password.empty())
      body["password"] = password;
    users_.push_back({model::find_noun("user"), user.line, std::move(body)});
  }

  void take_connection(const ConfigNode& connection, const std::string& path) {
    const std::string type = text_of(connection, "type");
    if (type != "postgres" && type != "tcp") {
      remark(connection.line, path,
             "targets of type " + type + " are not supported yet; " + text_of(connection, "name") +
                 " is left out");
      return;
    }
    remark_keys(connection, path,
                {"name", "type", "host", "port", "tags", "metadata", "backend_username", "backend_password",
                 "backend_database", "whitelist", "duration"},
                "has no counterpart");
    Json body = {{"name", text_of(connection, "name")},
                 {"type", type},
                 {"hosts", {text_of(connection, "host")}},
                 {"tags", texts_of(connection, "tags")}};
    take_port(connection, path, body);
    const bool is_postgres = type == "postgres";
    if (is_postgres) take_login(connection, path, body);
    else
      remark(connection.line, path,
             "a target of type tcp needs a listener of the configuration that names it");
    take_metadata(connection, path, body);
    if (const ConfigNode* duration = connection.find("duration"))
      remark(duration->line, path + ".duration", "has no counterpart; a grant's expires_at bounds how long");
    if (const ConfigNode* whitelist = connection.find("whitelist");
        whitelist != nullptr && !whitelist->items.empty())
      remark(whitelist->line, path + ".whitelist", "a target has no patterns; give them to a policy");
    targets_.push_back({model::find_noun("target"), connection.line, std::move(body)});
  }

  void take_port(const ConfigNode& connection, const std::string& path, Json& body) {
    const std::string text = text_of(connection, "port");
    int64_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error == std::errc() && end == text.data() + text.size()) body["port"] = port;
    else if (!text.empty())
      remark(connection.line, path + ".port", "\"" + text + "\" is no port and is left out");
  }

  void take_login(const ConfigNode& connection, const std::string& path, Json& body) {
    if (const std::string user = text_of(connection, "backend_username"); !user.empty()) body["user"] = user;
    if (const std::string database = text_of(connection, "backend_database"); !database.empty())
      body["database"] = database;
    const std::string password = text_of(connection, "backend_password");
    if (password.starts_with("${"))
      remark(connection.line, path + ".backend_password",
             "is a variable, which was never expanded; ringfence targets update NAME --password sets it");
    else if (!password.empty()) body["password"] = password;
  }

  void take_metadata(const ConfigNode& connection, const std::string& path, Json& body) {
    const ConfigNode* metadata = connection.find("metadata");
    if (metadata == nullptr) return;
    if (const std::string text = text_of(*metadata, "description"); !text.empty()) body["description"] = text;
    remark_keys(*metadata, path + ".metadata", {"description"}, "a target has no metadata; use tags");
  }

  void take_policy(const ConfigNode& policy, const std::string& path) {
    remark_keys(policy, path, {"name", "roles", "tags", "tag_match", "whitelist", "metadata"},
                "has no counterpart");
    Json body = {{"name", text_of(policy, "name")},
                 {"roles", take_roles(policy, path)},
                 {"tags", texts_of(policy, "tags")},
                 {"level", level_}};
    if (const std::string match = text_of(policy, "tag_match"); !match.empty()) body["tag_match"] = match;
    const std::vector<std::string> patterns = texts_of(policy, "whitelist");
    if (!patterns.empty()) body["whitelist"] = patterns;
    take_level(policy, path, patterns);
    if (const ConfigNode* metadata = policy.find("metadata"); metadata != nullptr) {
      body["metadata"] = Json::object();
      for (const ConfigNode::Entry& entry : metadata->entries) body["metadata"][entry.key] = entry.value.text;
    }
    policies_.push_back({model::find_noun("policy"), policy.line, std::move(body)});
  }

  // There a policy without patterns allows everything; here its level is the bound, whatever the patterns.
  void take_level(const ConfigNode& policy, const std::string& path,
                  const std::vector<std::string>& patterns) {
    constexpr std::string_view levels[] = {"read", "write", "ddl", "admin"};
    const auto rank = [&levels](std::string_view level) {
      return std::find(std::begin(levels), std::end(levels), level) - std::begin(levels);
    };
    if (patterns.empty())
      remark(policy.line, path,
             "allowed everything there, for it has no whitelist; here its level " + level_ + " is the bound");
    else if (const auto wanted = level_of_patterns(patterns); rank(wanted) > rank(level_))
      remark(policy.line, path + ".whitelist",
             "names statements of level " + std::string(wanted) + ", which level " + level_ +
                 " refuses; --level or ringfence policies update");
  }

  std::string level_;
  std::map<std::string, int> roles_;  // With the line that names it first.
  std::vector<PlannedRecord> users_, targets_, policies_;
  std::vector<Remark> remarks_;
};

}  // namespace

Outcome<ImportPlan> plan_port_authorizing(const std::string& text, const std::string& file,
                                          const std::string& level) {
  std::vector<app::ConfigError> errors;
  ConfigNode tree = app::parse_config_tree(text, file, errors);
  std::string wrong;
  for (const app::ConfigError& error : errors) wrong += (wrong.empty() ? "" : "\n") + app::to_string(error);
  if (!wrong.empty()) return failed(Exit::usage, wrong);
  const bool is_known =
      tree.find("auth") != nullptr || tree.find("connections") != nullptr || tree.find("policies") != nullptr;
  if (!is_known)
    return failed(
        Exit::usage,
        file + " has neither auth, connections nor policies: it is no configuration of port-authorizing");
  ImportPlan out = PortAuthorizing(level).plan(tree);
  app::wipe(tree);
  return out;
}

}  // namespace ringfence::client
