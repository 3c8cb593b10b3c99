// DBB_* variables of an environment file, as keys of our configuration. Values of those without a counterpart
// are not repeated: they may be secrets.
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "import_plan.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::client {

using model::Json;

namespace {

struct GivenVariable {
  int line = 0;
  std::string value;
};
using GivenVariables = std::map<std::string, GivenVariable>;

constexpr int64_t retention_days_max = 36'500;

// Variables, or with `_` at the end beginnings of their names, without a counterpart. The first one that fits
// counts.
struct NoCounterpart {
  std::string_view name;
  const char* why;
};
constexpr NoCounterpart no_counterparts[] = {
    {"DBB_DSN",
     "its tables are not those of this store; store: embedded, or store.url of a database of its own"},
    {"DBB_KEYFILE", "this key opens nothing here; store.key_ring_file is made at the first start"},
    {"DBB_KEY", "this key opens nothing here; store.key_ring_file is made at the first start"},
    {"DBB_CONFIG",
     "names a file, whose keys are these variables; write them as DBB_NAME=VALUE and run this again"},
    {"DBB_LISTEN_", "no counterpart: listeners speak PostgreSQL or raw TCP"},
    {"DBB_MYSQL_", "no counterpart: listeners speak PostgreSQL or raw TCP"},
    {"DBB_MONGO_", "no counterpart: listeners speak PostgreSQL or raw TCP"},
    {"DBB_MSSQL_", "no counterpart: listeners speak PostgreSQL or raw TCP"},
    {"DBB_QUERY_STORAGE_", "no counterpart: rows of results are not kept"},
    {"DBB_CONNECTION_RETENTION", "no counterpart: audit.retention_days holds for all of the trail"},
    {"DBB_DUMP_", "no counterpart: packets are not captured"},
    {"DBB_RATE_LIMIT_", "no counterpart: requests to the API are not counted by user"},
    {"DBB_HASH_", "no counterpart: the cost of a password's hash is fixed"},
    {"DBB_AUTH_CACHE_", "no counterpart: users and keys are looked up for each request"},
    {"DBB_AUTH_", "no counterpart: an administrator makes users"},
    {"DBB_OIDC_", "no counterpart: users log in by password or API key"},
    {"DBB_SLACK_", "no counterpart: users log in by password or API key, and nobody is told by Slack"},
    {"DBB_APPROVAL_", "no counterpart: statements wait for nobody's word here"},
    {"DBB_MCP_", "no counterpart: there is no MCP endpoint"},
    {"DBB_BASE_URL", "no counterpart: the API has fixed paths"},
    {"DBB_PUBLIC_URL", "no counterpart: no message links to the API"},
    {"DBB_REDIRECTS", "no counterpart: it is for development"},
    {"DBB_RUN_MODE", "no counterpart: ./dev run has a demo of its own"},
    {"DBB_DEMO_TARGET_DB", "no counterpart: ./dev run has a demo of its own"},
};

std::string_view trimmed_line(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// In quotes, or up to a comment that stands behind a blank.
std::string value_in(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'')) {
    const size_t end = text.find(text.front(), 1);
    if (end != std::string_view::npos) return std::string(text.substr(1, end - 1));
  }
  return std::string(trimmed_line(text.substr(0, std::min(text.find(" #"), text.size()))));
}

bool is_true(const std::string& value) {
  return value == "true" || value == "1" || value == "t" || value == "TRUE";
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

struct ListenAddress {
  std::string address;
  int64_t port = 0;
};

// ":5433", "0.0.0.0:5433", "[::1]:5433", "localhost:5433".
std::optional<ListenAddress> listen_address(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  const auto port = whole_number(std::string_view(text).substr(colon + 1));
  if (!port || *port < 1 || *port > 65'535) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  if (!model::check_ip(host).empty()) return std::nullopt;
  return ListenAddress{host, *port};
}

// Hours of a Go duration that has whole hours or days' worth of them: "720h", "0". Nothing: another form.
std::optional<int64_t> whole_hours(std::string_view text) {
  if (text == "0" || text == "0s") return 0;
  for (const std::string_view tail : {"0s", "0m"}) {
    const bool has_tail = text.ends_with(tail) && text.size() > tail.size() && text[text.size() - 3] > '9';
    if (has_tail) text.remove_suffix(tail.size());
  }
  if (!text.ends_with('h')) return std::nullopt;
  text.remove_suffix(1);
  return whole_number(text);
}

class DbbatEnvironment {
 public:
  TranslatedEnvironment translate(const std::string& text) {
    read(text);
    take_general();
    take_listener();
    take_admin();
    take_retention();
    for (const auto& [name, given] : given_) remark_rest(name, given.line);
    std::sort(out_.remarks.begin(), out_.remarks.end(),
              [](const Remark& a, const Remark& b) { return a.line < b.line; });
    return std::move(out_);
  }

 private:
  void read(const std::string& text) {
    int line = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view one = trimmed_line(std::string_view(text).substr(begin, end - begin));
      begin = end + 1;
      ++line;
      if (one.starts_with("export ")) one = trimmed_line(one.substr(7));
      const size_t equals = one.find('=');
      if (equals == std::string_view::npos || !one.starts_with("DBB_")) continue;
      // The last one counts, as in a shell.
      given_[std::string(trimmed_line(one.substr(0, equals)))] = {
          line, value_in(trimmed_line(one.substr(equals + 1)))};
    }
  }

  void remark(int line, const std::string& name, std::string message) {
    out_.remarks.push_back({line, name, std::move(message)});
  }

  // Each variable is taken once; what is left at the end has no counterpart.
  std::optional<GivenVariable> taken(const std::string& name) {
    const auto found = given_.find(name);
    if (found == given_.end()) return std::nullopt;
    GivenVariable out = std::move(found->second);
    given_.erase(found);
    return out;
  }

  void add(int depth, const char* key, const Json& value) {
    out_.yaml += std::string(static_cast<size_t>(depth) * 2, ' ') + key + ": " +
                 value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  void take_general() {
    if (const auto node = taken("DBB_INSTANCE_ID"); node && !node->value.empty()) {
      if (model::check_simple_name(node->value, 63).empty()) add(0, "node", node->value);
      else remark(node->line, "DBB_INSTANCE_ID", "is no node here: use letters, digits, `.`, `_` and `-`");
    }
    if (const auto level = taken("DBB_LOG_LEVEL"); level && !level->value.empty()) {
      const std::string name = level->value == "warn" ? "warning" : level->value;
      constexpr std::string_view levels[] = {"debug", "info", "warning", "error"};
      const bool is_known = std::find(std::begin(levels), std::end(levels), name) != std::end(levels);
      if (!is_known) remark(level->line, "DBB_LOG_LEVEL", "is no level; use debug, info, warning or error");
      else out_.yaml += "log:\n";
      if (is_known) add(1, "level", name);
    }
  }

  void take_listener() {
    const auto listen = taken("DBB_LISTEN_PG");
    const auto disable = taken("DBB_PG_TLS_DISABLE");
    const auto certificate = taken("DBB_PG_TLS_CERT_FILE");
    const auto key = taken("DBB_PG_TLS_KEY_FILE");
    if (!listen && !disable && !certificate && !key) return;
    if (listen && listen->value.empty())
      return remark(listen->line, "DBB_LISTEN_PG",
                    "switches PostgreSQL off there; an appliance needs a listener");
    const int line = listen ? listen->line : 0;
    const auto where = listen_address(listen ? listen->value : ":5433");
    if (!where) return remark(line, "DBB_LISTEN_PG", "is no address here: write an IP address and a port");
    out_.yaml += "listeners:\n  - name: postgres\n";
    add(2, "address", where->address);
    add(2, "port", where->port);
    if (disable && is_true(disable->value)) {
      add(2, "tls", "off");
      for (const auto* file : {&certificate, &key}) {
        if (*file) remark((*file)->line, "DBB_PG_TLS_DISABLE", "leaves the certificate and its key out");
      }
      return;
    }
    add(2, "tls", "prefer");
    if (certificate && !certificate->value.empty()) add(2, "tls_certificate_file", certificate->value);
    if (key && !key->value.empty()) add(2, "tls_key_file", key->value);
  }

  void take_admin() {
    const auto listen = taken("DBB_LISTEN_API");
    if (!listen) return;
    const auto where = listen_address(listen->value);
    if (!where)
      return remark(listen->line, "DBB_LISTEN_API", "is no address here: write an IP address and a port");
    out_.yaml += "admin:\n";
    add(1, "address", where->address);
    add(1, "port", where->port);
    const bool is_local = model::is_loopback(where->address);
    remark(listen->line, "DBB_LISTEN_API",
           std::string("add admin.token or admin.token_file") +
               (is_local ? ""
                         : "; at this address the API speaks HTTPS alone, unless admin.tls says otherwise"));
  }

  void take_retention() {
    const auto retention = taken("DBB_QUERY_STORAGE_RETENTION");
    if (!retention) return;
    const auto hours = whole_hours(retention->value);
    if (!hours || *hours < 0)
      return remark(retention->line, "DBB_QUERY_STORAGE_RETENTION",
                    "is not understood; set audit.retention_days");
    const int64_t days =
        *hours == 0 ? retention_days_max : std::min((*hours - 1) / 24 + 1, retention_days_max);
    out_.yaml += "audit:\n";
    add(1, "retention_days", days);
    if (*hours == 0)
      remark(retention->line, "DBB_QUERY_STORAGE_RETENTION", "keeps everything there; here a hundred years");
  }

  void remark_rest(const std::string& name, int line) {
    for (const NoCounterpart& one : no_counterparts) {
      const bool is_meant = one.name.ends_with('_') ? name.starts_with(one.name) : name == one.name;
      if (is_meant) return remark(line, name, one.why);
    }
    remark(line, name, "is not known; it has no counterpart");
  }

  GivenVariables given_;
  TranslatedEnvironment out_;
};

}  // namespace

TranslatedEnvironment translate_dbbat_environment(const std::string& text) {
  return DbbatEnvironment().translate(text);
}

}  // namespace ringfence::client
