// The rest of a sync group that has failed: what of it the server skips, whether it was sent before the error
// came or after it. One path for both, so that the record does not depend on which of them was faster.
//
// Names stand for what the rest of the group would have made of them; where it says nothing of a name, the
// server's own names count, which do not change any more until the next Sync.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/pg/build.h"
#include "ringfence/pg/pending_messages.h"
#include "ringfence/pg/session_objects.h"

namespace ringfence::pg {

// What the names of one group keep. Of more it is not known any more what they stand for.
inline constexpr size_t skipped_names_max = 1'024;
inline constexpr size_t skipped_text_bytes_max = 8 << 20;

class SkippedGroup {
 public:
  // A message of the group that makes or drops a name, in the order in which they were sent; the one that
  // failed first.
  void note(const PendingMessage& message);
  // Nothing: the group does not say; empty: it drops the name, or too many were noted.
  std::optional<Ref<Prepared>> statement(std::string_view name) const;
  std::optional<Ref<Portal>> portal(std::string_view name) const;

  // What has failed, if it was a Parse or a Bind: the first Execute of it in this group fails with its error.
  void fail(Ref<Prepared> statement, Ref<Portal> portal) {
    failed_statement_ = std::move(statement);
    failed_portal_ = std::move(portal);
  }
  bool is_culprit(const Portal* portal) const;
  // Whether an Execute that is still to come may be the one.
  bool may_have_culprit() const {
    return failed_portal_ || (failed_statement_ && failed_statement_->refusal == 0);
  }
  // The text that the error is about; null: none.
  const StatementText* failed_text() const;

  // The error, kept until it is known what it belongs to. Nothing is kept: it was told, or belongs to an
  // Execute.
  void keep(const ErrorFields& fields);
  bool has_error() const { return has_error_; }
  // Of the Bind that failed; null: something else did.
  const Portal* failed_portal() const { return failed_portal_.get(); }
  ErrorFields error() const { return {.severity = severity_, .sqlstate = sqlstate_, .message = message_}; }
  void forget_error() { has_error_ = false; }

 private:
  struct Named {
    bool is_portal;
    bool is_closed;
    // Of a Close only the name counts.
    Ref<Prepared> statement;
    Ref<Portal> portal;
    std::string_view name() const { return is_portal ? portal->name : statement->name; }
  };
  const Named* find(bool is_portal, std::string_view name) const;

  std::vector<Named> names_;
  size_t text_bytes_ = 0;
  bool is_full_ = false;
  Ref<Prepared> failed_statement_;
  Ref<Portal> failed_portal_;
  bool has_error_ = false;
  std::string severity_;
  std::string sqlstate_;
  std::string message_;
};

}  // namespace ringfence::pg
