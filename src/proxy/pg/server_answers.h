// The server's messages, whole or by their beginnings, applied to the model of the server: one at a time.
#pragma once

#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/pg/parse.h"

namespace ringfence::proxy {

struct Exchange;

// Whether what the server says of rows in its errors is kept from the client.
bool hides_columns(const Exchange& x);

class ServerAnswers {
 public:
  explicit ServerAnswers(Exchange& exchange) : x_(exchange) {}

  // Any but ParameterStatus, which is the connection's.
  void take(char type, ByteView body, uint32_t body_length);
  // To what renews a name. False: it does not fit.
  bool take_renewal_answer(char type, ByteView body);

  std::string replacement;  // Goes to the client in its place; empty: it goes on.
  bool said_fatal = false;
  bool is_dropped = false;  // The message at hand does not go to the client.

 private:
  void take_error(ByteView body, uint32_t body_length);
  void append_refusal(const pg::ErrorFields& fields);

  Exchange& x_;
};

}  // namespace ringfence::proxy
