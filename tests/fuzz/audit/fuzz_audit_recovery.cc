// Any bytes as a segment: reading them neither crashes nor reads outside, and numbers only grow.
#include <cstdint>
#include <cstdlib>

#include "ringfence/audit/chain.h"
#include "ringfence/audit/journal.h"
#include "ringfence/audit/json.h"

using namespace ringfence;
using namespace ringfence::audit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView image(reinterpret_cast<const char*>(data), size);
  auto header = decode_segment_header(image);
  SegmentHeader made;
  // With a header of our own the fuzzer need not guess its checksum.
  made.segment_bytes = 1 << 20;
  made.epoch = 1;
  const SegmentHeader& used = header ? *header : made;
  JournalRecord record;
  for (uint64_t offset = 0; offset <= size;) {
    uint64_t next = offset + 8;
    if (check_record(image, used, offset, record, next) == RecordCheck::record) {
      if (next <= offset || record.body.data() < image.data() ||
          record.body.data() + record.body.size() > image.data() + image.size()) {
        std::abort();
      }
      FieldSet fields;
      (void)parse_fields(record.body, fields);
    }
    offset = next;
  }
  FieldSet fields;
  if (parse_fields(image, fields)) {
    std::string canonical(size_of(fields, fields.present), '\0');
    if (write_fields(canonical.data(), fields, fields.present) != canonical.data() + canonical.size())
      std::abort();
    FieldSet again;
    if (!parse_fields(canonical, again) || again.present != fields.present) std::abort();
  }
  if (is_canonical_json(image)) {
    auto same = canonicalise_json(image);
    if (!same || *same != image) std::abort();
  } else if (auto canonical = canonicalise_json(image)) {
    if (canonicalise_json(*canonical).value_or("") != *canonical) std::abort();
  }
  return 0;
}
