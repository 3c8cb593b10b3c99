// Decides a message of a restricted session: the one way from a text to a Judgement, for sessions, for what
// explains, and for tests. It sends nothing and records nothing.
#pragma once

#include "call_guard.h"
#include "judgement.h"
#include "statement_check.h"

namespace ringfence::proxy {

// What a session knows of the names that its messages use.
class UsedNames {
 public:
  // What an EXECUTE or FETCH of SQL comes to.
  struct Use {
    pg::Ref<pg::Prepared> prepared;  // Null: not known.
    pg::Ref<pg::Portal> fetched;     // A cursor that is known to be the one that was seen.
    pg::Unseen unseen{};             // What it may run out of sight.
    bool is_doubtful = false;        // It may stand for something else, and is not to be used.
  };
  // `so_far`: of the message up to that statement; `unseen_before`: what its statements before it may run;
  // `is_behind_change`: one of them makes or drops a name.
  virtual Use use(const sql::Facts& facts, const Judgement& so_far, pg::Unseen unseen_before,
                  bool is_behind_change) = 0;
  // See pg::ResponseQueue.
  virtual pg::Unseen resolved(pg::Unseen unseen) const = 0;

 protected:
  ~UsedNames() = default;
};

// Of a session that has sent nothing yet.
class NoNames final : public UsedNames {
 public:
  Use use(const sql::Facts& facts, const Judgement& so_far, pg::Unseen unseen_before,
          bool is_behind_change) override;
  pg::Unseen resolved(pg::Unseen unseen) const override {
    return unseen == pg::Unseen::ends ? pg::Unseen::none : unseen;
  }
};

// What else of a session bears on a decision.
struct Circumstances {
  uint32_t generation = 0;        // Of the policies: how often they have changed.
  bool is_read_as_utf8 = true;    // Else the server may read the same bytes as another name.
  bool is_text_doubtful = false;  // It cannot be cut into statements for certain.
  CallGuard guard = {};           // What was sent before in the same group.
};

class MessageJudge {
 public:
  MessageJudge(StatementCheck& check, UsedNames& names, const Circumstances& circumstances, Judgement& out)
      : check_(check), names_(names), in_(circumstances), out_(out) {}

  // A Query message's text, and its body's length.
  void judge_query(ByteView text, uint32_t body_length);
  // A Query that is refused before it is judged; `begin`: of the statement that it is about.
  void refuse_query(ByteView text, const Refusal& why, uint32_t begin);
  // The text of a Parse. What is prepared is held when it is bound.
  void judge_parse(ByteView text, uint32_t body_length);
  // What a name stands for, when it is bound where statements may be held.
  Verdict judge_bound(pg::Prepared& prepared);
  // What was prepared under other policies than those in force now.
  Verdict judge_again(pg::Prepared& prepared);
  // What running the text will need, kept with its name. `is_inner`: it is what the text, a PREPARE, makes.
  void note_holds(pg::Prepared& prepared, ByteView text, bool is_inner);
  void wish_hold(const pg::Prepared& prepared) {
    if (const auto* hold = prepared.hold()) out_.wish_hold(hold->ms, hold->rule);
  }
  // Whether the session is to stay read-only although functions may be called that are not known to be
  // harmless.
  bool is_watched() const { return is_watched(check_.access()); }
  static bool is_watched(const policy::Access& access) {
    return access.level == policy::Level::read && access.admits_by_name;
  }

 private:
  bool may_hold() const { return check_.access().has_hold; }
  bool has_too_many(ByteView text) const;
  Verdict judge_text(ByteView statement, bool may_change);
  Verdict judge(ByteView statement, bool is_kept, Judgement::Statement* noted);
  Verdict judge_use(const sql::Facts& facts, bool is_kept, pg::Unseen unseen_before, bool is_behind_change);
  void note_unseen(ByteView statement, const sql::Facts* facts);

  StatementCheck& check_;
  UsedNames& names_;
  Circumstances in_;
  Judgement& out_;
};

// The decision on a Query message, by whoever asks for one. Verdict::unknown: analyse `out.unanalysed()`,
// give what comes of it to check.analysed(), and ask again.
inline void judge_message(StatementCheck& check, UsedNames& names, const Circumstances& circumstances,
                          ByteView text, Judgement& out) {
  MessageJudge(check, names, circumstances, out).judge_query(text, static_cast<uint32_t>(text.size() + 1));
}

// Whether the server takes the bytes for those of UTF-8, by which statements are judged. A server without an
// encoding compares bytes, as rules do.
bool is_read_as_utf8(pg::Encoding client, pg::Encoding server);

}  // namespace ringfence::proxy
