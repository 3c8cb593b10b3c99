// The start records of one Query's statements. A Query of many may find no room in the middle: what has
// started is pushed to the model, and the rest follows when it is tried again.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "name_use.h"
#include "recorder.h"

namespace ringfence::proxy {

class QueryStarts {
 public:
  QueryStarts(Exchange& exchange, NameUse& names, ByteView body, uint32_t body_length);

  // False: no room in the trail.
  bool run();

 private:
  // What one record has.
  struct Part {
    size_t begin;
    size_t end;
    uint64_t length;  // As sent: of a long text the end is not seen.
    bool is_last;
    bool is_of_many;  // The message has more text than this.
    bool is_uncut;    // More statements may stand in it.
  };
  Part part_of(size_t from, const std::optional<sql::Extent>& extent, bool has_following) const;
  bool start(const Part& part);
  bool record(const Part& part, const Decided& decided, pg::StatementNumber& number);
  bool record_message();
  void note_names(const Part& part, std::string_view rule);
  void push(bool continues);
  void finish();

  Exchange& x_;
  NameUse& names_;
  const ByteView text_;
  const uint64_t full_bytes_;
  const uint32_t body_length_;
  pg::Unseen unseen_;
  // Those that have started and are not pushed.
  pg::StatementNumber first_ = 0;
  uint32_t count_ = 0;
  bool is_redacted_ = false;
  bool is_uncut_ = false;
  std::vector<std::pair<uint32_t, pg::NameChange>> changes_;
};

}  // namespace ringfence::proxy
