// Lets one of many equal events through to the log now and then.
#pragma once

#include <cstdint>
#include <optional>

namespace ringfence::proxy {

class LogPause {
 public:
  // How many were kept back since the last that went through; nothing: this one is kept back.
  std::optional<uint64_t> admit(uint64_t now_ns);

 private:
  uint64_t next_ns_ = 0;
  uint64_t kept_back_ = 0;
};

}  // namespace ringfence::proxy
