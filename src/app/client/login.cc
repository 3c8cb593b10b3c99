// Logging in makes a key for this machine and keeps it in a context; logging out revokes it.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "field_text.h"
#include "records.h"
#include "ringfence/app/config/env.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/hex.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/model/text_rules.h"
#include "shown_text.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

struct LoginOptions {
  std::string user;
  bool reads_password = false;
  bool reads_key = false;
  std::string expires = "30d";
  std::vector<std::string> scopes;
};

// What is known of who logs in, and how.
struct Login {
  Endpoint endpoint;
  std::string context;
  std::string user;
  model::Secret password;
};

Outcome<model::Secret> line_as_secret(const std::string& what) {
  auto line = read_input_line("the " + what);
  if (!line) return passed_on(std::move(line).error());
  model::Secret out(*line);
  crypto::secure_zero(*line);
  return out;
}

// The part of the host's name before its first dot, in characters that a key's name may have.
std::string host_part() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "host";
  std::string out;
  for (const char c : std::string_view(name)) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (c == '.' || out.size() == 40) break;
    out += is_plain ? c : '_';
  }
  return out.empty() ? "host" : out;
}

// By the key itself. One that proves nothing any more is as good as revoked.
Outcome<void> revoke(const SavedContext& context, int64_t timeout_s) {
  Connection connection({.url = context.url, .ca_file = context.ca_file, .timeout_s = timeout_s},
                        {.key = context.key});
  auto answer = connection.send({.method = "DELETE", .path = path_of({"keys", context.key_id})});
  if (!answer) return passed_on(std::move(answer).error());
  if (answer->is_success() || answer->status == 401) return {};
  // The key is there, for it has just proved who asks.
  if (answer->status == 404)
    return failed(Exit::denied,
                  "cannot revoke the key " + context.key_id + ": it lacks the scope keys:write");
  return passed_on(failure_of(*answer, "revoke the key " + context.key_id, context.url));
}

// What is left over does not keep a login from being good.
void try_to_revoke(const SavedContext& context, int64_t timeout_s) {
  if (context.key_id.empty()) return;
  if (auto done = revoke(context, timeout_s); !done)
    note(done.error().message + "; it holds until it expires");
}

// A password that has been set by somebody else has to change before anything else.
Outcome<void> renew_password(Login& login, const LoginOptions& options) {
  note("the password of " + login.user + " has to change first");
  auto wanted = options.reads_password
                    ? line_as_secret("new password, its second line")
                    : ask_new_secret("New password", "give it as the second line with --password-stdin");
  if (!wanted) return passed_on(std::move(wanted).error());
  if (auto done = change_own_password(login.endpoint, login.user, login.password, *wanted); !done)
    return done;
  login.password = std::move(*wanted);
  return {};
}

Outcome<Json> who_am_i(Connection& connection, const std::string& user) {
  auto me = connection.send({.path = "/api/v1/auth/me"});
  if (!me) return passed_on(std::move(me).error());
  if (me->status == 401)
    return failed(Exit::denied, user.empty() ? "the key is wrong, revoked or expired"
                                             : "the name " + user + " or the password is wrong");
  if (!me->is_success()) return passed_on(failure_of(*me, "log in", connection.url()));
  Json out = Json::parse(me->body, nullptr, false);
  if (out.is_object()) return out;
  return failed(Exit::refused,
                connection.url() + " is no appliance's admin address: it answers without JSON");
}

Outcome<SavedContext> with_given_key(const Login& login) {
  auto key = line_as_secret("key");
  if (!key) return passed_on(std::move(key).error());
  Connection connection(login.endpoint, {.key = *key});
  auto me = who_am_i(connection, "");
  if (!me) return passed_on(std::move(me).error());
  SavedContext out;
  out.key = std::move(*key);
  if (const Json name = me->value("name", Json()); name.is_string()) out.user = name.get<std::string>();
  return out;
}

Outcome<SavedContext> with_new_key(Login& login, const LoginOptions& options) {
  auto lifetime_us = parse_duration_us(options.expires);
  if (!lifetime_us) return passed_on(std::move(lifetime_us).error());
  auto random = crypto::random_bytes(4);
  if (!random) return failed(std::move(random).error());
  {
    Connection connection(login.endpoint, {.user = login.user, .password = login.password});
    auto me = who_am_i(connection, login.user);
    if (!me) return passed_on(std::move(me).error());
    if (me->value("must_change_password", Json()) == Json(true)) {
      if (auto renewed = renew_password(login, options); !renewed)
        return passed_on(std::move(renewed).error());
    }
  }
  Connection connection(login.endpoint, {.user = login.user, .password = login.password});
  SavedContext out;
  out.user = login.user;
  out.expires_at = rfc3339(wall_us() + *lifetime_us);
  const Json body = {{"name", "cli-" + host_part() + "-" + hex_of(*random)},
                     {"expires_at", out.expires_at},
                     {"scopes", options.scopes}};
  auto made = connection.ask_json({.method = "POST",
                                   .path = "/api/v1/keys",
                                   .what = "make a key for this machine",
                                   .scope = "keys:write",
                                   .body = body.dump()});
  if (!made && made.error().exit == Exit::denied)
    return failed(Exit::denied,
                  made.error().message + "; or ask an administrator for a key and use --key-stdin");
  if (!made) return passed_on(std::move(made).error());
  const Json key = made->value("key", Json());
  const Json id = made->value("id", Json());
  if (!key.is_string() || !id.is_string()) return failed(Exit::refused, "the answer has no key");
  out.key = model::Secret(key.get_ref<const std::string&>());
  out.key_id = id.get<std::string>();
  return out;
}

// The one that is named; else the one that has this URL; else a new one with the name of the host.
std::string context_for(const ConnectOptions& options, const Contexts& contexts, const std::string& url) {
  const std::string named = options.context.empty() ? app::variable("RINGFENCE_CONTEXT") : options.context;
  if (!named.empty()) return named;
  for (const auto& [name, context] : contexts.all) {
    if (context.url == url) return name;
  }
  std::string out;
  for (const char c : url.substr(url.find("://") + 3)) out += model::is_name_character(c) ? c : '-';
  return out.substr(0, 63);
}

// Asks for what the command line does not say.
Outcome<Login> begin(const CommonOptions& common, const LoginOptions& options, const Contexts& contexts) {
  Login out;
  auto endpoint = endpoint_of(common.connect, contexts);
  if (!endpoint) return passed_on(std::move(endpoint).error());
  out.endpoint = std::move(*endpoint);
  if (!out.endpoint.ca_file.empty()) {
    std::error_code error;
    out.endpoint.ca_file = std::filesystem::absolute(out.endpoint.ca_file, error).lexically_normal();
    if (error) return failed(Exit::refused, "the folder that this runs in: " + error.message());
  }
  out.context = context_for(common.connect, contexts, out.endpoint.url);
  if (auto checked = check_context_name(out.context); !checked) return passed_on(std::move(checked).error());
  if (options.reads_key) return out;
  out.user = options.user;
  if (out.user.empty()) {
    if (!is_interactive()) return failed(Exit::usage, "who logs in? Give --user NAME, or --key-stdin");
    auto user = ask_text("User:");
    if (!user) return passed_on(std::move(user).error());
    out.user = std::move(*user);
  }
  auto password =
      options.reads_password ? line_as_secret("password") : ask_secret("Password", "use --password-stdin");
  if (!password) return passed_on(std::move(password).error());
  out.password = std::move(*password);
  return out;
}

Outcome<void> log_in(const CommonOptions& common, const LoginOptions& options) {
  auto file = ContextsFile::of_user();
  if (!file) return passed_on(std::move(file).error());
  // Nothing is made that cannot be kept.
  if (auto writable = file->update([](Contexts&) {}); !writable) return writable;
  auto contexts = file->load();
  if (!contexts) return passed_on(std::move(contexts).error());
  auto login = begin(common, options, *contexts);
  if (!login) return passed_on(std::move(login).error());
  auto made = options.reads_key ? with_given_key(*login) : with_new_key(*login, options);
  if (!made) return passed_on(std::move(made).error());
  made->url = login->endpoint.url;
  made->ca_file = login->endpoint.ca_file;
  made->allows_plain_http = login->endpoint.allows_plain_http;
  std::optional<SavedContext> before;
  auto kept = file->update([&](Contexts& now) {
    const auto found = now.all.find(login->context);
    if (found != now.all.end()) before = found->second;
    now.all[login->context] = *made;
    now.current = login->context;
  });
  const int64_t timeout_s = common.connect.timeout_s;
  if (!kept) {
    try_to_revoke(*made, timeout_s);
    return kept;
  }
  if (before) try_to_revoke(*before, timeout_s);
  const Json told = {{"context", login->context}, {"url", made->url}, {"user", made->user}};
  print(common.json ? json_text(told)
                    : "logged in to " + made->url + " as " + shown_text(made->user) + " (context " +
                          login->context + ")\n");
  return {};
}

Outcome<void> log_out(const CommonOptions& common) {
  auto file = ContextsFile::of_user();
  if (!file) return passed_on(std::move(file).error());
  auto contexts = file->load();
  if (!contexts) return passed_on(std::move(contexts).error());
  const std::string name = chosen_context(common.connect, *contexts);
  const auto found = contexts->all.find(name);
  if (found == contexts->all.end())
    return failed(Exit::denied, "not logged in: there is no context to leave");
  const SavedContext& context = found->second;
  if (context.key_id.empty()) {
    note("the key was given to login and is not revoked; ringfence keys delete does that");
  } else {
    if (auto done = revoke(context, common.connect.timeout_s); !done)
      return failed(done.error().exit, done.error().message +
                                           "\nThe context is still there; ringfence context remove " + name +
                                           " forgets it without revoking the key");
  }
  auto removed = file->update([&](Contexts& now) {
    now.all.erase(name);
    if (now.current == name) now.current.clear();
  });
  if (removed) print("logged out of " + context.url + "\n");
  return removed;
}

}  // namespace

void add_login_commands(CommandTree& tree) {
  auto options = std::make_shared<LoginOptions>();
  CLI::App& login = tree.add("login", "Make a key for this machine and keep it in a context.",
                             [&tree, options] { return log_in(tree.common(), *options); });
  login.add_option("--user,-u", options->user, "Who logs in");
  CLI::Option* password = login.add_flag("--password-stdin", options->reads_password,
                                         "Read the password from standard input; its second line is the new "
                                         "one where the password has to change");
  login.add_flag("--key-stdin", options->reads_key, "Keep the key on standard input, in place of a new one")
      ->excludes(password);
  login.add_option("--expires", options->expires, "How long the key holds: 30d, 12h")->capture_default_str();
  login.add_option("--scopes", options->scopes, "What the key may at most, by comma; else all that you may")
      ->delimiter(',')
      ->allow_extra_args(false);
  tree.add("logout", "Revoke the context's key and forget it.", [&tree] { return log_out(tree.common()); });
}

}  // namespace ringfence::client
