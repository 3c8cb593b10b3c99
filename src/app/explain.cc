#include "explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "ringfence/ring/workers.h"
#include "ringfence/sql/analyze.h"

namespace ringfence::app {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t roles_max = 1'000;

tl::unexpected<Error> malformed(std::string message) { return fail(Fault::malformed, std::move(message)); }

Result<std::string> text_of(const Json& json, const std::string& key) {
  auto found = json.find(key);
  if (found == json.end()) return malformed("\"" + key + "\" is missing");
  if (!found->is_string()) return malformed("\"" + key + "\" is not a string");
  std::string text = found->get<std::string>();
  if (text.find('\0') != text.npos)
    return malformed("\"" + key + "\" holds a NUL byte, which no message can");
  return text;
}

Json json_of(const std::vector<policy::Text>& texts) {
  Json out = Json::array();
  for (const policy::Text& text : texts) out.push_back(text.text);
  return out;
}

Json json_of(const policy::Policy& policy) {
  Json out{{"name", policy.name},
           {"where", policy.where},
           {"level", sql::level_name(policy.level)},
           {"roles", json_of(policy.roles)},
           {"tags", json_of(policy.tags)},
           {"tag_match", policy.matches_any_tag ? "any" : "all"},
           {"kinds", json_of(policy.kinds)},
           {"functions", json_of(policy.functions)},
           {"catalog", policy.opens_catalog ? "open" : "closed"},
           {"whitelist", nullptr},
           {"allow_rules", policy.allow.size()},
           {"deny_rules", policy.deny.size()},
           {"metadata", policy.metadata}};
  if (policy.whitelist) out["whitelist"] = json_of(*policy.whitelist);
  return out;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json json_of(const policy::Access& access) {
  Json policies = Json::array();
  for (const policy::Policy* policy : access.policies) policies.push_back(json_of(*policy));
  Json grant;
  if (access.grant) {
    grant = {{"id", access.grant->id},
             {"number", access.grant->number},
             {"level", sql::level_name(access.grant->level)},
             {"block_copy", access.grant->blocks_copy}};
  }
  return Json{
      {"granted", access.is_granted()},
      {"level", access.is_granted() ? Json(sql::level_name(access.level)) : Json()},
      {"unrestricted", access.is_unrestricted()},
      {"policies", std::move(policies)},
      {"policies_level", access.policies.empty() ? Json() : Json(sql::level_name(access.policies_level))},
      {"grant", std::move(grant)},
      {"closed_because", text_or_null(access.closed_because)},
      {"suspended_because", text_or_null(access.suspended_because)}};
}

Json json_of(const std::optional<proxy::TextPlace>& place) {
  if (!place) return nullptr;
  return Json{{"byte", place->byte}, {"character", place->character}};
}

// Each place is found by reading the text from its beginning: so many of a kind are told, and no more.
constexpr size_t told_max = 200;
template <typename T>
std::span<const T> first_of(const std::vector<T>& all) {
  return std::span(all).first(std::min(all.size(), told_max));
}

// Facts of one statement, their places in the whole text.
class FactsTeller {
 public:
  FactsTeller(std::string_view text, sql::Extent extent) : text_(text), extent_(extent) {}

  Json place(sql::Place at) const { return json_of(proxy::place_in(text_, extent_, at)); }

  Json operator()(const sql::Facts& facts) const {
    Json effects = Json::array();
    for (const sql::Effect& effect : first_of(facts.effects)) {
      effects.push_back({{"kind", effect.kind},
                         {"what", effect.what},
                         {"level", sql::level_name(effect.level)},
                         {"position", place(effect.at)}});
    }
    Json relations = Json::array();
    for (const sql::RelationUse& relation : first_of(facts.relations)) {
      Json one = named(relation);
      if (!relation.catalog.empty()) one["catalog"] = relation.catalog;
      one["written"] = relation.is_written;
      relations.push_back(std::move(one));
    }
    Json columns = Json::array();
    for (const sql::ColumnUse& column : first_of(facts.columns)) {
      columns.push_back({{"qualifier", text_or_null(column.qualifier)},
                         {"name", column.name},
                         {"position", place(column.at)}});
    }
    Json settings = Json::array();
    for (const sql::Setting& setting : first_of(facts.settings)) {
      settings.push_back({{"name", text_or_null(setting.name)},
                          {"values", setting.values},
                          {"constant", setting.is_constant},
                          {"local", setting.is_local},
                          {"position", place(setting.at)}});
    }
    Json out{{"kind", facts.kind},
             {"level", sql::level_name(facts.level())},
             {"writes", facts.writes()},
             {"effects", std::move(effects)},
             {"relations", std::move(relations)},
             {"columns", std::move(columns)},
             {"names_every_column", facts.names_every_column},
             {"functions", all(facts.functions)},
             {"operators", all(facts.operators)},
             {"attributes", all(facts.attributes)},
             {"settings", std::move(settings)},
             {"misses_where", facts.misses_where},
             {"opaque", facts.is_opaque}};
    if (!facts.defines.empty()) out["defines"] = facts.defines;
    if (!facts.executes.empty()) out["executes"] = facts.executes;
    if (!facts.drops.empty()) out["drops"] = facts.drops;
    return out;
  }

 private:
  Json named(const sql::Name& name) const {
    return Json{{"schema", text_or_null(name.schema)}, {"name", name.name}, {"position", place(name.at)}};
  }
  template <typename T>
  Json all(const std::vector<T>& names) const {
    Json out = Json::array();
    for (const sql::Name& name : first_of(names)) out.push_back(named(name));
    return out;
  }

  std::string_view text_;
  sql::Extent extent_;
};

Json json_of(std::string_view text, const proxy::ExplainedStatement& statement) {
  const FactsTeller tell(text, statement.extent);
  Json matched = Json::array();
  for (const policy::Finding& finding : statement.findings) {
    matched.push_back({{"rule", finding.rule},
                       {"effect", finding.refuses ? "refuses" : "admits"},
                       {"why", finding.what},
                       {"position", tell.place(finding.at)}});
  }
  Json out{{"begin", statement.extent.begin},
           {"end", statement.extent.end},
           {"allowed", statement.is_allowed},
           {"decision", statement.is_allowed ? "allow" : "refuse"}};
  const auto of_refusal = [&](const std::string& value) { return value.empty() ? Json() : Json(value); };
  out["sqlstate"] = of_refusal(statement.sqlstate);
  out["rule"] = of_refusal(statement.rule);
  out["message"] = of_refusal(statement.message);
  out["hint"] = of_refusal(statement.hint);
  out["position"] = json_of(statement.at);
  out["matched"] = std::move(matched);
  out["facts"] = statement.facts ? tell(*statement.facts) : Json();
  out["not_analysed_because"] = of_refusal(statement.no_facts_because);
  return out;
}

// The rule by which grants and policies go together.
std::string describe(const policy::Access& access) {
  std::string out = "  " + access.grant->label() + ", level " + sql::level_name(access.grant->level) +
                    (access.grant->blocks_copy ? ", block_copy" : "");
  if (access.policies.empty()) return out + "\n";
  return out + ": it decides the level, in place of level " + sql::level_name(access.policies_level) +
         " of the policies; their rules and whitelists hold all the same\n";
}

// The line of the text that holds the byte, and a caret under it.
std::string show_place(std::string_view text, const proxy::TextPlace& place) {
  constexpr size_t shown_bytes_max = 160;
  size_t begin = place.byte == 0 ? 0 : text.rfind('\n', place.byte - 1);
  begin = begin == text.npos ? 0 : begin + (place.byte != 0 && text[begin] == '\n' ? 1 : 0);
  if (place.byte - begin > shown_bytes_max / 2) begin = place.byte - shown_bytes_max / 2;
  const auto is_inside = [&](size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  while (is_inside(begin)) ++begin;
  size_t end = std::min({text.find('\n', place.byte), text.size(), begin + shown_bytes_max});
  while (is_inside(end)) --end;
  std::string line(text.substr(begin, end - begin));
  std::replace(line.begin(), line.end(), '\t', ' ');
  size_t before = 0;
  for (size_t at = begin; at < place.byte; ++at) before += is_inside(at) ? 0 : 1;
  return "    " + line + "\n    " + std::string(before, ' ') + "^\n";
}

template <typename T>
std::string listed(const std::vector<T>& names) {
  std::string out;
  for (const sql::Name& name : names) {
    out += (out.empty() ? "" : ", ") + (name.schema.empty() ? "" : name.schema + ".") + name.name;
  }
  return out;
}

std::string describe(const sql::Facts& facts) {
  std::string out = "  facts: " + facts.kind + (facts.writes() ? ", needs level " : ", level ") +
                    sql::level_name(facts.level()) + "\n";
  if (!facts.relations.empty()) out += "    relations: " + listed(facts.relations) + "\n";
  if (!facts.columns.empty() || facts.names_every_column) {
    out += "    columns:";
    for (const sql::ColumnUse& column : first_of(facts.columns)) {
      out += " " + (column.qualifier.empty() ? "" : column.qualifier + ".") + column.name;
    }
    out += facts.names_every_column ? " (every column)\n" : "\n";
  }
  if (!facts.functions.empty()) out += "    functions: " + listed(facts.functions) + "\n";
  for (const sql::Setting& setting : facts.settings) {
    out += "    setting: " + (setting.name.empty() ? std::string("(not a constant)") : setting.name) + "\n";
  }
  if (facts.misses_where)
    out += "    an UPDATE, DELETE or MERGE without a condition that depends on the row\n";
  if (facts.is_opaque) out += "    what it does cannot be seen\n";
  return out;
}

}  // namespace

Result<Question> parse_question(std::string_view json) {
  const Json root = Json::parse(json.begin(), json.end(), nullptr, false);
  if (!root.is_object()) return malformed("the body is not a JSON object");
  for (const auto& [key, value] : root.items()) {
    static constexpr std::string_view known[] = {"user",           "roles",  "target", "statement",
                                                 "server_version", "method", "path"};
    if (std::find(std::begin(known), std::end(known), key) == std::end(known)) {
      return malformed("unknown key \"" + key.substr(0, 64) +
                       "\"; use user or roles, target, statement and server_version");
    }
  }
  if (root.contains("user") == root.contains("roles"))
    return malformed("give \"user\" or \"roles\", one of them");
  Question out;
  auto target = text_of(root, "target");
  if (!target) return unexpected(std::move(target).error());
  out.target = std::move(*target);
  if (root.contains("user")) {
    auto user = text_of(root, "user");
    if (!user) return unexpected(std::move(user).error());
    if (user->empty()) return malformed("\"user\" is empty");
    out.user = std::move(*user);
  } else {
    const Json& roles = root["roles"];
    const bool is_list =
        roles.is_array() && roles.size() <= roles_max &&
        std::all_of(roles.begin(), roles.end(), [](const Json& role) { return role.is_string(); });
    if (!is_list) return malformed("\"roles\" is not a list of at most 1000 strings");
    out.roles = roles.get<std::vector<std::string>>();
  }
  if (root.contains("method") || root.contains("path")) {
    if (root.contains("statement")) return malformed("\"statement\" stands beside \"method\" and \"path\"");
    return fail(Fault::not_found, "\"method\" and \"path\" are for targets that speak HTTP, and \"" +
                                      out.target + "\" speaks PostgreSQL; give \"statement\"");
  }
  auto statement = text_of(root, "statement");
  if (!statement) return unexpected(std::move(statement).error());
  out.statement = std::move(*statement);
  if (root.contains("server_version")) {
    const Json& version = root["server_version"];
    if (!version.is_number_unsigned() || version.get<uint64_t>() < 8 || version.get<uint64_t>() > 99) {
      return malformed("\"server_version\" is not a major version such as 15");
    }
    out.server_version = version.get<int>();
  }
  return out;
}

Result<Answer> answer(Question question, const Known& known) {
  IdleGrants idle = known.idle_grants ? known.idle_grants(question) : IdleGrants();
  if (!question.user.empty()) {
    const std::vector<std::string>* roles = known.roles_of(question.user);
    if (roles == nullptr)
      return fail(Fault::not_found, "there is no user \"" + question.user + "\"" + told_behind(idle));
    question.roles = *roles;
  }
  std::optional<policy::Access> access = known.access_of(question);
  if (!access)
    return fail(Fault::not_found, "there is no target \"" + question.target + "\"" + told_behind(idle));
  Answer out;
  out.idle_grants = std::move(idle);
  out.access = std::move(*access);
  Result<proxy::Explanation> explanation =
      fail(Fault::unavailable, "there is no thread to analyse it on; try again");
  ring::run_on_large_stack(sql::large_stack_bytes, [&] {
    explanation = proxy::explain(out.access, {question.server_version}, question.statement);
  });
  if (!explanation) return unexpected(std::move(explanation).error());
  out.explanation = std::move(*explanation);
  out.question = std::move(question);
  return out;
}

std::string to_json(const Answer& answer) {
  const Question& question = answer.question;
  const proxy::Explanation& explanation = answer.explanation;
  Json statements = Json::array();
  for (const auto& statement : explanation.statements)
    statements.push_back(json_of(question.statement, statement));
  Json out{{"allowed", explanation.is_allowed},
           {"decision", explanation.is_allowed ? "allow" : "refuse"},
           {"user", question.user.empty() ? Json() : Json(question.user)},
           {"roles", question.roles},
           {"target", question.target},
           {"server_version", question.server_version},
           {"access", json_of(answer.access)},
           {"grants_without_effect", json_of(answer.idle_grants)},
           {"refused_statement", explanation.refused ? Json(*explanation.refused) : Json()},
           {"statements", std::move(statements)}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_text(const Answer& answer) {
  const Question& question = answer.question;
  const policy::Access& access = answer.access;
  std::string who = question.user;
  if (who.empty()) {
    for (const std::string& role : question.roles) who += (who.empty() ? "roles " : ", ") + role;
    if (who.empty()) who = "nobody's roles";
  }
  std::string out =
      (answer.explanation.is_allowed ? "allowed: " : "refused: ") + who + " on " + question.target + "\n";
  if (!access.closed_because.empty()) {
    out += "access is closed: " + access.closed_because + "\n";
  } else if (!access.is_granted()) {
    out += "no policy and no grant gives access: the connection itself is refused\n";
  } else {
    out += std::string("access level ") + sql::level_name(access.level) +
           (access.is_unrestricted() ? ", unrestricted" : "") + ", by\n";
    if (access.grant) out += describe(access);
    for (const policy::Policy* policy : access.policies) {
      out += "  policy " + policy->name + " (" + policy->where + "), level " +
             sql::level_name(policy->level) +
             (policy->whitelist ? ", whitelist of " + std::to_string(policy->whitelist->size()) : "") + "\n";
    }
  }
  out += describe(answer.idle_grants);
  size_t number = 0;
  for (const proxy::ExplainedStatement& statement : answer.explanation.statements) {
    out += "\nstatement " + std::to_string(++number) + ": " + (statement.is_allowed ? "allowed" : "refused") +
           "\n";
    const proxy::TextPlace begin = proxy::place_in(question.statement, statement.extent, 0)
                                       .value_or(proxy::TextPlace{statement.extent.begin, 0});
    out += show_place(question.statement, statement.at.value_or(begin));
    if (!statement.is_allowed) {
      out += "  " + statement.rule + ": " + statement.message + "\n";
      if (!statement.hint.empty()) out += "  hint: " + statement.hint + "\n";
    }
    for (const policy::Finding& finding : statement.findings) {
      out += std::string("  ") + (finding.refuses ? "- " : "+ ") + finding.rule + ": " + finding.what + "\n";
    }
    if (statement.facts) out += describe(*statement.facts);
    else if (!statement.no_facts_because.empty())
      out += "  not analysed: " + statement.no_facts_because + "\n";
  }
  return out;
}

}  // namespace ringfence::app
