#include "kernel_tls_choice.h"

#include <cstdio>

namespace ringfence::app {

KernelTlsChoice decide_kernel_tls(KernelTlsMode mode, net::KernelTls found) {
  KernelTlsChoice out;
  out.found = std::move(found);
  char cost[48];
  std::snprintf(cost, sizeof cost, "%.2f times this process's CPU time", out.found.cost);
  bool is_always = mode == KernelTlsMode::always;
  if (mode == KernelTlsMode::off) {
    out.sending = "by this process: tls.kernel is off";
  } else if (out.found.suites == 0) {
    out.sending = "by this process: " + out.found.reason;
  } else if (!is_always && (out.found.cost <= 0 || out.found.cost > 1)) {
    out.sending = std::string("by this process: the kernel takes ") + cost + " for a stream";
  } else {
    out.use = {out.found.suites, is_always};
    out.sending = std::string(is_always ? "by the kernel" : "by the kernel for streams") + ", at " + cost;
    if (!out.found.reason.empty()) out.sending += "; not for all suites: " + out.found.reason;
  }
  return out;
}

KernelTlsChoice choose_kernel_tls(KernelTlsMode mode) {
  return decide_kernel_tls(mode, mode == KernelTlsMode::off ? net::KernelTls{} : net::try_kernel_tls());
}

}  // namespace ringfence::app
