#include "kernel_tls_choice.h"

#include <doctest/doctest.h>

using namespace ringfence;
using namespace ringfence::app;

namespace {
net::KernelTls found(uint8_t suites, double cost, std::string reason = {}) {
  net::KernelTls out;
  out.suites = suites;
  out.cost = cost;
  out.reason = std::move(reason);
  return out;
}
}  // namespace

TEST_CASE("the kernel encrypts streams where it is sound and no dearer, and the log says so") {
  KernelTlsChoice choice = decide_kernel_tls(KernelTlsMode::streams, found(7, 0.8));
  CHECK(choice.use.suites == 7);
  CHECK_FALSE(choice.use.at_once);
  CHECK(choice.sending == "by the kernel for streams, at 0.80 times this process's CPU time");
  choice = decide_kernel_tls(KernelTlsMode::streams, found(3, 1, "sending by the kernel fails"));
  CHECK(choice.use.suites == 3);
  CHECK(choice.sending.ends_with("; not for all suites: sending by the kernel fails"));
}

TEST_CASE("a kernel that is dearer, or whose cost is not known, is used only where that is asked for") {
  for (double cost : {1.3, 0.0}) {
    CAPTURE(cost);
    KernelTlsChoice choice = decide_kernel_tls(KernelTlsMode::streams, found(7, cost));
    CHECK(choice.use.suites == 0);
    CHECK(choice.sending.starts_with("by this process: the kernel takes "));
    choice = decide_kernel_tls(KernelTlsMode::always, found(7, cost));
    CHECK(choice.use.suites == 7);
    CHECK(choice.use.at_once);
    CHECK(choice.sending.starts_with("by the kernel, at "));
  }
}

TEST_CASE("a kernel that is not sound, or is not to be used, is not used") {
  for (KernelTlsMode mode : {KernelTlsMode::streams, KernelTlsMode::always}) {
    KernelTlsChoice choice = decide_kernel_tls(mode, found(0, 0, "the kernel has no module tls"));
    CHECK(choice.use.suites == 0);
    CHECK(choice.sending == "by this process: the kernel has no module tls");
  }
  KernelTlsChoice choice = choose_kernel_tls(KernelTlsMode::off);
  CHECK(choice.use.suites == 0);
  CHECK(choice.found.cost == 0);
  CHECK(choice.sending == "by this process: tls.kernel is off");
}
