#include "dbbat_reader.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <thread>

#include "command_tree.h"
#include "http_client.h"
#include "ringfence/model/json_fields.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::client {

using model::Json;
using model::text_in;

namespace {

constexpr size_t page_bytes_max = size_t{16} << 20;
constexpr size_t dbbat_page_max = 1'000;    // Its own bound.
constexpr size_t dbbat_page_default = 100;  // A page with fewer is the last one, whatever it takes for limit.
constexpr size_t dbbat_pages_max = 120;
constexpr size_t dbbat_records_max = 100'000;        // Of one list: nobody has so many.
constexpr size_t all_bytes_max = size_t{256} << 20;  // Of all answers together.
constexpr size_t uid_bytes_max = 64;
constexpr int waits_max = 60;  // It takes 60 requests a minute, 10 at once.
constexpr int64_t wait_s_max = 60;

struct DbbatList {
  const char* path;
  const char* member;
  const char* id = "uid";
  const char* parameters = "";
  bool is_newer = false;  // Earlier versions have not got it.
};

class DbbatReader {
 public:
  DbbatReader(const Endpoint& endpoint, const Credential& credential) : http_(endpoint, credential) {}

  // An administrator of its.
  Outcome<void> check_who() {
    auto me = ask("/api/v1/auth/me", false);
    if (!me) return passed_on(std::move(me).error());
    const Json user = (*me)->value("user", Json());
    const Json roles = (user.is_object() ? user : **me).value("roles", Json());
    const bool is_admin =
        roles.is_array() && std::find(roles.begin(), roles.end(), Json("admin")) != roles.end();
    if (is_admin) return {};
    return failed(Exit::denied,
                  "the user has not the role admin at " + url() + ", and would see a part of it alone");
  }

  // False: there is no such list.
  Outcome<bool> read(const DbbatList& list, Json& to) {
    std::set<std::string> seen;
    for (size_t pages = 0; pages < dbbat_pages_max && seen.size() <= dbbat_records_max; ++pages) {
      const std::string path = std::string("/api/v1/") + list.path +
                               "?limit=" + std::to_string(dbbat_page_max) +
                               "&offset=" + std::to_string(seen.size()) + list.parameters;
      auto page = ask(path, list.is_newer);
      if (!page) return passed_on(std::move(page).error());
      if (!*page) return false;
      auto count = take(list, **page, seen, to);
      if (!count) return passed_on(std::move(count).error());
      if (*count == 0) return true;
    }
    return failed(Exit::refused, url() + " goes on with " + list.member + " after " +
                                     std::to_string(seen.size()) + " of them; is it a DBBat?");
  }

 private:
  const std::string& url() const { return http_.endpoint().url; }

  // How many are new, 0 after the last page. A list that knows no pages comes whole each time.
  Outcome<size_t> take(const DbbatList& list, const Json& page, std::set<std::string>& seen, Json& to) {
    const auto found = page.find(list.member);
    if (found == page.end() || (!found->is_array() && !found->is_null()))
      return failed(Exit::refused, url() + " answers to " + list.path + " without a list \"" + list.member +
                                       "\"; is it a DBBat?");
    if (found->is_null()) return size_t{0};
    size_t added = 0;
    for (size_t i = 0; i < found->size(); ++i) {
      const Json& one = (*found)[i];
      const std::string id = one.is_object() ? text_in(one, list.id) : std::string();
      if (!model::check_simple_name(id, uid_bytes_max).empty())
        return failed(Exit::refused, url() + ": " + list.member + "[" + std::to_string(i) + "] has no " +
                                         list.id + "; is it a DBBat?");
      if (!seen.insert(id).second) continue;
      to.push_back(one);
      ++added;
    }
    return found->size() < dbbat_page_default ? 0 : added;
  }

  // Null: there is no such path, and it may be so.
  Outcome<std::unique_ptr<Json>> ask(const std::string& path, bool may_be_missing) {
    auto answer = http_.send({.path = path, .bytes_max = page_bytes_max});
    for (; answer && answer->status == 429 && waits_ < waits_max; ++waits_) {
      wait(*answer);
      answer = http_.send({.path = path, .bytes_max = page_bytes_max});
    }
    if (!answer) return passed_on(std::move(answer).error());
    bytes_ += answer->body.size();
    if (bytes_ > all_bytes_max)
      return failed(Exit::refused, url() + " has told more than 256 MiB; is it a DBBat?");
    if (answer->status == 404 && may_be_missing) return nullptr;
    if (!answer->is_success()) return passed_on(refusal(*answer, path));
    auto json = model::parse_json(answer->body);
    if (!json)
      return failed(Exit::refused, url() + " answers to " + path + " with no JSON: " + json.error().message +
                                       "; is it a DBBat?");
    if (!json->is_object())
      return failed(Exit::refused, url() + " answers to " + path + " with no JSON object; is it a DBBat?");
    return std::make_unique<Json>(std::move(*json));
  }

  void wait(const HttpAnswer& answer) {
    const Json body = Json::parse(answer.body, nullptr, false);
    const Json asked = body.is_object() ? body.value("retry_after", Json()) : Json();
    const int64_t seconds =
        asked.is_number_integer() ? std::clamp<int64_t>(asked.get<int64_t>(), 1, wait_s_max) : 1;
    note("DBBat takes no more requests for now; the next one follows in " + std::to_string(seconds) + " s");
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
  }

  Failure refusal(const HttpAnswer& answer, const std::string& path) const {
    const std::string what = "cannot read " + url() + path + ": ";
    if (answer.status >= 300 && answer.status < 400)
      return {Exit::refused, what + "it leads elsewhere (HTTP status " + std::to_string(answer.status) +
                                 "), and the credential goes to the named URL alone; give the right one"};
    const auto parsed = model::parse_json(answer.body);
    const std::string told = parsed && parsed->is_object() ? text_in(*parsed, "message") : std::string();
    const std::string code = parsed && parsed->is_object() ? text_in(*parsed, "code") : std::string();
    std::string message = what + "HTTP status " + std::to_string(answer.status);
    if (!told.empty()) message += ", " + told;
    if (code == "PASSWORD_CHANGE_REQUIRED") message += "; change that password at DBBat first";
    else if (answer.status == 401) message += "; are the user and the password, or the key, right?";
    switch (answer.status) {
      case 401:
      case 403: return {Exit::denied, message};
      case 404: return {Exit::not_found, message + "; is the URL that of a DBBat's REST API?"};
      case 429:
      case 502:
      case 503:
      case 504: return {Exit::unreachable, message + "; try again in a moment"};
      default: return {Exit::refused, message};
    }
  }

  HttpClient http_;
  int waits_ = 0;
  size_t bytes_ = 0;
};

constexpr DbbatList dbbat_users = {"users", "users"};
constexpr DbbatList dbbat_servers = {.path = "servers", .member = "databases", .is_newer = true};
constexpr DbbatList dbbat_databases = {"databases", "databases"};
constexpr DbbatList dbbat_grants = {"grants", "grants"};
constexpr DbbatList dbbat_keys = {"keys", "keys", "id", "&all_users=true"};

}  // namespace

Outcome<DbbatRecords> read_dbbat(const Endpoint& endpoint, const Credential& credential) {
  DbbatReader reader(endpoint, credential);
  if (auto checked = reader.check_who(); !checked) return passed_on(std::move(checked).error());
  DbbatRecords out;
  auto has_servers = reader.read(dbbat_servers, out.servers);
  if (!has_servers) return passed_on(std::move(has_servers).error());
  struct Part {
    DbbatList list;
    Json& to;
  };
  std::vector<Part> parts = {
      {dbbat_users, out.users},
      {dbbat_grants, out.grants},
      {dbbat_keys, out.keys},
      {{.path = "user-groups", .member = "user_groups", .is_newer = true}, out.user_groups},
      {{.path = "server-groups", .member = "server_groups", .is_newer = true}, out.server_groups},
      {{.path = "grant-definitions", .member = "grant_definitions", .is_newer = true}, out.definitions},
      {{.path = "grant-requests",
        .member = "grant_requests",
        .parameters = "&status=pending",
        .is_newer = true},
       out.requests}};
  if (!*has_servers) parts.push_back({dbbat_databases, out.servers});  // Before it had other protocols.
  for (const Part& part : parts) {
    auto done = reader.read(part.list, part.to);
    if (!done) return passed_on(std::move(done).error());
  }
  return out;
}

}  // namespace ringfence::client
