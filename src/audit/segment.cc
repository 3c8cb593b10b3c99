#include "audit/segment.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "ringfence/base/crc32c.h"

namespace ringfence::audit {
namespace {

constexpr char segment_magic[8] = {'R', 'F', 'J', 'R', 'N', 'L', '0', '1'};

struct RawSegment {
  char magic[8];
  uint32_t version;
  uint32_t crc;
  uint64_t segment_bytes;
  uint64_t segment_no;
  uint64_t first_seq;
  uint32_t producer;
  uint32_t epoch;
  uint32_t node_bytes;
  uint32_t zero;
  char node[node_bytes_max];
};
static_assert(sizeof(RawSegment) <= segment_header_bytes);

ByteView view(const void* p, size_t size) { return ByteView(static_cast<const char*>(p), size); }

// Over the header with its crc as zero, the body, and the position, which ties the record to this place.
uint32_t checksum(ByteView header, ByteView body, uint64_t position) {
  uint32_t crc = crc32c(body, crc32c(header));
  return crc32c(view(&position, sizeof position), crc);
}
uint32_t record_crc(RawRecord header, const char* body, uint64_t position) {
  header.crc = 0;
  return checksum(view(&header, sizeof header), ByteView(body, header.length), position);
}

}  // namespace

// In words, as the checksum reads them: what is written in smaller pieces and read back at once makes a
// processor wait.
void write_record_header(char* at, uint8_t kind, uint32_t length, uint32_t epoch, uint64_t seq,
                         uint64_t start_seq, uint64_t position) {
  static_assert(offsetof(RawRecord, kind) == 4 && offsetof(RawRecord, epoch) == 8 &&
                offsetof(RawRecord, crc) == 12 && offsetof(RawRecord, seq) == 16);
  std::array<uint64_t, 4> words = {length | uint64_t{kind} << 32, epoch, seq, start_seq};
  const uint64_t crc =
      checksum(view(words.data(), sizeof words), ByteView(at + record_header_bytes, length), position);
  words[1] |= crc << 32;
  std::memcpy(at, words.data(), sizeof words);
}

std::string encode_segment_header(const SegmentHeader& header) {
  RawSegment raw{};
  std::memcpy(raw.magic, segment_magic, sizeof segment_magic);
  raw.version = segment_version;
  raw.segment_bytes = header.segment_bytes;
  raw.segment_no = header.segment_no;
  raw.first_seq = header.first_seq;
  raw.producer = header.producer;
  raw.epoch = header.epoch;
  raw.node_bytes = static_cast<uint32_t>(std::min(header.node.size(), node_bytes_max));
  std::memcpy(raw.node, header.node.data(), raw.node_bytes);
  raw.crc = crc32c(view(&raw, sizeof raw));
  std::string out(segment_header_bytes, '\0');
  std::memcpy(out.data(), &raw, sizeof raw);
  return out;
}

Result<SegmentHeader> decode_segment_header(ByteView image) {
  if (image.size() < segment_header_bytes) return fail(Fault::malformed, "segment: shorter than its header");
  RawSegment raw;
  std::memcpy(&raw, image.data(), sizeof raw);
  if (std::memcmp(raw.magic, segment_magic, sizeof segment_magic) != 0)
    return fail(Fault::malformed, "segment: not a journal");
  uint32_t crc = raw.crc;
  raw.crc = 0;
  if (crc != crc32c(view(&raw, sizeof raw))) return fail(Fault::malformed, "segment: header checksum");
  if (raw.version != segment_version) {
    return fail(Fault::conflict, "segment: version " + std::to_string(raw.version) + " is not known here");
  }
  if (raw.segment_bytes < 4096 || raw.segment_bytes > (uint64_t{1} << 40) ||
      raw.node_bytes > node_bytes_max || raw.segment_no > UINT64_MAX / raw.segment_bytes - 2) {
    return fail(Fault::malformed, "segment: header values");
  }
  SegmentHeader out;
  out.segment_bytes = raw.segment_bytes;
  out.segment_no = raw.segment_no;
  out.first_seq = raw.first_seq;
  out.producer = raw.producer;
  out.epoch = raw.epoch;
  out.node.assign(raw.node, raw.node_bytes);
  return out;
}

std::string segment_file_name(uint32_t producer, uint64_t segment_no) {
  return std::to_string(producer) + "-" + std::to_string(segment_no) + ".seg";
}

RecordCheck check_record(ByteView image, const SegmentHeader& header, uint64_t offset, JournalRecord& out,
                         uint64_t& next_offset) {
  uint64_t end = std::min<uint64_t>(image.size(), header.segment_bytes);
  if (offset > end || header.segment_bytes - offset < record_header_bytes) {
    return offset <= header.segment_bytes ? RecordCheck::segment_end : RecordCheck::invalid;
  }
  if (end - offset < record_header_bytes) return RecordCheck::invalid;
  RawRecord raw;
  std::memcpy(&raw, image.data() + offset, sizeof raw);
  if (raw.epoch != header.epoch || raw.length > end - offset - record_header_bytes)
    return RecordCheck::invalid;
  const char* body = image.data() + offset + record_header_bytes;
  uint64_t position = header.segment_no * header.segment_bytes + offset;
  if (raw.crc != record_crc(raw, body, position)) return RecordCheck::invalid;
  if (raw.kind == kind_segment_end) return raw.length == 0 ? RecordCheck::segment_end : RecordCheck::invalid;
  if (raw.kind < 1 || raw.kind > 3 || raw.seq == 0) return RecordCheck::invalid;
  next_offset = offset + align8(record_header_bytes + raw.length);
  out.position = position;
  out.end_position = header.segment_no * header.segment_bytes + next_offset;
  out.seq = raw.seq;
  out.start_seq = raw.start_seq;
  out.kind = static_cast<RecordKind>(raw.kind);
  out.body = ByteView(body, raw.length);
  return RecordCheck::record;
}

}  // namespace ringfence::audit
