#include "message_reader.h"

#include "ringfence/pg/frame.h"

namespace ringfence::proxy {

ring::Task<Result<Message>> read_message(net::Gather& in, uint32_t body_bytes_max) {
  auto header = in.at_least(pg::frame_header_size);
  Result<void> has_header = co_await header;
  if (!has_header) co_return unexpected(std::move(has_header).error());
  Reader reader(in.bytes());
  Message message;
  message.type = static_cast<char>(reader.u8());
  uint32_t length = reader.u32();
  if (length < 4 || length - 4 > body_bytes_max) {
    co_return fail(Fault::limit, "a message of " + std::to_string(length) + " bytes while logging in");
  }
  auto whole = in.at_least(size_t{length} + 1);
  Result<void> has_all = co_await whole;
  if (!has_all) co_return unexpected(std::move(has_all).error());
  message.body = in.bytes().substr(pg::frame_header_size, length - 4);
  in.consume(size_t{length} + 1);
  co_return std::move(message);
}

void append_message(std::string& out, const Message& message) {
  auto header = pg::frame_header(message.type, static_cast<uint32_t>(message.body.size()));
  out.append(header.data(), header.size());
  out.append(message.body);
}

}  // namespace ringfence::proxy
