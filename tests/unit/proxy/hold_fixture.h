// A session whose statements may be held, before a server that answers by itself and remembers what it ran.
#pragma once

#include "proxy/pg/pg_session.h"
#include "session_fixture.h"

namespace ringfence::proxy {

// Any DELETE waits; everything up to `level` passes.
inline std::function<void(Snapshot&)> holding(policy::Level level = policy::Level::write,
                                              uint64_t timeout_ms = 10'000,
                                              std::vector<policy::Text> functions = {}) {
  return [=](Snapshot& snapshot) {
    policy::Policy policy;
    policy.name = "careful";
    policy.roles = {{"*", ""}};
    policy.level = level;
    policy.functions = functions;
    policy::HoldRule rule;
    rule.where = "test:1";
    rule.kinds = {{"delete", ""}};
    rule.timeout_ms = timeout_ms;
    policy.hold.push_back(rule);
    std::vector<policy::Problem> problems;
    snapshot.policies = policy::PolicySet::compile({policy}, problems);
    REQUIRE(snapshot.policies);
  };
}

// Policies at the same level that deny what the tests hold.
inline void grown_stricter(Snapshot& snapshot) {
  snapshot.policies = policies_for("*", policy::Level::write, {{"delete", ""}, {"insert", ""}});
}

struct Watcher final : HoldWatcher {
  std::vector<HeldStatement> all;
  std::vector<std::pair<uint64_t, HoldEnd>> ends;
  void held(const HeldStatement& statement) override { all.push_back(statement); }
  void hold_ended(const HoldId& id, HoldEnd end) override { ends.emplace_back(id.number, end); }
};

// Outlives the sessions, whose ends it is told.
struct HasWatcher {
  Watcher watcher;
};

struct Holding : HasWatcher, World {
  explicit Holding(std::function<void(Snapshot&)> change = holding(), uint64_t seed = 1, size_t piece_max = 0,
                   unsigned worker_threads = 0)
      : World(seed, piece_max, std::move(change), worker_threads) {
    core->options.hold_watcher = &watcher;
    connect();
    log_in();
  }
  // A PostgreSQL that has no tables: texts that begin with rf_ are no statements, all others succeed.
  void serve() {
    while (serve_what_came()) {
    }
  }
  // False: nothing was answered.
  bool serve_what_came() {
    std::string_view bytes = server.got;
    std::string out;
    size_t at = 0;
    for (; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1)) {
      const size_t length = detail::load_be<uint32_t>(bytes.data() + at + 1);
      if (at + 1 + length > bytes.size()) break;
      const char type = bytes[at];
      const std::string_view body = bytes.substr(at + 5, length - 4);
      reached += type;
      if (skips && type != 'S') continue;
      switch (type) {
        case 'Q': run(std::string(body.substr(0, body.size() - 1)), out, true); break;
        case 'P': {
          const std::string_view name = body.substr(0, body.find('\0'));
          const std::string_view text =
              body.substr(name.size() + 1, body.find('\0', name.size() + 1) - name.size() - 1);
          skips = text.starts_with("rf_") || text == "select broken";
          if (skips) fail(std::string(text), out);
          else out += std::string("1\0\0\0\4", 5);
          if (!skips) texts[std::string(name)] = text;
          break;
        }
        case 'C':
          texts.erase(std::string(body.substr(1, body.size() - 2)));
          out += std::string("3\0\0\0\4", 5);
          break;
        case 'B': {
          const std::string_view rest = body.substr(body.find('\0') + 1);
          bound = texts[std::string(rest.substr(0, rest.find('\0')))];
          out += std::string("2\0\0\0\4", 5);
          break;
        }
        case 'E': run(bound, out, false); break;
        case 'S':
          skips = false;
          pg::append_ready_for_query(out, in_transaction ? 'T' : 'I');
          break;
        default: break;
      }
    }
    server.got.erase(0, at);
    const bool has_answered = !out.empty();
    if (has_answered) send(server, out);
    return has_answered;
  }
  void run(const std::string& text, std::string& out, bool is_query) {
    if (text.starts_with("rf_")) {
      fail(text, out);
    } else {
      ran.push_back(text);
      if (text == "begin") in_transaction = true;
      if (text == "commit" || text == "rollback") in_transaction = false;
      std::string tag = text.substr(0, text.find(' '));
      for (char& c : tag) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
      pg::append_command_complete(out, tag == "SELECT" ? "SELECT 1" : tag);
    }
    if (is_query) pg::append_ready_for_query(out, in_transaction ? 'T' : 'I');
  }
  static void fail(const std::string& text, std::string& out) {
    pg::append_error_response(out,
                              {.sqlstate = "42601", .message = "syntax error at or near \"" + text + "\""});
  }
  // What the client sends, and all that follows from it.
  void say(std::string bytes) {
    send(client, std::move(bytes));
    serve();
  }
  bool has_run(std::string_view text) const { return std::find(ran.begin(), ran.end(), text) != ran.end(); }
  uint64_t held() const { return core->counters.sessions_held.get(); }
  uint64_t number() const { return watcher.all.back().id.number; }
  PgSession* session() {
    PgSession* any = nullptr;
    core->sessions.for_each([&](Session& one) { any = static_cast<PgSession*>(&one); });
    return any;
  }
  void release() {
    core->answer_hold_here(number(), {.is_released = true});
    settle();
    serve();
  }
  void refuse(std::string reason = "no") {
    core->answer_hold_here(number(), {.is_released = false, .reason = std::move(reason)});
    settle();
    serve();
  }
  void cancel() {
    ring::spawn(session()->cancel_by_client());
    settle();
    serve();
  }
  // The errors that the client got: "57014 message".
  std::vector<std::string> errors() const {
    std::vector<std::string> out;
    std::string_view bytes = client.got;
    for (size_t at = 0; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1)) {
      if (bytes[at] != 'E') continue;
      auto fields =
          pg::parse_error_fields(bytes.substr(at + 5, detail::load_be<uint32_t>(bytes.data() + at + 1) - 4));
      out.push_back(std::string(fields->sqlstate) + " " + std::string(fields->message));
    }
    return out;
  }
  // Records of statements that did not run: their outcome and reason.
  std::vector<std::string> not_run() const {
    std::vector<std::string> out;
    for (const VectorSpace::Record& record : space.records) {
      if (record.kind != audit::RecordKind::event ||
          !record[audit::Tag::action].starts_with("postgres_query"))
        continue;
      out.push_back(record[audit::Tag::statement] + " | " + record[audit::Tag::outcome] + " | " +
                    record[audit::Tag::reason]);
    }
    return out;
  }
  // As a reload does.
  void reload(std::function<void(Snapshot&)> change) {
    auto made = std::make_shared<Snapshot>(*core->snapshot);
    ++made->generation;
    change(*made);
    core->use(made);
    settle();
    serve();
  }

  std::string reached;
  std::vector<std::string> ran;
  std::map<std::string, std::string> texts;
  std::string bound;
  bool skips = false;
  bool in_transaction = false;
};

// A sync group of one statement.
inline std::string extended(std::string_view text, std::string_view name = "") {
  std::string out;
  pg::append_parse(out, name, text);
  pg::append_bind(out, "", name);
  pg::append_execute(out, "");
  pg::append_sync(out);
  return out;
}

}  // namespace ringfence::proxy
