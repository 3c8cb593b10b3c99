// Passwords: one's own, which needs the current one, and another user's, which needs users:write.
#include <nlohmann/json.hpp>

#include "records.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

// From standard input or the terminal.
Outcome<model::Secret> secret_from(const PasswordOptions& options, const std::string& what, bool is_new) {
  if (options.is_read) {
    auto line = read_input_line("the " + what);
    if (!line) return passed_on(std::move(line).error());
    model::Secret out(*line);
    crypto::secure_zero(*line);
    return out;
  }
  const std::string cure = "use --password-stdin";
  return is_new ? ask_new_secret(what, cure) : ask_secret(what, cure);
}

Outcome<void> set_own(const CommonOptions& common, const PasswordOptions& options) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto me = connection->ask_json({.path = "/api/v1/auth/me", .what = "ask who you are"});
  if (!me) return passed_on(std::move(me).error());
  const Json name = me->value("name", Json());
  if (!name.is_string() || me->value("user", Json()).is_null())
    return failed(Exit::denied, "the key is no user's; name the user: ringfence users password NAME");
  auto current = secret_from(options, "current password", false);
  if (!current) return passed_on(std::move(current).error());
  auto wanted = secret_from(options, "new password", true);
  if (!wanted) return passed_on(std::move(wanted).error());
  return change_own_password(connection->endpoint(), name.get<std::string>(), *current, *wanted);
}

}  // namespace

Outcome<void> change_own_password(const Endpoint& endpoint, const std::string& user,
                                  const model::Secret& current, const model::Secret& wanted) {
  Connection connection(endpoint, {.user = user, .password = current});
  const Json body = {{"current_password", std::string(current.reveal())},
                     {"new_password", std::string(wanted.reveal())}};
  auto done = connection.ask({.method = "PUT",
                              .path = "/api/v1/auth/password",
                              .what = "change the password of " + user,
                              .scope = "",
                              .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)});
  if (!done) return passed_on(std::move(done).error());
  return {};
}

Outcome<void> set_password(const CommonOptions& common, const PasswordOptions& options) {
  if (options.user.empty()) {
    if (options.must_change) return failed(Exit::usage, "--must-change is for another user; name the user");
    auto done = set_own(common, options);
    if (done && !common.json) print("changed your password\n");
    return done;
  }
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto password = secret_from(options, "new password", true);
  if (!password) return passed_on(std::move(password).error());
  const Json body = {{"password", std::string(password->reveal())},
                     {"must_change_password", options.must_change}};
  auto record = connection->ask_json({.method = "PATCH",
                                      .path = path_of({"users", options.user}),
                                      .what = "set the password of user " + options.user,
                                      .scope = "users:write",
                                      .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)});
  if (!record) return passed_on(std::move(record).error());
  print(common.json ? json_text(*record) : "changed the password of user " + options.user + "\n");
  return {};
}

}  // namespace ringfence::client
