// What is decided of one message of a restricted session: a value, that whoever asks gets from
// message_judge.h. It says what passes and by which rules, what is refused and why, and what has to wait for
// somebody's word.
//
// It is made to be used again: start() keeps the room of its list, so that a stream of messages allocates
// nothing. What it refers to: `rule` lives as long as the policies by which it was judged; `Change::sent`
// lives as long as the text that was judged.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "refusal.h"
#include "ringfence/base/bytes.h"
#include "ringfence/pg/session_objects.h"
#include "ringfence/sql/split.h"

namespace ringfence::proxy {

enum class Verdict : uint8_t {
  pass,
  refused,
  unknown,  // A thread made for it has to analyse a text first.
};

struct Judgement {
  struct Statement {
    sql::Extent extent;     // In the message's text.
    std::string_view rule;  // What let it pass by itself, as far as it was judged.
  };
  // Somebody has to be asked, once for the whole message.
  struct Hold {
    uint64_t ms;  // The shortest of the times that the rules give.
    std::string rule;
  };
  // A statement that goes on with another text of the same length.
  struct Change {
    size_t statement;  // Its number in the message.
    ByteView sent;
    std::string instead;
  };

  Verdict verdict = Verdict::pass;
  bool has_too_many = false;   // Refused for the number of its statements, of which none was judged.
  bool changes_names = false;  // A statement makes or drops a name.
  pg::Unseen inner_unseen{};   // Of what the message runs and prepares.
  pg::CallTraits traits;       // Of what it runs.
  // Where the statement stands that is refused, or not known; else the first that is held. What is judged is
  // shorter than gated_bytes_max.
  uint32_t begin = 0;
  std::vector<Statement> statements;  // Of a Query: all of them, unless it is refused for its size.
  pg::Ref<pg::Portal> fetched;        // What it fetches from.
  // What most messages have no need of.
  struct Rare {
    std::optional<Refusal> refusal;
    std::optional<Hold> hold;
    std::vector<Change> changes;
    std::string unanalysed;
  };
  std::unique_ptr<Rare> own;

  // Of Verdict::refused.
  const Refusal& refusal() const { return *own->refusal; }
  Refusal& refusal() { return *own->refusal; }
  // Of Verdict::unknown: the text.
  const std::string& unanalysed() const { return own->unanalysed; }
  // Null: nobody has to be asked.
  const Hold* hold() const { return own && own->hold ? &*own->hold : nullptr; }
  bool has_changes() const { return own && !own->changes.empty(); }

  // Nothing is known yet of the message at hand.
  void start();
  Verdict refuse(Refusal why) {
    rare().refusal = std::move(why);
    return verdict = Verdict::refused;
  }
  std::string_view rule_of(size_t statement) const {
    return statement < statements.size() ? statements[statement].rule : std::string_view();
  }
  // What goes on in place of that statement; empty: its text.
  std::string_view instead_of(size_t statement) const {
    if (!own) return {};
    for (const Change& change : own->changes)
      if (change.statement == statement) return change.instead;
    return {};
  }
  void wish_hold(uint64_t ms, std::string_view rule);
  Rare& rare() {
    if (!own) own = std::make_unique<Rare>();
    return *own;
  }
};

}  // namespace ringfence::proxy
