#include "authenticator.h"

#include "ringfence/auth/api_key.h"
#include "ringfence/auth/session_cookie.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::admin {

using auth::PasswordVerdict;
using http::problem;
using http::Request;
using ring::Task;

namespace {

// RFC 9110, section 9.2.1.
bool is_safe(const std::string& method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

Authentication refusing(http::Response response) {
  Authentication out;
  out.refusal = std::move(response);
  return out;
}

Authentication proven(const control::UserFacts& user, Proof proof) {
  Authentication out;
  out.principal.name = user.name;
  out.principal.method = name_of(proof);
  out.principal.user_id = user.id;
  out.principal.scopes = user.scopes;
  out.principal.must_change_password = user.must_change_password;
  return out;
}

}  // namespace

http::Response come_again(std::string_view why, std::string_view instance) {
  http::Response response = problem(503, why, instance);
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

control::InForcePtr ApiAuthenticator::in_force() const {
  return sources_.in_force ? sources_.in_force() : nullptr;
}

void ApiAuthenticator::report(const Request& request, const std::string& client_addr,
                              AuthenticationFailure failure) {
  ++counters_.authentication_failures;
  failure.client_addr = client_addr;
  failure.method = request.method;
  failure.path = request.path;
  if (sources_.authentication_failed) sources_.authentication_failed(failure);
}

Authentication ApiAuthenticator::refused(const Request& request, const std::string& client_addr,
                                         AuthenticationFailure failure) {
  http::Response response = problem(401,
                                    "this needs a proof of who asks: Authorization: Basic or Bearer, "
                                    "X-API-Key, or the cookie of a browser session");
  response.headers.push_back({"WWW-Authenticate", "Basic realm=\"ringfence\", charset=\"UTF-8\""});
  response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"ringfence\""});
  // A cookie of no use would stand beside the proof that the browser sends next.
  if (failure.proof == name_of(Proof::browser_session))
    response.headers.push_back({"Set-Cookie", auth::session_cookie_removal(is_secure_)});
  report(request, client_addr, std::move(failure));
  return refusing(std::move(response));
}

Task<Authentication> ApiAuthenticator::authenticate(const Request& request, const std::string& client_addr) {
  auto presented = presented_in(request, is_secure_);
  if (!presented) {
    report(request, client_addr, {.reason = "several", .proof = "credentials"});
    co_return refusing(problem(400, presented.error().message, request.path));
  }
  const Proof proof = presented->proof;
  if (proof == Proof::none) co_return refused(request, client_addr, {.reason = "missing"});
  if (presented->is_malformed) {
    AuthenticationFailure failure{.reason = "malformed", .proof = std::string(name_of(proof))};
    co_return refused(request, client_addr, std::move(failure));
  }
  // The configuration's token may look like a key.
  if (proof == Proof::admin_token || is_admin_token(*presented))
    co_return by_token(request, client_addr, *presented);
  if (sources_.in_force && !sources_.in_force())
    co_return refusing(come_again("users have not been read from the store yet; try again", request.path));
  if (proof == Proof::password) {
    Task<Authentication> checking = by_password(request, client_addr, std::move(*presented));
    co_return co_await checking;
  }
  if (proof == Proof::browser_session) co_return by_session(request, client_addr, *presented);
  co_return by_key(request, client_addr, *presented);
}

// Digests are compared, so neither the token's length nor its contents show in the time.
bool ApiAuthenticator::is_admin_token(const Presented& presented) const {
  if (presented.proof != Proof::admin_token && presented.proof != Proof::api_key) return false;
  const crypto::Digest digest = crypto::sha256(presented.secret.reveal());
  return crypto::constant_time_equal(crypto::view_of(digest), crypto::view_of(token_digest_));
}

Authentication ApiAuthenticator::by_token(const Request& request, const std::string& client_addr,
                                          const Presented& presented) {
  if (!is_admin_token(presented))
    return refused(request, client_addr,
                   {.reason = "wrong", .proof = std::string(name_of(Proof::admin_token))});
  Authentication out;
  out.principal.name = "admin";
  out.principal.method = name_of(Proof::admin_token);
  out.principal.scopes = auth::Scopes::all();
  return out;
}

Authentication ApiAuthenticator::by_key(const Request& request, const std::string& client_addr,
                                        const Presented& presented) {
  const std::string_view text = presented.secret.reveal();
  const std::string prefix(auth::api_key_prefix(text).value_or(""));
  const control::InForcePtr now = in_force();
  const auth::ApiKeyFacts* key = now ? now->find_key(prefix) : nullptr;
  const auth::ApiKeyOutcome outcome = auth::check_api_key(text, key, shard_.now_us());
  AuthenticationFailure failure{.proof = std::string(name_of(Proof::api_key)), .api_key = prefix};
  if (outcome != auth::ApiKeyOutcome::ok) {
    failure.reason = auth::api_key_outcome_name(outcome);
    return refused(request, client_addr, std::move(failure));
  }
  const control::UserFacts* user = now->find_user(key->user_id);
  if (user == nullptr) {
    failure.reason = "revoked";  // With its user.
    return refused(request, client_addr, std::move(failure));
  }
  Authentication out = proven(*user, Proof::api_key);
  if (!key->scopes.empty()) out.principal.scopes = both(user->scopes, key->scopes);
  out.principal.key_id = key->id;
  out.principal.key_prefix = prefix;
  if (sources_.key_used) sources_.key_used(key->id);
  return out;
}

bool ApiAuthenticator::holds(const Principal& principal) const {
  if (principal.user_id.is_nil()) return true;  // The configuration's token is no user's.
  const control::InForcePtr now = in_force();
  const control::UserFacts* user = now ? now->find_user(principal.user_id) : nullptr;
  if (user == nullptr || !user->scopes.has_all(principal.scopes)) return false;
  if (principal.browser_session) {
    const BrowserLogins::Login* login = logins_.by_id(*principal.browser_session);
    return login != nullptr && BrowserLogins::is_current(*login, *user);
  }
  if (principal.key_id.is_nil()) return true;
  const auth::ApiKeyFacts* key = now->find_key(principal.key_prefix);
  return key != nullptr && key->id == principal.key_id && !key->is_revoked &&
         (!key->expires_at || *key->expires_at > shard_.now_us());
}

Authentication ApiAuthenticator::by_session(const Request& request, const std::string& client_addr,
                                            const Presented& presented) {
  AuthenticationFailure failure{.reason = "unknown", .proof = std::string(name_of(Proof::browser_session))};
  const BrowserLogins::Login* login = logins_.find(presented.secret.reveal());
  if (login == nullptr) return refused(request, client_addr, std::move(failure));
  failure.user = login->user;
  const control::InForcePtr now = in_force();
  const control::UserFacts* user = now ? now->find_user(login->user_id) : nullptr;
  if (user == nullptr || !BrowserLogins::is_current(*login, *user)) {
    failure.reason = "revoked";
    logins_.end(login->id, user == nullptr ? "its user may not log in" : "the password was changed");
    return refused(request, client_addr, std::move(failure));
  }
  if (!is_safe(request.method)) {
    const std::string* csrf = request.header("X-CSRF-Token");
    const bool is_there = csrf != nullptr && request.count("X-CSRF-Token") == 1;
    if (!is_there || !logins_.fits_csrf(*login, *csrf)) {
      failure.reason = "no CSRF token for the";
      report(request, client_addr, std::move(failure));
      return refusing(problem(403,
                              "a browser session needs the header X-CSRF-Token for this; "
                              "GET /api/v1/auth/me has it",
                              request.path));
    }
  }
  Authentication out = proven(*user, Proof::browser_session);
  out.principal.browser_session = login->id;
  return out;
}

Task<Authentication> ApiAuthenticator::by_password(const Request& request, const std::string& client_addr,
                                                   Presented presented) {
  AuthenticationFailure failure{
      .reason = "wrong", .proof = std::string(name_of(Proof::password)), .user = presented.user};
  Task<CheckedPassword> checking = check_password(presented.user, std::move(presented.secret));
  const CheckedPassword checked = co_await checking;
  if (checked.verdict == PasswordVerdict::wrong) co_return refused(request, client_addr, std::move(failure));
  if (checked.verdict != PasswordVerdict::right)
    co_return refusing(come_again("the password could not be checked now; try again", request.path));
  co_return proven(*checked.user, Proof::password);
}

Task<CheckedPassword> ApiAuthenticator::check_password(std::string name, model::Secret password) {
  CheckedPassword out;
  out.in_force = in_force();
  if (!sources_.check_password || !sources_.in_force) {
    out.verdict = PasswordVerdict::wrong;  // There are no users.
    co_return out;
  }
  if (!out.in_force) co_return out;  // Not yet.
  auth::PasswordAttempt attempt;
  if (const control::UserFacts* user = out.in_force->find_user(name)) {
    attempt.user_id = user->id;
    attempt.stored = user->password_hash;
  }
  attempt.password = std::move(password);
  const model::Secret stored = attempt.stored;
  Ask<auth::PasswordAnswer> ask(asks_, shard_, options_.password_ms);
  sources_.check_password(std::move(attempt), ask.done());
  const std::optional<auth::PasswordAnswer> answer = co_await ask;
  if (!answer) {
    ++counters_.answers_late;
    co_return out;
  }
  out.verdict = answer->verdict;
  if (out.verdict != PasswordVerdict::right) co_return out;
  // He may have been disabled meanwhile, or his password changed.
  out.in_force = in_force();
  out.user = out.in_force ? out.in_force->find_user(name) : nullptr;
  const bool is_same = out.user != nullptr && out.user->password_hash.reveal() == stored.reveal();
  if (!is_same) out = {PasswordVerdict::wrong, nullptr, nullptr};
  co_return out;
}

}  // namespace ringfence::admin
