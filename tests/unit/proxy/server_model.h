// A simulation of PostgreSQL's main loop that takes frontend messages and gives the backend's bytes, and
// remembers what it truly ran. Statement texts say what they do:
//
//   rows N          N rows            fail            an error
//   copyin K        COPY FROM STDIN; fails at its K-th CopyData (0: never)
//   copyout N       COPY TO STDOUT    begin, commit   as they say
//   prepare NAME as TEXT              deallocate NAME, deallocate all
//   die             the server says FATAL in the middle of it
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

struct Truth {
  std::string statement;
  std::string outcome;
  int64_t rows;
};

class ServerModel {
 public:
  std::vector<Truth> ran;
  std::vector<std::string> planned;  // By Bind.
  bool is_dead = false;

  // What the server says when its operator ends it: a COPY that runs fails by it.
  std::string end_by_operator() {
    out_.clear();
    if (is_dead) return {};
    if (copy_) fail_copy(true);
    else error(false, "FATAL");
    return std::exchange(out_, {});
  }
  // One whole message; gives the answer's bytes.
  std::string take(char type, ByteView body) {
    out_.clear();
    if (is_dead) return {};
    if (copy_) {
      copy_message(type);
      return std::exchange(out_, {});
    }
    // Before it looks whether it skips, as PostgreSQL does.
    if (type == 'X') is_dead = true;
    if (is_dead || (skipping_ && type != 'S')) return {};
    switch (type) {
      case 'S':
        skipping_ = false;
        finish_implicit();
        ready();
        break;
      case 'Q': query(text(body)); break;
      case 'P': parse(body); break;
      case 'B': bind(body); break;
      case 'E': execute(body); break;
      case 'D': describe(body); break;
      case 'C': close(body); break;
      case 'F': call(body); break;
      default: break;  // Flush; copy messages outside of a COPY.
    }
    return std::exchange(out_, {});
  }

 private:
  struct Portal {
    std::string statement;
    int64_t given = 0;
    bool is_over = false;
  };
  struct Copy {
    std::string statement;
    int fail_at;
    int data = 0;
    bool is_simple;
    std::vector<std::string> rest;  // Of the Query.
  };

  static std::string text(ByteView body) { return std::string(body.substr(0, body.find('\0'))); }
  static int number(const std::string& statement) {
    return std::atoi(statement.c_str() + statement.find(' ') + 1);
  }
  void message(char type, ByteView body) {
    auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
    out_.append(header.data(), header.size());
    out_.append(body);
  }
  void ready() { pg::append_ready_for_query(out_, failed_ ? 'E' : in_transaction_ ? 'T' : 'I'); }
  void error(bool is_extended, std::string_view severity = "ERROR") {
    pg::append_error_response(out_, {.severity = severity, .sqlstate = "42601", .message = "failed"});
    if (in_transaction_) failed_ = true;
    else portals_.clear();
    if (is_extended) skipping_ = true;
    if (severity == "FATAL") is_dead = true;
  }
  void finish_implicit() {
    if (!in_transaction_) portals_.clear();
  }
  bool is_refused(const std::string& statement) const {
    return failed_ && statement != "commit" && statement != "rollback";
  }

  // Runs it to its end, or up to `limit` rows from `portal`. False: an error, not yet sent.
  enum class Run { done, suspended, failed, died, copies };
  Run run(const std::string& statement, Portal* portal, int64_t limit) {
    if (is_refused(statement) || statement.starts_with("fail")) {
      ran.push_back({statement, "failure", -1});
      return Run::failed;
    }
    bool dies = statement.starts_with("die");
    if (dies || breaks_names(statement)) {
      ran.push_back({statement, "failure", -1});
      return dies ? Run::died : Run::failed;
    }
    if (statement.starts_with("copyin")) return Run::copies;
    int64_t rows = 0;
    std::string tag;
    for (char c : statement.substr(0, statement.find(' ')))
      tag += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    if (statement == "commit" && failed_) tag = "ROLLBACK";
    if (statement == "deallocate all") tag = "DEALLOCATE ALL";
    if (statement.starts_with("rows") || statement.starts_with("copyout")) {
      int64_t left = number(statement) - (portal != nullptr ? portal->given : 0);
      bool is_copy = statement.starts_with("copyout");
      bool is_cut = limit > 0 && left >= limit && !is_copy;
      rows = is_cut ? limit : left;
      if (is_copy) message('H', ByteView("\0\0\0", 3));
      for (int64_t i = 0; i < rows; ++i) {
        if (is_copy) message('d', std::string(static_cast<size_t>(i * 37 % 200), 'x'));
        else message('D', ByteView("\0\1\0\0\0\1x", 7));
      }
      if (is_copy) message('c', "");
      if (portal != nullptr) portal->given += rows;
      if (is_cut) {
        ran.push_back({statement, "success", rows});
        message('s', "");
        return Run::suspended;
      }
      tag = (is_copy ? "COPY " : "SELECT ") + std::to_string(rows);
    }
    if (statement == "begin") in_transaction_ = true;
    if (statement == "commit") {
      in_transaction_ = failed_ = false;
      portals_.clear();
    }
    if (statement.starts_with("prepare ")) {
      size_t as = statement.find(" as ");
      statements_[statement.substr(8, as - 8)] = statement.substr(as + 4);
    }
    if (statement == "deallocate all")
      std::erase_if(statements_, [](const auto& each) { return !each.first.empty(); });
    else if (statement.starts_with("deallocate ")) statements_.erase(statement.substr(11));
    ran.push_back({statement, "success", rows});
    pg::append_command_complete(out_, tag);
    return Run::done;
  }

  // A name that is there cannot be prepared, one that is not cannot be deallocated.
  bool breaks_names(const std::string& statement) const {
    if (statement.starts_with("prepare "))
      return statements_.contains(statement.substr(8, statement.find(" as ") - 8));
    if (!statement.starts_with("deallocate ") || statement == "deallocate all") return false;
    return !statements_.contains(statement.substr(11));
  }

  void query(const std::string& whole) {
    statements_.erase("");
    portals_.erase("");
    std::vector<std::string> parts;
    for (size_t at = 0; at <= whole.size();) {
      size_t end = std::min(whole.find(';', at), whole.size());
      if (end > at) parts.push_back(whole.substr(at, end - at));
      at = end + 1;
    }
    if (parts.empty()) {
      ran.push_back({whole, "success", 0});
      message('I', "");
      ready();
      return;
    }
    query_parts(std::move(parts));
  }
  void query_parts(std::vector<std::string> parts) {
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].starts_with("rows")) message('T', ByteView("\0\0", 2));
      std::vector<std::string> rest(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1, parts.end());
      switch (run(parts[i], nullptr, 0)) {
        case Run::copies:
          copy_ = Copy{parts[i], number(parts[i]), 0, true, rest};
          message('G', ByteView("\0\0\0", 3));
          return;
        case Run::died:
          error(false, "FATAL");
          for (const std::string& skipped : rest) ran.push_back({skipped, "not_executed", -1});
          return;
        case Run::failed:
          error(false);
          for (const std::string& skipped : rest) ran.push_back({skipped, "not_executed", -1});
          ready();
          return;
        default: break;
      }
    }
    finish_implicit();
    ready();
  }
  void copy_message(char type) {
    if (type == 'S' || type == 'H') return;
    bool fails = type == 'f' || (type == 'd' && ++copy_->data == copy_->fail_at);
    bool is_foreign = type != 'd' && type != 'c' && type != 'f';
    if (!fails && !is_foreign && type == 'd') return;
    if (fails || is_foreign) return fail_copy(is_foreign);
    Copy copy = std::move(*copy_);
    copy_.reset();
    ran.push_back({copy.statement, "success", copy.data});
    pg::append_command_complete(out_, "COPY " + std::to_string(copy.data));
    if (copy.is_simple) query_parts(std::move(copy.rest));
  }

  void fail_copy(bool is_fatal) {
    Copy copy = std::move(*copy_);
    copy_.reset();
    ran.push_back({copy.statement, "failure", -1});
    error(!copy.is_simple, is_fatal ? "FATAL" : "ERROR");
    for (const std::string& skipped : copy.rest) ran.push_back({skipped, "not_executed", -1});
    if (copy.is_simple && !is_dead) ready();
  }

  void parse(ByteView body) {
    auto parsed = pg::parse_parse(body);
    std::string name(parsed->name);
    if (name.empty()) statements_.erase(name);
    bool is_bad = parsed->text.starts_with("syntax") || is_refused(std::string(parsed->text));
    if (is_bad || (!name.empty() && statements_.contains(name))) return error(true);
    statements_[name] = parsed->text;
    message('1', "");
  }
  void bind(ByteView body) {
    auto bound = pg::parse_bind(body);
    auto found = statements_.find(std::string(bound->statement));
    std::string name(bound->portal);
    if (found == statements_.end() || is_refused(found->second) || found->second.starts_with("unbindable") ||
        (!name.empty() && portals_.contains(name))) {
      return error(true);
    }
    portals_[name] = {found->second, 0, false};
    planned.push_back(found->second);
    message('2', "");
  }
  void execute(ByteView body) {
    auto parsed = pg::parse_execute(body);
    auto found = portals_.find(std::string(parsed->portal));
    if (found == portals_.end()) return error(true);
    Portal& portal = found->second;
    if (portal.statement.empty()) {
      ran.push_back({"", "success", 0});
      return message('I', "");
    }
    bool reruns = portal.statement.starts_with("rows");
    if (portal.is_over && !reruns) {
      ran.push_back({portal.statement, "failure", -1});
      return error(true);
    }
    std::string statement = portal.statement;
    if (statement.starts_with("copyin") && !is_refused(statement)) {
      portal.is_over = true;
      copy_ = Copy{statement, number(statement), 0, false, {}};
      return message('G', ByteView("\0\0\0", 3));
    }
    portal.is_over = true;
    Run how = run(statement, &portal, parsed->rows_max);
    if (how == Run::failed) error(true);
    if (how == Run::died) error(true, "FATAL");
  }
  void describe(ByteView body) {
    auto named = pg::parse_describe(body);
    std::string name(named->name);
    if (named->is_portal ? !portals_.contains(name) : !statements_.contains(name)) return error(true);
    if (!named->is_portal) message('t', ByteView("\0\0", 2));
    message('n', "");
  }
  void close(ByteView body) {
    auto named = pg::parse_close(body);
    if (named->is_portal) portals_.erase(std::string(named->name));
    else statements_.erase(std::string(named->name));
    message('3', "");
  }
  void call(ByteView body) {
    std::string what = "FunctionCall " + std::to_string(Reader(body).u32());
    if (failed_ || what == "FunctionCall 0") {
      ran.push_back({what, "failure", -1});
      error(false);
    } else {
      ran.push_back({what, "success", 0});
      message('V', ByteView("\0\0\0\0", 4));
      finish_implicit();
    }
    ready();
  }

  std::string out_;
  bool skipping_ = false;
  bool in_transaction_ = false;
  bool failed_ = false;
  std::optional<Copy> copy_;
  std::map<std::string, std::string> statements_;
  std::map<std::string, Portal> portals_;
};

}  // namespace ringfence::proxy
