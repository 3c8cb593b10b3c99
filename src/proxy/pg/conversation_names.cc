// The part of a conversation that knows which names may stand for something else than was seen
// (pg/name_doubt.h).
//
// An unrestricted session's record says so. A restricted one's next use of such a name is made certain first:
// before it the appliance drops the statement and prepares it again, out of the text and types that were
// decided. Where that cannot be done, and code has run that may have done anything, the use is refused. What
// always holds: nothing is sent as long as nothing has run that may have touched names.
#include <algorithm>

#include "conversation.h"
#include "message_text.h"
#include "ringfence/base/utf8.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/parse.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/plain.h"
#include "unseen.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;
namespace from_server = pg::from_server;
using pg::Unseen;

namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// By far the most texts, of which nothing has to be known where there is no name.
bool begins_with_select(ByteView text) {
  return text.size() >= 6 && sql::is_keyword(text.substr(0, 6), "select");
}

}  // namespace

// ---------------------------------------------------------------- what runs out of sight

Unseen Conversation::unseen_of(pg::Prepared& prepared) const {
  pg::CallTraits& traits = prepared.traits;
  if (!traits.is_unseen_known) {
    const pg::StatementText& text = prepared.statement;
    traits.unseen = text.is_truncated || !text.raw().empty() ? Unseen::code : unseen_by_words(text.text);
    traits.is_unseen_known = true;
  }
  return has_own_type(prepared.types) ? std::max(traits.unseen, Unseen::relation) : traits.unseen;
}

// Of what is bound or executed; null: nothing is known of it.
Unseen Conversation::unseen_now(pg::Prepared* prepared) const {
  if (prepared == nullptr) return gate_ ? Unseen::trigger : Unseen::code;
  if (!gate_ && !queue_.has_names() && begins_with_select(prepared->statement.text)) return Unseen::none;
  // What an EXECUTE runs may be another statement each time.
  return prepared->traits.runs_by_name ? std::max(unseen_of(*prepared), Unseen::relation)
                                       : unseen_of(*prepared);
}

Unseen Conversation::unseen_of_query(ByteView text, bool is_whole) const {
  if (!queue_.has_names() && begins_with_select(text)) return Unseen::none;
  return is_whole ? unseen_by_words(text) : Unseen::code;
}

// ---------------------------------------------------------------- a restricted session's use of a name

// Whether what is sent again would be read as it was, and be the same.
bool Conversation::can_renew(const pg::Prepared& prepared) const {
  const pg::StatementText& text = prepared.statement;
  if (!prepared.is_parsed || text.is_truncated || text.is_redacted || text.is_unknown || !text.raw().empty())
    return false;
  if (queue_.is_skipping() || queue_.is_in_copy()) return false;
  const pg::NameEncodings encodings = queue_.encodings();
  const bool is_same_encoding =
      encodings.is_sure && prepared.sent_in.is_known() && prepared.sent_in == encodings.client;
  if (!is_ascii(text.text) && !is_same_encoding) return false;
  if (!is_ascii(prepared.name) &&
      !(is_same_encoding && encodings.client == encodings.server && is_valid_text(prepared.name))) {
    return false;
  }
  return sql::is_plain(text.text) || (!is_in_group_ && queue_.is_idle() && can_cut());
}

// Before the message at hand. `is_alone`: behind it a group begins, or a Query.
void Conversation::renew(const pg::Ref<pg::Prepared>& prepared, bool is_alone) {
  std::string out;
  pg::append_close(out, 'S', prepared->name);
  const ByteView text =
      prepared->instead().empty() ? ByteView(prepared->statement.text) : prepared->instead();
  pg::append_parse(out, prepared->name, text, prepared->types);
  if (is_alone) pg::append_sync(out);
  gate_->from_client().insert(message_begin_, out);
  queue_.push_renewal(prepared, is_alone);
  show(prepared.get());
  has_renewed_ = true;
}

// A Bind that begins: whether it has to be whole for that. Where its names are there, they are settled here.
bool Conversation::is_name_to_be_settled(const pg::FrameSegment& segment) {
  if (!queue_.may_have_hidden_names(Unseen::trigger)) return false;
  auto names = pg::parse_bind_names(segment.piece);
  if (!names) return segment.body_length <= gated_bytes_max || queue_.may_have_hidden_names(Unseen::code);
  return !settle_bound_name(queue_.foreseen_statement(names->statement), names->statement);
}

bool Conversation::settle_bound_name(const pg::Ref<pg::Prepared>& prepared, std::string_view name) {
  if (name.empty() || queue_.is_skipping()) return true;
  if (!prepared) return !queue_.may_have_hidden_names(Unseen::code);
  const Unseen doubt = queue_.doubt_of(*prepared);
  if (doubt < Unseen::trigger) return true;
  if (can_renew(*prepared)) {
    renew(prepared, false);
    return true;
  }
  return doubt != Unseen::code;
}

std::optional<Refusal> Conversation::settle_portal(pg::Portal* portal, std::string_view name) {
  if (portal == nullptr) {
    const bool may_be_hidden =
        !name.empty() && queue_.may_have_hidden_names(Unseen::code) && !queue_.is_skipping();
    return may_be_hidden ? std::optional(Refusal::doubtful_name(true, name)) : std::nullopt;
  }
  if (queue_.doubt_of(*portal) == Unseen::code) return Refusal::doubtful_name(true, name);
  const pg::Prepared* prepared = portal->statement.get();
  const bool is_looked_up = prepared != nullptr && prepared->traits.runs_by_name;
  return is_looked_up && queue_.doubt_since(prepared->made_at) == Unseen::code
             ? std::optional(Refusal::doubtful_name(false, prepared->name))
             : std::nullopt;
}

// EXECUTE and FETCH in SQL.
UsedNames::Use Conversation::use(const sql::Facts& facts, const Judgement& so_far, Unseen unseen_before,
                                 bool is_behind_change) {
  const std::string& name = facts.executes;
  // The grammar's reader folds and cuts as a server in UTF8 does.
  const pg::NameEncodings encodings = queue_.encodings();
  const bool is_known_name =
      is_ascii(name) || (encodings.is_sure && encodings.client.is_utf8() && encodings.server.is_utf8());
  Unseen doubt =
      is_behind_change || !queue_.may_have_hidden_names(Unseen::code) ? Unseen::none : Unseen::code;
  Use out;
  out.unseen = is_behind_change ? so_far.inner_unseen : Unseen::trigger;
  if (facts.is_portal) {
    const pg::Ref<pg::Portal> portal = queue_.foreseen_portal(name);
    if (portal) out.prepared = portal->statement;
    if (portal && is_known_name) {
      doubt = queue_.doubt_of(*portal);
      if (portal->statement) out.unseen = unseen_of(*portal->statement);
      if (doubt == Unseen::none) out.fetched = portal;
    }
  } else {
    out.prepared = queue_.foreseen_statement(name);
    if (out.prepared && is_known_name) {
      doubt = queue_.doubt_of(*out.prepared);
      // By a Parse it may be DEALLOCATE or PREPARE as well.
      out.unseen = std::max(unseen_of(*out.prepared), Unseen::relation);
      if (doubt >= Unseen::trigger && unseen_before < Unseen::trigger && can_renew(*out.prepared)) {
        renew(out.prepared, !is_in_group_);
        doubt = Unseen::none;
      }
    }
  }
  out.is_doubtful = doubt == Unseen::code || unseen_before == Unseen::code;
  return out;
}

// ---------------------------------------------------------------- what the server answers to it

bool Conversation::hides(char type) {
  switch (type) {
    case from_server::close_complete:
    case from_server::parse_complete: return queue_.answers_renewal(false);
    case from_server::ready_for_query: return queue_.answers_renewal(true);
    case from_server::error_response: return queue_.hides_error();
    default: return false;
  }
}

bool Conversation::take_renewal_answer(char type, ByteView body) {
  switch (type) {
    case from_server::close_complete: queue_.close_complete(0); return true;
    case from_server::parse_complete: queue_.parse_complete(0); return true;
    case from_server::ready_for_query: {
      const auto status = pg::parse_ready_for_query(body);
      queue_.ready(status ? *status : queue_.transaction());
      return true;
    }
    case from_server::error_response: {
      const auto fields = pg::parse_error_fields(body);
      queue_.error(fields ? *fields : pg::ErrorFields{.sqlstate = "XX000"}, 0, now_.ns);
      show_error();
      return true;
    }
    default: return false;
  }
}

}  // namespace ringfence::proxy
