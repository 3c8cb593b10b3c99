// What a restricted session sends is held until it is whole, judged, and passed or replaced: one message.
//
// What is refused is recorded here, and its stand-in pushed to the model of the server; what passes is
// recorded by StatementStarts.
#pragma once

#include "name_use.h"
#include "recorder.h"

namespace ringfence::proxy {

struct Exchange;

class Admission {
 public:
  explicit Admission(Exchange& exchange) : x_(exchange), names_(exchange) {}

  // Whether it is decided before it may go on; asked when its header is there.
  bool is_to_be_decided(const pg::FrameSegment& segment);
  // Decides a message that is to be decided. Refused: it has a replacement. False: it waits.
  bool admit(char type, ByteView body, uint32_t body_length);
  // A Query or Parse that passes, and of which statements go on with other texts (sql/read_only_form.h).
  // Their records have both.
  void change(char type, ByteView body);

 private:
  MessageJudge judge();
  bool may_hold_bind(const pg::FrameSegment& segment) const;
  bool admit_query(ByteView body, uint32_t body_length);
  bool admit_parse(ByteView body, uint32_t body_length);
  bool admit_execute(ByteView body);
  bool admit_bind(ByteView body, uint32_t body_length);
  bool admit_function_call(ByteView body, uint32_t body_length);
  bool passes();
  // So many statements are counted by the grant's budget. False: it waits. Where there is nothing left of it
  // the message is refused.
  bool pays(uint64_t statements);
  bool is_asked_for();
  bool is_portal_asked_for(pg::Portal& portal);
  void note_held_text(ByteView text, uint64_t full_bytes);
  void note_held_bind(const pg::Prepared& prepared, ByteView body);
  bool has_room_for_refused(size_t text_bytes, size_t statements);
  bool record_refused_query(ByteView text, uint64_t full_bytes);
  void record_refused(ByteView statement, uint64_t full_bytes, char type, const Refusal* refusal,
                      const MessagePart& place = {});
  bool refuse_by_parse(pg::Prepared* prepared, char type);

  Exchange& x_;
  NameUse names_;
};

}  // namespace ringfence::proxy
