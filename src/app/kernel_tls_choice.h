// Whether the kernel may encrypt what TLS connections send, from what it has shown and what the configuration
// says.
#pragma once

#include <string>

#include "ringfence/app/config/config.h"
#include "ringfence/net/kernel_tls.h"

namespace ringfence::app {

struct KernelTlsChoice {
  net::KernelTls found;
  net::KernelTlsUse use;
  std::string sending;  // By whom and why, for the log.
};

KernelTlsChoice decide_kernel_tls(KernelTlsMode mode, net::KernelTls found);
// Tries the kernel first, unless it is off. Blocks.
KernelTlsChoice choose_kernel_tls(KernelTlsMode mode);

}  // namespace ringfence::app
