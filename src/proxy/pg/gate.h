// What a restricted session may send: decides each statement, makes the message that stands in for a refused
// one, and turns the server's answer to that into the refusal.
//
// A refused message is replaced by one that the server is certain to reject before it runs anything, so that
// the state of the session and of its transaction stays the server's. What always holds: an answer is
// rewritten only when it names a marker of ours, which nobody else can know.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rewriter.h"
#include "ringfence/pg/build.h"
#include "statement_judge.h"

namespace ringfence::proxy {

struct Refusal {
  std::string sqlstate;
  std::string rule;
  std::string message;
  std::string hint;
  size_t at = std::string_view::npos;  // Byte in the statement's text.
  // For the trail: what it would have taken, and where the offending word is, in characters of the
  // statement's own text from 1; 0: nowhere.
  std::string permission = "query";
  uint32_t position = 0;
  bool is_denied = true;  // False: nobody forbade it; it was not run for another reason.
};

class Gate {
 public:
  static constexpr size_t nonce_bytes_max = 23;
  // `nonce`: printable, unguessable, at most `nonce_bytes_max` bytes. The judge outlives the gate.
  Gate(std::shared_ptr<StatementJudge> judge, std::string_view nonce);

  // Other policies from now on; answers to earlier refusals are still known.
  void use(std::shared_ptr<StatementJudge> judge) { judge_ = std::move(judge); }
  // `statement` is one statement's own text.
  enum class Verdict : uint8_t {
    pass,
    refused,  // See refusal().
    unknown,  // A thread made for it has to analyse the text; the answer comes by analysed().
  };
  Verdict check(std::string_view statement) { return check(statement, false); }
  // The same of a statement whose text can still be changed: READ WRITE at level `read` passes as READ ONLY.
  Verdict check_sent(std::string_view statement) { return check(statement, true); }
  // Of the last check that passed: what is to go on in place of the text, as many bytes; empty: the text.
  std::string_view instead() const { return rare_ ? std::string_view(rare_->instead) : std::string_view(); }
  // Of the last check that refused.
  Refusal& refusal() { return rare().refusal; }
  // What analyze() said of a text for which check() did not know; the next check of it does.
  void analysed(std::string text, Result<sql::Facts> facts);
  // The message is decided. Who has nothing refused any more keeps nothing for it.
  void forget_analysed() {
    if (!rare_) return;
    if (rare_->pending.empty()) rare_.reset();
    else rare_->analysed.clear();
  }
  std::optional<Refusal> check_call(uint32_t oid);
  // For what is longer than a restricted session may send.
  static Refusal too_long(size_t bytes_max);
  static Refusal too_many(size_t statements_max);
  // For what was prepared under other policies and whose text was not kept.
  static Refusal unknown_text();
  // For a text that means one thing or another, by settings that cannot be asked for in a failed transaction.
  static Refusal unreadable_text();
  // Of a statement and a portal of the appliance's own, at the server.
  std::string own_name() const { return std::string("rf_") + nonce_ + "_own"; }
  // A FunctionCall that is none: in the server's words.
  static Refusal malformed_call();
  // Whether the statement that was checked last, and passed, calls what a policy admits by name.
  bool calls_named() const { return calls_named_; }
  // A call together with the end of a transaction, in a session that is to stay read-only.
  static Refusal call_with_end();
  // Of the last check that passed; until the next.
  const policy::Decision& decision() const { return *decision_; }
  // Of the statement that was checked last; null where it could not be analysed.
  const sql::Facts* facts() const { return judge_->facts(); }
  // What let it pass.
  std::string_view allowed_by() const { return judge_->allowed_by(); }
  // What let the statements of one message pass, for whoever decides that message; until the next message of
  // any session.
  std::vector<std::string_view>& rules() const { return judge_->space().rules; }

  // For what a name stands for, when that may have been changed out of sight and cannot be made certain: of a
  // prepared statement (26000) or a cursor (34000).
  static Refusal doubtful_name(bool is_portal, std::string_view name);
  int server_version() const { return judge_->session().server_version; }
  // The message to send instead. `position` is where the message's text begins to be wrong, in characters
  // from 1; 0: none.
  enum class Instead : uint8_t { query, parse_unnamed, parse_named, function_call };
  std::string replace(Instead instead, const Refusal& refusal, uint32_t position);

  // The refusals whose answers have not come.
  bool is_waiting() const { return rare_ && !rare_->pending.empty(); }
  // The refusal that an error of the server stands for, if it does. Until the next call. `number`: of the
  // refusal whose stand-in is being answered, 0 for none; what is answered is settled, whatever the error.
  const pg::ErrorFields* refusal_behind(const pg::ErrorFields& error, uint64_t number);

  Rewriter& from_client() { return from_client_; }
  Rewriter& from_server() { return from_server_; }
  const policy::Access& access() const { return judge_->access(); }
  uint64_t refusals() const { return refusals_; }

 private:
  struct Pending {
    uint64_t number;
    bool is_call;
    uint32_t position;
    Refusal refusal;
  };
  // What a session needs that has something refused, or analysed elsewhere.
  struct Rare {
    std::deque<Pending> pending;
    Refusal answered;
    Refusal refusal;
    // Statements of the message at hand that were analysed elsewhere, and what came of it.
    std::map<std::string, Result<sql::Facts>, std::less<>> analysed;
    std::string instead;
    pg::ErrorFields fields;
  };
  Rare& rare() {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
  }
  std::string marker(uint64_t number) const;
  Verdict check(std::string_view statement, bool may_change);
  const policy::Decision* judge_read_only(std::string_view statement);

  std::shared_ptr<StatementJudge> judge_;
  std::unique_ptr<Rare> rare_;
  const policy::Decision* decision_ = nullptr;
  Rewriter from_client_;
  Rewriter from_server_;
  uint64_t refusals_ = 0;
  bool calls_named_ = false;
  char nonce_[nonce_bytes_max + 1] = {};
};

// Characters before the byte, and one: what PostgreSQL's Position counts.
uint32_t position_of(std::string_view text, size_t byte);

}  // namespace ringfence::proxy
