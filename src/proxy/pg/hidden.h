// The texts of one record in which something was redacted, as they were: what is sealed beside it.
#pragma once

#include "ringfence/audit/sealing.h"
#include "ringfence/pg/session_objects.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

class Hidden {
 public:
  // What a record takes for it beside the texts themselves.
  static constexpr size_t record_bytes_max = audit::sealed_overhead + audit::digests_bytes_max + 256;

  // Nothing where the text is shown as it was.
  void add(const pg::StatementText& statement, ByteView secret_parameters = {});
  void add(audit::Tag field, ByteView text);
  // Fields as append_field encodes them.
  void add_encoded(ByteView fields);
  bool is_empty() const { return texts_.is_empty(); }
  const audit::ClearTexts& texts() const { return texts_; }

 private:
  audit::ClearTexts texts_;
};

}  // namespace ringfence::proxy
