// The bytes of a segment file: what stands in a record's header, and its checksum.
#pragma once

#include <bit>

#include "ringfence/audit/journal.h"

namespace ringfence::audit {

inline constexpr uint8_t kind_segment_end = 255;

// The record header as it lies in the file. All supported machines are little-endian.
struct RawRecord {
  uint32_t length;
  uint8_t kind;
  uint8_t zero[3];
  uint32_t epoch;
  uint32_t crc;
  uint64_t seq;
  uint64_t start_seq;
};
static_assert(sizeof(RawRecord) == record_header_bytes);
static_assert(std::endian::native == std::endian::little);

constexpr uint64_t align8(uint64_t n) { return (n + 7) & ~uint64_t{7}; }

void write_record_header(char* at, uint8_t kind, uint32_t length, uint32_t epoch, uint64_t seq,
                         uint64_t start_seq, uint64_t position);

}  // namespace ringfence::audit
