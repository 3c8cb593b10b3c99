#include "name_use.h"

#include <algorithm>

#include "exchange.h"
#include "ringfence/base/utf8.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/parse.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/plain.h"
#include "unseen.h"

namespace ringfence::proxy {

using pg::Unseen;

namespace {

// By far the most texts, of which nothing has to be known where there is no name.
bool begins_with_select(ByteView text) {
  return text.size() >= 6 && sql::is_keyword(text.substr(0, 6), "select");
}

}  // namespace

// ---------------------------------------------------------------- what runs out of sight

Unseen NameUse::resolved(Unseen unseen) const { return x_.queue.resolved(unseen); }

Unseen NameUse::unseen_of(pg::Prepared& prepared) {
  pg::CallTraits& traits = prepared.traits;
  if (!traits.is_unseen_known) {
    const pg::StatementText& text = prepared.statement;
    traits.unseen = text.is_truncated || !text.raw().empty() ? Unseen::code : unseen_by_words(text.text);
    traits.is_unseen_known = true;
  }
  return has_own_type(prepared.types) ? std::max(traits.unseen, Unseen::relation) : traits.unseen;
}

// Of what is bound or executed; null: nothing is known of it.
Unseen NameUse::unseen_now(pg::Prepared* prepared) const {
  if (prepared == nullptr) return x_.gate ? Unseen::trigger : Unseen::code;
  if (!x_.gate && !x_.queue.has_names() && begins_with_select(prepared->statement.text)) return Unseen::none;
  // What an EXECUTE runs may be another statement each time.
  return prepared->traits.runs_by_name ? std::max(unseen_of(*prepared), Unseen::relation)
                                       : unseen_of(*prepared);
}

Unseen NameUse::unseen_of_query(ByteView text, bool is_whole) const {
  if (!x_.queue.has_names() && begins_with_select(text)) return Unseen::none;
  return is_whole ? unseen_by_words(text) : Unseen::code;
}

// ---------------------------------------------------------------- a restricted session's use of a name

// Whether what is sent again would be read as it was, and be the same.
bool NameUse::can_renew(const pg::Prepared& prepared) const {
  const pg::StatementText& text = prepared.statement;
  if (!prepared.is_parsed || text.is_truncated || text.is_redacted || text.is_unknown || !text.raw().empty())
    return false;
  if (x_.queue.is_skipping() || x_.queue.is_in_copy()) return false;
  const pg::NameEncodings encodings = x_.queue.encodings();
  const bool is_same_encoding =
      encodings.is_sure && prepared.sent_in.is_known() && prepared.sent_in == encodings.client;
  if (!is_ascii(text.text) && !is_same_encoding) return false;
  if (!is_ascii(prepared.name) &&
      !(is_same_encoding && encodings.client == encodings.server && is_valid_text(prepared.name))) {
    return false;
  }
  return sql::is_plain(text.text) || (!x_.group.is_open() && x_.queue.is_idle() && x_.reading.can_cut());
}

// Before the message at hand. `is_alone`: behind it a group begins, or a Query.
void NameUse::renew(const pg::Ref<pg::Prepared>& prepared, bool is_alone) {
  std::string out;
  pg::append_close(out, 'S', prepared->name);
  const ByteView text =
      prepared->instead().empty() ? ByteView(prepared->statement.text) : prepared->instead();
  pg::append_parse(out, prepared->name, text, prepared->types);
  if (is_alone) pg::append_sync(out);
  x_.gate->from_client().insert(x_.message.begin, out);
  x_.queue.push_renewal(prepared, is_alone);
  x_.watch.show(prepared.get());
  x_.has_renewed = true;
}

// A Bind that begins: whether it has to be whole for that. Where its names are there, they are settled here.
bool NameUse::is_to_be_settled(const pg::FrameSegment& segment) {
  if (!x_.queue.may_have_hidden_names(Unseen::trigger)) return false;
  auto names = pg::parse_bind_names(segment.piece);
  if (!names) return segment.body_length <= gated_bytes_max || x_.queue.may_have_hidden_names(Unseen::code);
  return !settle_bound(x_.queue.foreseen_statement(names->statement), names->statement);
}

bool NameUse::settle_bound(const pg::Ref<pg::Prepared>& prepared, std::string_view name) {
  if (name.empty() || x_.queue.is_skipping()) return true;
  if (!prepared) return !x_.queue.may_have_hidden_names(Unseen::code);
  const Unseen doubt = x_.queue.doubt_of(*prepared);
  if (doubt < Unseen::trigger) return true;
  if (can_renew(*prepared)) {
    renew(prepared, false);
    return true;
  }
  return doubt != Unseen::code;
}

std::optional<Refusal> NameUse::settle_portal(pg::Portal* portal, std::string_view name) const {
  if (portal == nullptr) {
    const bool may_be_hidden =
        !name.empty() && x_.queue.may_have_hidden_names(Unseen::code) && !x_.queue.is_skipping();
    return may_be_hidden ? std::optional(Refusal::doubtful_name(true, name)) : std::nullopt;
  }
  if (x_.queue.doubt_of(*portal) == Unseen::code) return Refusal::doubtful_name(true, name);
  const pg::Prepared* prepared = portal->statement.get();
  const bool is_looked_up = prepared != nullptr && prepared->traits.runs_by_name;
  return is_looked_up && x_.queue.doubt_since(prepared->made_at) == Unseen::code
             ? std::optional(Refusal::doubtful_name(false, prepared->name))
             : std::nullopt;
}

// EXECUTE and FETCH in SQL.
UsedNames::Use NameUse::use(const sql::Facts& facts, const Judgement& so_far, Unseen unseen_before,
                            bool is_behind_change) {
  const std::string& name = facts.executes;
  // The grammar's reader folds and cuts as a server in UTF8 does.
  const pg::NameEncodings encodings = x_.queue.encodings();
  const bool is_known_name =
      is_ascii(name) || (encodings.is_sure && encodings.client.is_utf8() && encodings.server.is_utf8());
  Unseen doubt =
      is_behind_change || !x_.queue.may_have_hidden_names(Unseen::code) ? Unseen::none : Unseen::code;
  Use out;
  out.unseen = is_behind_change ? so_far.inner_unseen : Unseen::trigger;
  if (facts.is_portal) {
    const pg::Ref<pg::Portal> portal = x_.queue.foreseen_portal(name);
    if (portal) out.prepared = portal->statement;
    if (portal && is_known_name) {
      doubt = x_.queue.doubt_of(*portal);
      if (portal->statement) out.unseen = unseen_of(*portal->statement);
      if (doubt == Unseen::none) out.fetched = portal;
    }
  } else {
    out.prepared = x_.queue.foreseen_statement(name);
    if (out.prepared && is_known_name) {
      doubt = x_.queue.doubt_of(*out.prepared);
      // By a Parse it may be DEALLOCATE or PREPARE as well.
      out.unseen = std::max(unseen_of(*out.prepared), Unseen::relation);
      if (doubt >= Unseen::trigger && unseen_before < Unseen::trigger && can_renew(*out.prepared)) {
        renew(out.prepared, !x_.group.is_open());
        doubt = Unseen::none;
      }
    }
  }
  out.is_doubtful = doubt == Unseen::code || unseen_before == Unseen::code;
  return out;
}

}  // namespace ringfence::proxy
