// What a DBBat has becomes records: groups, users, targets and grants.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "import_plan.h"
#include "ringfence/base/clock.h"
#include "ringfence/model/grant.h"
#include "ringfence/model/json_fields.h"
#include "ringfence/model/timestamp.h"

namespace ringfence::client {

using model::Json;
using model::text_in;

namespace {

// The time in the form that is known here, which has six digits of a fraction at most: there are nine. Empty:
// it is none.
std::string known_time(const Json& record, const char* name) {
  std::string text = text_in(record, name);
  const size_t dot = text.find('.');
  if (dot != std::string::npos) {
    const size_t end = std::min(text.find_first_not_of("0123456789", dot + 1), text.size());
    if (end - dot > 7) text.erase(dot + 7, end - dot - 7);
  }
  const auto parsed = model::parse_rfc3339(text);
  return parsed ? rfc3339(*parsed) : std::string();
}

bool is_given(const Json& record, const char* name) {
  const auto found = record.find(name);
  return found != record.end() && !found->is_null();
}

Json list_in(const Json& record, const char* name) {
  const auto found = record.find(name);
  return found != record.end() && found->is_array() ? *found : Json::array();
}

bool has_entry(const Json& list, const char* text) {
  return std::find(list.begin(), list.end(), Json(text)) != list.end();
}

// What a grant may do there: of its definition, or in earlier versions of its own.
struct GrantShape {
  Json controls = Json::array();
  Json source;  // What has the bounds.
};

class Dbbat {
 public:
  Dbbat(uint64_t now_us, bool gives_admin) : now_us_(now_us), gives_admin_(gives_admin) {}

  ImportPlan plan(const DbbatRecords& from) {
    for (const Json& one : from.definitions) definitions_[text_in(one, "uid")] = one;
    for (const Json& one : from.user_groups) take_group(one, "user_group", user_groups_);
    for (const Json& one : from.server_groups) take_group(one, "target_group", server_groups_);
    for (const Json& one : from.users) take_user(one);
    for (const Json& one : from.servers) take_server(one);
    for (const Json& one : from.grants) take_grant(one);
    for (const Json& one : from.definitions) take_definition(one);
    for (const Json& one : from.keys) take_key(one);
    for (const Json& one : from.requests)
      remark("access request " + text_in(one, "uid"), "nobody has decided it there; ask for the access anew");
    return std::move(plan_);
  }

 private:
  struct Groups {
    std::map<std::string, std::string> names;                 // By uid.
    std::map<std::string, std::vector<std::string>> members;  // By a member's uid: names of its groups.
  };

  void remark(std::string path, std::string message) {
    plan_.remarks.push_back({.path = std::move(path), .message = std::move(message)});
  }

  // Adds the record unless a field is not valid here. A description is left out by itself.
  bool add(const char* noun_name, const std::string& path, Json body, PlannedRecord record = {}) {
    record.noun = model::find_noun(noun_name);
    for (const model::Defect& defect : model::check_new(*record.noun, body)) {
      if (defect.path != "description") {
        remark(path, "is left out: its " + defect.path + " " + defect.message);
        return false;
      }
      body.erase("description");
      remark(path, "its description is left out: it " + defect.message);
    }
    record.body = std::move(body);
    plan_.records.push_back(std::move(record));
    return true;
  }

  void take_group(const Json& group, const char* noun, Groups& groups) {
    const std::string name = text_in(group, "name");
    const std::string path = (noun == std::string("user_group") ? "user group " : "server group ") + name;
    Json body = {{"name", name}};
    add_description(group, body);
    if (!add(noun, path, std::move(body))) return;
    groups.names[text_in(group, "uid")] = name;
    for (const Json& member : list_in(group, "member_uids")) {
      if (member.is_string()) groups.members[member.get<std::string>()].push_back(name);
    }
    remark_approvers(group, path);
  }

  static void add_description(const Json& from, Json& body) {
    if (const std::string text = text_in(from, "description"); !text.empty()) body["description"] = text;
  }

  void remark_approvers(const Json& record, const std::string& path) {
    for (const char* name : {"access_approver_user_group_uids", "query_approver_user_group_uids"}) {
      if (!list_in(record, name).empty())
        remark(path, std::string(name) +
                         " has no counterpart: here a role with the scope "
                         "access-requests:decide decides about requests");
    }
  }

  std::vector<std::string> roles_of(const Json& user, const std::string& path) {
    std::set<std::string> out;
    for (const Json& role : list_in(user, "roles")) {
      const std::string name = role.is_string() ? role.get<std::string>() : std::string();
      if (name == "viewer") out.insert("auditor");
      else if (name == "connector") out.insert("user");
      else if (name == "admin" && gives_admin_) out.insert("admin");
      else if (name == "admin")
        remark(path, "has the role admin there, and not here: --admins gives it, or ringfence users update");
      else remark(path, "has the role \"" + name + "\", which has no counterpart");
    }
    return {out.begin(), out.end()};
  }

  void take_user(const Json& user) {
    const std::string name = text_in(user, "username");
    const std::string path = "user " + name;
    Json body = {{"name", name}, {"roles", roles_of(user, path)}, {"must_change_password", true}};
    if (const auto found = user_groups_.members.find(text_in(user, "uid"));
        found != user_groups_.members.end())
      body["groups"] = found->second;
    if (user.value("rate_limit_exempt", Json()) == Json(true))
      remark(path, "rate_limit_exempt has no counterpart: requests are not counted here");
    if (add("user", path, std::move(body), {.wants_password = true})) users_[text_in(user, "uid")] = name;
  }

  void take_server(const Json& server) {
    const std::string name = text_in(server, "name");
    const std::string path = "server " + name;
    const std::string protocol = text_in(server, "protocol");
    if (!protocol.empty() && protocol != "postgresql") {
      remark(path, "is left out: its protocol " + protocol + " has no counterpart");
      return;
    }
    Json body = {{"name", name}, {"type", "postgres"}, {"hosts", {text_in(server, "host")}}};
    add_description(server, body);
    if (is_given(server, "port")) body["port"] = server["port"];
    if (const std::string text = text_in(server, "database_name"); !text.empty()) body["database"] = text;
    if (const std::string text = text_in(server, "username"); !text.empty()) body["user"] = text;
    if (const auto found = server_groups_.members.find(text_in(server, "uid"));
        found != server_groups_.members.end())
      body["groups"] = found->second;
    take_tls(server, path, body);
    if (is_given(server, "via_uid")) {
      body["enabled"] = false;
      remark(path,
             "is reached through a tunnel there, and is not enabled here: make its host reachable first");
    }
    if (server.value("listable", Json()) == Json(false))
      remark(path, "listable: false has no counterpart: users see the targets that they may use");
    remark_approvers(server, path);
    const bool is_taken = add(
        "target", path, std::move(body),
        {.remark =
             "without its password, which nobody can read there: ringfence targets update NAME --password"});
    if (is_taken) targets_[text_in(server, "uid")] = name;
  }

  // There verify-ca checks the name as well, both by the machine's certificates.
  void take_tls(const Json& server, const std::string& path, Json& body) {
    const std::string mode = text_in(server, "ssl_mode");
    if (mode.empty()) return;
    const bool is_verified = mode == "verify-ca" || mode == "verify-full";
    body["sslmode"] = is_verified ? "verify-full" : mode;
    if (is_verified) body["sslrootcert"] = "system";
    if (mode == "verify-ca")
      remark(path, "verify-ca checks the host's name there, too; it becomes verify-full");
  }

  // ---------------------------------------------------------------- grants

  void leave_out(const std::string& path, const std::string& why) { remark(path, "is left out: " + why); }

  // Why the grant gives nothing, or cannot be had here; empty: it can.
  std::string take_scope(const Json& grant, Json& body) const {
    const auto user = users_.find(text_in(grant, "user_id"));
    if (user == users_.end()) return "its user is not there, or is left out";
    body["user"] = user->second;
    if (is_given(grant, "server_group_uid")) {
      const auto group = server_groups_.names.find(text_in(grant, "server_group_uid"));
      if (group == server_groups_.names.end()) return "its server group is not there, or is left out";
      body["target_group"] = group->second;
      return {};
    }
    const auto target = targets_.find(text_in(grant, "database_id"));
    if (target == targets_.end()) return "its server is not there, or is left out";
    body["target"] = target->second;
    return {};
  }

  std::string take_window(const Json& grant, Json& body) const {
    if (is_given(grant, "revoked_at")) return "it is revoked";
    const std::string end = known_time(grant, "expires_at");
    if (end.empty()) return "its expires_at is no time";
    if (end <= rfc3339(now_us_)) return "it has expired";
    body["expires_at"] = end;
    if (!is_given(grant, "starts_at")) return {};
    const std::string begin = known_time(grant, "starts_at");
    if (begin.empty()) return "its starts_at is no time";
    if (begin >= end) return "it ends before it begins";
    body["starts_at"] = begin;
    return {};
  }

  std::string take_shape(const Json& grant, GrantShape& shape) const {
    const Json own = grant.value("definition", Json());
    const auto known = definitions_.find(text_in(grant, "grant_definition_id"));
    if (own.is_object()) shape.source = own;
    else if (known != definitions_.end()) shape.source = known->second;
    else shape.source = grant;
    if (shape.source.value("is_active", Json(true)) != Json(true)) return "its definition is deactivated";
    const std::string level = text_in(shape.source, "access_level");
    const bool has_controls = shape.source.contains("controls");
    if (!has_controls && level != "read" && level != "write") return "what it allows is not known";
    if (has_controls && !shape.source["controls"].is_array() && !shape.source["controls"].is_null())
      return "its controls are no list";
    for (const Json& control : list_in(shape.source, "controls")) {
      if (control != "read_only" && control != "block_copy" && control != "block_ddl")
        return "it has a control that is not known here";
      if (std::find(shape.controls.begin(), shape.controls.end(), control) == shape.controls.end())
        shape.controls.push_back(control);
    }
    if (level == "read" && !has_entry(shape.controls, "read_only")) shape.controls.push_back("read_only");
    if (!list_in(shape.source, "approval_patterns").empty() || is_misshaped_list(shape.source))
      return "statements that match its approval_patterns wait for an approver there; here they would pass";
    return {};
  }

  static bool is_misshaped_list(const Json& shape) {
    return is_given(shape, "approval_patterns") && !shape["approval_patterns"].is_array();
  }

  // What is left of a budget there is the budget here.
  static std::string take_budget(const Json& shape, const char* bound, const Json& grant, const char* used,
                                 const char* field, Json& body) {
    if (!is_given(shape, bound)) return {};
    if (!shape[bound].is_number_integer()) return std::string("its ") + bound + " is no whole number";
    const Json spent = grant.value(used, Json(0));
    if (!spent.is_null() && !spent.is_number_integer())
      return std::string("its ") + used + " is no whole number";
    const int64_t left =
        shape[bound].get<int64_t>() - (spent.is_null() ? 0 : std::max<int64_t>(0, spent.get<int64_t>()));
    if (left < 1) return std::string("its ") + bound + " is used up";
    body[field] = left;
    return {};
  }

  std::string take_bounds(const Json& grant, const GrantShape& shape, Json& body) const {
    const bool is_read = has_entry(shape.controls, "read_only");
    const bool has_no_ddl = has_entry(shape.controls, "block_ddl");
    body["level"] = is_read ? "read" : has_no_ddl ? "write" : "ddl";
    body["controls"] = shape.controls;
    std::string wrong =
        take_budget(shape.source, "max_query_counts", grant, "query_count", "max_queries", body);
    if (wrong.empty())
      wrong =
          take_budget(shape.source, "max_bytes_transferred", grant, "bytes_transferred", "max_bytes", body);
    if (!wrong.empty()) return wrong;
    const Json seconds = shape.source.value("statement_timeout_seconds", Json());
    if (!seconds.is_null() && !seconds.is_number_integer())
      return "its statement_timeout_seconds is no whole number";
    if (!seconds.is_null() && seconds != Json(0)) {
      constexpr int64_t day_s = 86'400;
      body["statement_ms"] = std::clamp<int64_t>(seconds.get<int64_t>(), 1, day_s) * 1'000;
    }
    // As it is reckoned there where nothing is said: full access before restricted, before reading.
    const Json priority = grant.value("priority", Json());
    const int64_t usual = is_read ? 10 : shape.controls.empty() ? 100 : 50;
    body["priority"] = std::clamp<int64_t>(priority.is_number_integer() ? priority.get<int64_t>() : usual, 0,
                                           model::grant_priority_max);
    return {};
  }

  void take_grant(const Json& grant) {
    const std::string uid = text_in(grant, "uid");
    const std::string path = "grant " + uid;
    Json body = {{"reason", "imported from DBBat, grant " + uid}};
    GrantShape shape;
    std::string why = take_window(grant, body);
    if (why.empty()) why = take_scope(grant, body);
    if (why.empty()) why = take_shape(grant, shape);
    if (why.empty()) why = take_bounds(grant, shape, body);
    if (!why.empty()) return leave_out(path, why);
    PlannedRecord record;
    const std::string on = body.contains("target") ? body["target"].get<std::string>()
                                                   : "group " + body["target_group"].get<std::string>();
    record.title = body["user"].get<std::string>() + " on " + on;
    if (body["level"] == "ddl")
      record.remark = "it allowed everything there; level ddl is the bound here, unlike level admin";
    add("grant", path, std::move(body), std::move(record));
  }

  void take_definition(const Json& definition) {
    const bool is_live =
        !is_given(definition, "archived_at") && definition.value("is_active", Json()) == Json(true);
    if (!is_live) return;
    const bool is_automatic = definition.value("auto_approve", Json()) == Json(true);
    remark("grant definition " + text_in(definition, "name"),
           std::string("has no counterpart: who asks for access says its level and duration") +
               (is_automatic ? "; a rule (ringfence request-rules create) approves by itself" : ""));
  }

  void take_key(const Json& key) {
    if (is_given(key, "revoked_at")) return;
    const std::string end = known_time(key, "expires_at");
    if (!end.empty() && end <= rfc3339(now_us_)) return;
    const auto user = users_.find(text_in(key, "user_id"));
    remark("key " + text_in(key, "name") + (user == users_.end() ? "" : " of " + user->second),
           "cannot be brought: its text is kept nowhere; make another one: ringfence keys create NAME "
           "user=USER");
  }

  uint64_t now_us_;
  bool gives_admin_;
  ImportPlan plan_;
  std::map<std::string, Json> definitions_;
  Groups user_groups_, server_groups_;
  std::map<std::string, std::string> users_, targets_;  // Names by uid, of those that are brought.
};

}  // namespace

ImportPlan plan_dbbat(const DbbatRecords& records, uint64_t now_us, bool gives_admin) {
  return Dbbat(now_us, gives_admin).plan(records);
}

}  // namespace ringfence::client
