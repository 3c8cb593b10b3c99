// The client's messages that go on: each statement's start is recorded before its message may be sent, and
// the message is pushed to the model of the server.
#pragma once

#include "name_use.h"
#include "recorder.h"

namespace ringfence::proxy {

struct Exchange;

// What was judged of the message at hand, kept with what it prepares. `is_inner`: with what a PREPARE in it
// makes.
void take_judgement(pg::Prepared& prepared, const Exchange& x, std::string_view rule, bool is_inner);

class StatementStarts {
 public:
  explicit StatementStarts(Exchange& exchange) : x_(exchange), names_(exchange) {}

  // False: no room in the trail; a Query remembers how far it was.
  bool on_query(ByteView body, uint32_t body_length);
  void on_parse(ByteView body, uint32_t body_length);
  void on_bind(ByteView body, uint32_t body_length);
  bool on_execute(ByteView body, uint32_t body_length);
  bool on_function_call(ByteView body, uint32_t body_length);

  // Binds that nothing executes: what ends the group, or asks for its answers, has them recorded.
  bool settles_binds(char type) const;
  bool record_binds();
  void abandon_binds();

 private:
  Exchange& x_;
  NameUse names_;
};

}  // namespace ringfence::proxy
