// The admin API with users, keys and records that the test puts there, on a clock that it drives.
#pragma once

#include <map>

#include "api_client.h"
#include "ringfence/auth/api_key.h"

namespace ringfence::admin {

// Answers what it was told to, and keeps what it was asked.
struct FakeRecords final : RecordDirectory {
  void list(const model::Noun& noun, control::ListRequest request, Done done) override {
    lists.push_back(request);
    answer("list " + std::string(noun.plural), std::move(done));
  }
  void read(const model::Noun& noun, std::string which, Done done) override {
    answer("read " + std::string(noun.plural) + " " + which, std::move(done));
  }
  void create(const model::Noun& noun, Json given, control::Actor actor, std::string key,
              Done done) override {
    answer("create " + std::string(noun.plural) + " " + given.dump() + " [" + key + "] by " + actor.text(),
           std::move(done));
  }
  void change(const model::Noun& noun, std::string which, Json given, std::optional<int64_t> version,
              control::Actor actor, Done done) override {
    answer("change " + std::string(noun.plural) + " " + which + " " + given.dump() + of(version) + " by " +
               actor.text(),
           std::move(done));
  }
  void remove(const model::Noun& noun, std::string which, std::optional<int64_t> version,
              control::Actor actor, Done done) override {
    answer("remove " + std::string(noun.plural) + " " + which + of(version) + " by " + actor.text(),
           std::move(done));
  }
  void identify(std::vector<control::Called> called, Done done) override {
    std::string what = "identify";
    for (const control::Called& one : called)
      what += " " + std::string(one.noun->name) + (one.is_name ? "=" : ":") + one.which;
    asked.push_back(std::move(what));
    control::Answer out;
    out.body = Json::array();
    for (const control::Called& one : called) {
      const auto known = people.find(one.which);
      out.body.push_back(known == people.end() ? Json() : known->second);
    }
    done(out);
  }
  void decide(std::string which, control::Decision decision, Json given, std::optional<int64_t> version,
              control::Actor actor, Done done) override {
    static const char* const verbs[] = {"approve ", "deny ", "cancel ", "expire "};
    answer(verbs[static_cast<size_t>(decision)] + which + " " + given.dump() + of(version) + " by " +
               actor.text(),
           std::move(done));
  }
  void break_glass(Json given, control::Actor actor, std::string key, Done done) override {
    answer("break glass " + given.dump() + " [" + key + "] by " + actor.text(), std::move(done));
  }
  void change_own_password(control::Actor user, model::Secret password, int64_t version, Done done) override {
    if (next.kind == control::Answer::Kind::ok && on_password) on_password(std::string(password.reveal()));
    answer("password of " + user.text() + of(version), std::move(done));
  }
  static std::string of(std::optional<int64_t> version) {
    return version ? " of " + std::to_string(*version) : "";
  }
  void answer(std::string what, Done done) {
    asked.push_back(std::move(what));
    if (is_busy) late = std::move(done);
    else done(next);
  }

  std::vector<std::string> asked;
  std::vector<control::ListRequest> lists;
  std::map<std::string, Json> people;  // What identify() knows, by what they are called.
  control::Answer next;
  bool is_busy = false;
  Done late;
  std::function<void(std::string)> on_password;
};

// The same of the trail.
struct FakeTrail final : control::TrailDirectory {
  void list(audit::TrailRequest request, control::Actor, Done done) override {
    lists.push_back(std::move(request));
    done(next);
  }
  void read(audit::TrailPart, Uuid, control::Actor, Done done) override { done(next); }

  std::vector<audit::TrailRequest> lists;
  control::Answer next;
};

// The same of questions about keys.
struct FakeKeys final : control::KeyDirectory {
  explicit FakeKeys(FakeRecords& to) : records(to) {}
  void ask_keys(control::KeyAction action, std::string which, Json given, control::Actor actor,
                Done done) override {
    records.answer("keys " + std::to_string(static_cast<int>(action)) + " " + which + " " + given.dump() +
                       " by " + actor.text(),
                   std::move(done));
  }
  FakeRecords& records;
};

// A user's password is his hash.
struct ApiFixture {
  ApiFixture() : network(1), shard({}) {
    pass_ms(1'000'000);
    AdminOptions options;
    options.token_digest = crypto::sha256(token);
    options.node = "gate";
    Sources sources;
    sources.readiness = [] { return Readiness{true, ""}; };
    sources.stats = [] { return StatsSnapshot(); };
    sources.sessions = &directory;
    sources.explain = [this](std::string question, std::string, std::function<void(PolicyAnswer)> done) {
      policy_question = std::move(question);
      done({PolicyAnswer::Kind::answered, policy_text});
    };
    sources.authentication_failed = [this](const AuthenticationFailure& failure) {
      failures.push_back(failure);
    };
    sources.in_force = [this] { return is_started ? std::make_shared<control::InForce>(facts) : nullptr; };
    sources.check_password = [this](auth::PasswordAttempt attempt,
                                    std::function<void(auth::PasswordAnswer)> done) {
      ++passwords_checked;
      const bool is_right = !attempt.stored.empty() && attempt.stored.reveal() == attempt.password.reveal();
      auth::PasswordAnswer answer{is_right ? auth::PasswordVerdict::right : auth::PasswordVerdict::wrong};
      if (verdict) answer.verdict = *verdict;
      if (is_slow) late = [done, answer] { done(answer); };
      else done(answer);
    };
    sources.records = &records;
    sources.keys = &keys;
    sources.trail = &trail;
    sources.logged_in = [this](const control::LoginEvent& event) { events.push_back(event); };
    server = std::make_unique<AdminServer>(shard, options, sources);
  }
  ~ApiFixture() {
    if (!is_stopping) server->stop(0, [] {});
    pass_ms(100'000);
    for (auto& client : clients) client->stream->shutdown();
    network.run();
    server.reset();
  }

  control::UserFacts& put_user(const std::string& name, auth::Scopes scopes, const std::string& password) {
    auto user = std::make_shared<control::UserFacts>();
    ++users_made;
    user->id = uuid_v7(1'000'000 + users_made, users_made);
    user->version = 1;
    user->name = name;
    user->scopes = std::move(scopes);
    user->password_hash = model::Secret(password);
    user->password_set_us = users_made;
    facts.users.set(name, user);
    facts.users_by_id.set(to_string(user->id), user);
    return *user;
  }
  void remove_user(const std::string& name) {
    facts.users_by_id.erase(to_string(facts.find_user(name)->id));
    facts.users.erase(name);
  }
  // The key's text.
  std::string put_key(const control::UserFacts& user, auth::Scopes scopes) {
    auto made = auth::make_api_key();
    REQUIRE(made);
    auto key = std::make_shared<auth::ApiKeyFacts>();
    key->user_id = user.id;
    key->prefix = made->prefix;
    key->hash = made->hash;
    key->scopes = std::move(scopes);
    facts.keys.set(made->prefix, key);
    last_key = key;
    return std::string(made->text.reveal());
  }

  std::string ask(const std::string& method, const std::string& path, const std::string& headers = "",
                  const std::string& body = "", const std::string& type = "application/json") {
    leave();
    auto pair = network.make_pair(0);
    clients.push_back(std::make_unique<Client>(std::move(pair.left)));
    Client& client = *clients.back();
    server->serve(std::move(pair.right));
    ring::spawn(client.say(request_of(method, path, headers, body, type)));
    network.run();
    return client.heard;
  }
  // Those that have heard their answer: the server takes 256 connections at once.
  void leave() {
    for (auto& client : clients)
      if (!client->heard.empty()) client->stream->shutdown();
    network.run();
    std::erase_if(clients, [](const auto& client) { return client->has_ended; });
  }
  // What the last one that asked has heard by now.
  std::string heard() {
    network.run();
    return clients.back()->heard;
  }
  void stop(uint64_t deadline_ms) {
    is_stopping = true;
    server->stop(deadline_ms, [] {});
  }
  void pass_ms(uint64_t ms) {
    now_ns += ms * 1'000'000;
    shard.turn_at(now_ns);
    network.run();
  }
  // The actions that the trail was told of.
  std::string told() const {
    static const char* const names[] = {
        "login", "logout", "password_change", "session_created", "session_refreshed", "session_expired"};
    std::string out;
    for (const control::LoginEvent& event : events) {
      out += (out.empty() ? "" : " ") + std::string(names[static_cast<size_t>(event.kind)]);
      if (event.is_denied) out += "(denied)";
    }
    return out;
  }

  net::MemoryNetwork network;
  ring::Shard shard;
  uint64_t now_ns = 0;
  bool is_stopping = false;
  FakeDirectory directory;
  FakeRecords records;
  FakeKeys keys{records};
  FakeTrail trail;
  std::string policy_question;
  std::string policy_text = "{\"allowed\":true,\"decision\":\"allow\"}";
  control::InForce facts;
  uint64_t users_made = 0;
  std::shared_ptr<auth::ApiKeyFacts> last_key;
  bool is_started = true;
  bool is_slow = false;  // A password's check: `late` ends it.
  std::optional<auth::PasswordVerdict> verdict;
  std::function<void()> late;
  int passwords_checked = 0;
  std::vector<AuthenticationFailure> failures;
  std::vector<control::LoginEvent> events;
  std::unique_ptr<AdminServer> server;
  std::vector<std::unique_ptr<Client>> clients;
};

// A browser that has logged in.
struct Browser {
  Browser(ApiFixture& to, const std::string& user, const std::string& password) : fixture(to) {
    const Json login = {{"username", user}, {"password", password}};
    take(to.ask("POST", "/api/v1/auth/login", "", login.dump()));
  }
  // A new cookie, if there is one.
  void take(std::string answer) {
    response = std::move(answer);
    const std::string set = header_of(response, "Set-Cookie");
    if (set.empty()) return;
    cookie = set.substr(0, set.find(';'));
    csrf = json_of(response).value("csrf_token", "");
  }
  std::string headers(bool with_csrf = true) const {
    return "Cookie: other=1; " + cookie + "\r\n" + (with_csrf ? "X-CSRF-Token: " + csrf + "\r\n" : "");
  }
  int status(const std::string& method, const std::string& path, bool with_csrf = true) const {
    return status_of(fixture.ask(method, path, headers(with_csrf)));
  }
  ApiFixture& fixture;
  std::string response;
  std::string cookie;
  std::string csrf;
};

}  // namespace ringfence::admin
