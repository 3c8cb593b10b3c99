#include "sync_group.h"

#include "exchange.h"
#include "message_text.h"
#include "ringfence/sql/lex.h"

namespace ringfence::proxy {

namespace {

namespace from_client = pg::from_client;

// Whether it belongs to a group that ends with Sync.
bool is_of_group(char type) {
  switch (type) {
    case from_client::parse:
    case from_client::bind:
    case from_client::describe:
    case from_client::close:
    case from_client::execute: return true;
    default: return false;
  }
}

}  // namespace

bool SyncGroup::must_know_names(const Exchange& x, char type) const {
  if (is_open_) return false;
  // The name of a statement that was refused stays with what had it: what runs by that name has to be
  // recorded.
  const bool is_doubtful = x.queue.may_have_hidden_names(pg::Unseen::trigger) && x.queue.named_may_change();
  if (x.generation == 0 && !x.may_hold() && !x.queue.has_refusal() && !is_doubtful) return false;
  const bool begins = is_of_group(type) || type == from_client::query || type == from_client::function_call;
  return begins && x.queue.names_may_change() && !x.queue.is_idle();
}

void SyncGroup::note(char type) {
  if (is_of_group(type)) is_open_ = true;
  else if (type == from_client::sync || type == from_client::query || type == from_client::function_call)
    is_open_ = false;
}

void SyncGroup::mark(Exchange& x, const pg::FrameSegment& segment) {
  switch (segment.type) {
    case from_client::query:
    case from_client::parse:
    case from_client::bind:
    case from_client::describe:
    case from_client::close:
    case from_client::execute:
    case from_client::function_call: break;
    default: return;
  }
  if (x.gate->from_client().is_marked()) return;
  x.gate->from_client().mark(segment.begin);
  unsent_from_ = x.queue.end_place();
}

void SyncGroup::settle(Exchange& x, char type, ByteView body) {
  bool goes_out = !x.may_hold();
  switch (type) {
    case from_client::parse:
    case from_client::bind:
    case from_client::describe:
    case from_client::close: break;
    case from_client::execute: {
      // COPY speaks before the Sync.
      auto portal = x.queue.foreseen_portal(text_of(body));
      if (!portal || !portal->statement) {
        goes_out = true;
        break;
      }
      sql::Lexer lexer(portal->statement->statement.text);
      const sql::Token verb = lexer.next();
      goes_out = goes_out || sql::is_keyword(lexer.text_of(verb), "copy");
      break;
    }
    default: goes_out = true;
  }
  const bool is_whole =
      type == from_client::sync || type == from_client::query || type == from_client::function_call;
  if (is_whole) is_partly_out_ = false;
  if (!goes_out) return;
  if (!is_whole) is_partly_out_ = true;
  x.gate->from_client().unmark();
  unsent_from_ = ~uint64_t{0};
}

}  // namespace ringfence::proxy
