// Logins of browsers, who one is, and one's own password.
#include <nlohmann/json.hpp>

#include "authenticator.h"
#include "exchange.h"
#include "resources.h"
#include "ringfence/auth/session_cookie.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"

namespace ringfence::admin {

using auth::PasswordVerdict;
using control::Answer;
using control::LoginEvent;
using http::Response;
using model::Json;
using ring::Task;

namespace {

constexpr size_t name_bytes_told_max = 256;

// Two texts and nothing else; a name that nobody can have is a wrong one, not a wrong form.
bool take_texts(const Call& call, std::initializer_list<const char*> names, Json& body, Response& refusal) {
  if (!take_json(call, body, refusal)) return false;
  model::Defects defects;
  for (const char* name : names) {
    const auto found = body.find(name);
    if (found == body.end()) model::add_defect(defects, name, "is missing; add it");
    else if (!found->is_string()) model::add_defect(defects, name, "is no text; write one in quotes");
  }
  for (const auto& [name, value] : body.items()) {
    const auto is_this = [&name = name](const char* known) { return name == known; };
    if (std::none_of(names.begin(), names.end(), is_this))
      model::add_defect(defects, name, "is not known here; leave it out");
  }
  if (defects.empty()) return true;
  refusal = problem_of(400, "the body is not of this form", call.request.path, defects);
  return false;
}

Json user_of(const control::UserFacts& user) {
  return {{"id", to_string(user.id)},
          {"name", user.name},
          {"roles", user.roles},
          {"must_change_password", user.must_change_password}};
}

// The cookie stands beside it, in a header.
Response session_answer(Resources& resources, const control::UserFacts& user,
                        const BrowserLogins::Opened& opened) {
  Response out = json_answer(200, {{"user", user_of(user)},
                                   {"expires_at", rfc3339(opened.login.expires_us)},
                                   {"csrf_token", opened.login.csrf}});
  out.headers.push_back({"Set-Cookie", auth::session_cookie(opened.token.reveal(), resources.logins.life_s(),
                                                            resources.authenticator.is_secure())});
  return out;
}

void tell(Resources& resources, const Call& call, LoginEvent event) {
  event.client_addr = call.client_addr;
  if (resources.sources.logged_in) resources.sources.logged_in(event);
}

Task<Response> log_in(Resources& resources, const Call& call) {
  Json body;
  Response refusal;
  if (!take_texts(call, {"username", "password"}, body, refusal)) co_return refusal;
  const std::string name = body["username"].get<std::string>();
  model::Secret password(body["password"].get_ref<const std::string&>());
  ApiAuthenticator& authenticator = resources.authenticator;
  Task<CheckedPassword> checking = authenticator.check_password(name, std::move(password));
  const CheckedPassword checked = co_await checking;
  if (checked.verdict == PasswordVerdict::wrong) {
    // What is counted by it has a bound: no name that anybody can have is longer.
    authenticator.report(call.request, call.client_addr,
                         {.reason = "wrong",
                          .proof = "password",
                          .user = std::string(text_prefix(name, name_bytes_told_max))});
    // Not Basic: the page that asks shows its own form.
    Response out = http::problem(401, "the name or the password is wrong", call.request.path);
    out.headers.push_back({"WWW-Authenticate", "Bearer realm=\"ringfence\""});
    co_return out;
  }
  if (checked.verdict != PasswordVerdict::right)
    co_return come_again("the password could not be checked now; try again", call.request.path);
  tell(resources, call,
       {.kind = LoginEvent::Kind::login, .user = name, .method = "password", .user_id = checked.user->id});
  const auto opened = resources.logins.open(*checked.user, call.client_addr);
  if (!opened) co_return come_again("no session could be made now; try again", call.request.path);
  co_return session_answer(resources, *checked.user, *opened);
}

Task<Response> log_out(Resources& resources, const Call& call) {
  if (!call.principal.browser_session)
    co_return http::problem(409, "there is no browser session in this request that could end",
                            call.request.path);
  resources.logins.log_out(*call.principal.browser_session);
  Response out;
  out.status = 204;
  out.headers.push_back({"Set-Cookie", auth::session_cookie_removal(resources.authenticator.is_secure())});
  co_return out;
}

Task<Response> me(Resources& resources, const Call& call) {
  const Principal& who = call.principal;
  Json out = {{"name", who.name},
              {"method", who.method},
              {"scopes", who.scopes.names()},
              {"must_change_password", who.must_change_password},
              {"user", nullptr},
              {"csrf_token", nullptr},
              {"expires_at", nullptr}};
  const control::InForcePtr now = resources.authenticator.in_force();
  const control::UserFacts* user = now && !who.user_id.is_nil() ? now->find_user(who.user_id) : nullptr;
  if (user != nullptr) out["user"] = user_of(*user);
  if (who.browser_session) {
    if (const BrowserLogins::Login* login = resources.logins.by_id(*who.browser_session)) {
      out["csrf_token"] = login->csrf;
      out["expires_at"] = rfc3339(login->expires_us);
    }
  }
  co_return json_answer(200, out);
}

// ---------------------------------------------------------------- one's own password

// What the control plane says of `password` is about the member that the request has.
Response refused_change(Answer answer, const Call& call) {
  for (model::Defect& defect : answer.defects) {
    if (defect.path == "password") defect.path = "new_password";
  }
  if (answer.kind == Answer::Kind::invalid) answer.message = "the new password is not taken";
  // The request has named no version.
  if (answer.kind == Answer::Kind::stale) {
    answer.kind = Answer::Kind::conflict;
    answer.message = "the user was changed meanwhile; try again";
  }
  return answer_of(answer, call.request.path);
}

Response changed(Resources& resources, const Call& call) {
  constexpr const char* reason = "the password was changed";
  const Principal& who = call.principal;
  resources.logins.end_others(who.user_id, who.browser_session, reason);
  Response out;
  out.status = 204;
  if (!who.browser_session) return out;
  const control::InForcePtr now = resources.authenticator.in_force();
  const control::UserFacts* user = now ? now->find_user(who.user_id) : nullptr;
  if (user != nullptr) {
    const auto renewed = resources.logins.renew(*who.browser_session, *user);
    if (renewed) return session_answer(resources, *user, *renewed);
  }
  // The password is another one; the session that has not followed it ends.
  resources.logins.end(*who.browser_session, reason);
  out.headers.push_back({"Set-Cookie", auth::session_cookie_removal(resources.authenticator.is_secure())});
  return out;
}

Task<Response> change_password(Resources& resources, const Call& call) {
  const Principal& who = call.principal;
  Json body;
  Response refusal;
  if (!take_texts(call, {"current_password", "new_password"}, body, refusal)) co_return refusal;
  // A key is a program's, and its scopes are less than its user's.
  if (who.user_id.is_nil() || who.method == "api key" || resources.sources.records == nullptr)
    co_return http::problem(403, "a user changes his password with his password or a browser session",
                            call.request.path);
  model::Secret old(body["current_password"].get_ref<const std::string&>());
  model::Secret wanted(body["new_password"].get_ref<const std::string&>());
  const bool is_same = old.reveal() == wanted.reveal();
  LoginEvent event{.kind = LoginEvent::Kind::password_change,
                   .user = who.name,
                   .method = who.method,
                   .user_id = who.user_id};
  Task<CheckedPassword> checking = resources.authenticator.check_password(who.name, std::move(old));
  const CheckedPassword checked = co_await checking;
  const bool is_right = checked.verdict == PasswordVerdict::right && checked.user->id == who.user_id;
  if (!is_right && checked.verdict != PasswordVerdict::right && checked.verdict != PasswordVerdict::wrong)
    co_return come_again("the password could not be checked now; try again", call.request.path);
  if (!is_right) {
    event.is_denied = true;
    event.reason = "the current password is wrong";
    tell(resources, call, std::move(event));
    co_return problem_of(422, "the current password is wrong", call.request.path,
                         {{"current_password", "is wrong; write the one that you log in with"}});
  }
  if (is_same)
    co_return problem_of(422, "the new password is the current one", call.request.path,
                         {{"new_password", "is the current password; choose another one"}});
  Ask<Answer> ask(resources.asks, resources.shard, resources.options.record_ms);
  resources.sources.records->change_own_password(actor_of(call), std::move(wanted), checked.user->version,
                                                 ask.done());
  std::optional<Answer> answer = co_await ask;
  if (!answer) co_return late(resources, "the store");
  if (answer->kind != Answer::Kind::ok) co_return refused_change(std::move(*answer), call);
  tell(resources, call, std::move(event));
  co_return changed(resources, call);
}

using Does = Task<Response> (*)(Resources&, const Call&);

void add(Router& router, Resources& resources, Route route, Does does) {
  route.body_bytes_max = json_body_bytes_max;
  router.add(std::move(route),
             WholeHandler([&resources, does](const Call& call) { return does(resources, call); }));
}

}  // namespace

void add_auth(Router& router, Resources& resources) {
  Route login{"POST", "/api/v1/auth/login", "", {}, "Begins the session of a browser, by name and password."};
  login.exchange = {200, "Login", "BrowserSession", {400, 401, 413, 415, 503}};
  add(router, resources, std::move(login), log_in);
  Route logout{"POST", "/api/v1/auth/logout", "", {}, "Ends the browser session that asks."};
  logout.admits = Admits::proven;
  logout.exchange = {204, "", "", {409}, {"X-CSRF-Token"}};
  add(router, resources, std::move(logout), log_out);
  Route who{"GET", "/api/v1/auth/me", "", {}, "Who asks, how that was proved, and what he may."};
  who.admits = Admits::password_due;
  who.exchange = {200, "", "Me"};
  add(router, resources, std::move(who), me);
  Route password{"PUT", "/api/v1/auth/password", "", {}, "Changes one's own password."};
  password.admits = Admits::password_due;
  password.exchange = {200, "PasswordChange", "BrowserSession", {400, 403, 409, 413, 415, 422, 503}};
  password.exchange.headers = {"X-CSRF-Token"};
  add(router, resources, std::move(password), change_password);
}

}  // namespace ringfence::admin
