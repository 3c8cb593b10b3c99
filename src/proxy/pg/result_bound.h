// Which of the server's messages go on to a client whose grant has bounds: exact to a message. The rules are
// those of withheld_result.h.
#pragma once

#include <optional>
#include <string>

#include "ringfence/pg/frame.h"
#include "spending.h"

namespace ringfence::pg {
struct Completion;
}

namespace ringfence::proxy {

struct Exchange;
class Relay;
class WithheldResult;

class ResultBound {
 public:
  explicit ResultBound(Exchange& exchange) : x_(exchange) {}

  // Of each piece of a message: whether it is kept from the client. A message that goes beyond a bound begins
  // that. Asked again for the same piece it says the same.
  bool drops(const pg::FrameSegment& segment);
  // Rows that may follow in one go.
  Spending::Left left() const;
  // Rows that go on.
  void count(uint64_t rows, uint64_t bytes);
  // A whole message that is no row was taken. What goes on in its place: empty: itself; nothing: nothing.
  std::optional<std::string> pass(const pg::FrameSegment& segment, ByteView body, bool is_dropped);
  // A statement has ended.
  void note_end(const pg::Completion& completion);
  // After answers.
  void look(Relay& relay);
  // While a result is withheld; null otherwise.
  WithheldResult* withheld() const;

 private:
  bool begins(const pg::FrameSegment& segment);
  void spend(const pg::FrameSegment& segment, ByteView body, bool is_dropped);

  Exchange& x_;
};

}  // namespace ringfence::proxy
