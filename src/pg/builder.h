// Appends one typed message to a string; the length is filled in when the builder goes out of scope.
#pragma once

#include <string>

#include "ringfence/base/bytes.h"

namespace ringfence::pg {

class MessageBuilder : public Writer {
 public:
  MessageBuilder(std::string& out, char type) : Writer(out), target_(out), start_(out.size()) {
    target_.push_back(type);
    target_.append(4, '\0');
  }
  ~MessageBuilder() {
    detail::store_be<uint32_t>(target_.data() + start_ + 1,
                               static_cast<uint32_t>(target_.size() - start_ - 1));
  }
  MessageBuilder(const MessageBuilder&) = delete;
  MessageBuilder& operator=(const MessageBuilder&) = delete;

 private:
  std::string& target_;
  size_t start_;
};

}  // namespace ringfence::pg
