// The server's half of a conversation: cuts what comes into messages, applies them to the model of the
// server, and says what of them goes to the client.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "exchange.h"
#include "from_client.h"
#include "result_bound.h"
#include "ringfence/pg/frame.h"

namespace ringfence::proxy {

class FromServer {
 public:
  explicit FromServer(Exchange& exchange) : x_(exchange), cursor_(0x7fffffff) {}

  // As FromClient::advance().
  Advance advance(ByteView chunk, size_t& at, Now now);
  ByteView to_client(ByteView chunk) {
    Rewriter* rewriter = out();
    return rewriter != nullptr ? rewriter->finish() : chunk;
  }
  void move_chunk(ByteView chunk);
  uint32_t body_to_pass() const;
  void body_passed(uint32_t bytes) { cursor_.skip(bytes); }
  // Between two messages from the server: a message of ours may be put here.
  bool is_at_boundary() const {
    return cursor_.at_boundary() || (x_.withheld() != nullptr && !x_.withheld()->passes_open());
  }
  // What keeps results within the grant.
  ResultBound bound() const { return ResultBound(x_); }
  // A message from the server waits for room in the trail.
  bool waits() const { return rare_ && rare_->segment; }
  // How much of what comes next from the server ends a message of which a part was shown before.
  size_t bytes_of_open_message(ByteView chunk) const { return cursor_.open_message_bytes(chunk); }
  // The server's last word was FATAL: its error went to the client.
  bool said_fatal() const { return said_fatal_; }

  // Of a connection that has `reset_to` for its name at the login, and was called `name` for this session:
  // where RESET brings back the former, the client is shown the latter. From the beginning.
  void keep_name(std::string_view reset_to, std::string_view name);
  // The server has called it `reset_to` since.
  bool has_lost_name() const { return named_ && named_->is_lost; }
  void note_named() { named_->is_lost = false; }

 private:
  // What most messages have no need of.
  struct Rare {
    std::string capture;                      // The beginning of a message that comes in pieces.
    std::optional<pg::FrameSegment> segment;  // The one that waits for room.
    std::string replacement;                  // Goes on in place of the message at hand.
  };
  // See keep_name().
  struct Named {
    std::string reset_to;
    std::string name;
    std::string told;  // What the client takes it for.
    bool is_lost = false;
    bool is_hidden = false;  // The message at hand does not go on.
    Rewriter out;
  };
  Rare& rare() {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
  }
  // What of the server's bytes does not go on as it stands; null: all does.
  Rewriter* out() { return named_ ? &named_->out : x_.gate ? &x_.gate->from_server() : nullptr; }
  void hold_cut_header();
  void hold_piece(const pg::FrameSegment& segment, bool is_dropped);
  void keep_piece(const pg::FrameSegment& segment);
  void count_rows(ByteView chunk, size_t& at, const pg::FrameSegment& segment);
  void pass(const pg::FrameSegment& segment);
  // Answers to what the appliance asks.
  bool is_nobodys(char type) const;
  bool swallow(const pg::FrameSegment& segment);
  void take(const pg::FrameSegment& segment, ByteView body, bool is_dropped);
  void take_parameter(std::string_view name, std::string_view value);

  Exchange& x_;
  pg::FrameCursor cursor_;
  bool said_fatal_ = false;
  std::unique_ptr<Rare> rare_;
  std::unique_ptr<Named> named_;
};

}  // namespace ringfence::proxy
