#include "store_targets.h"

#include "app/config/tls_files.h"
#include "ringfence/base/log.h"

namespace ringfence::app {

namespace {

bool is_target_of_configuration(const proxy::Snapshot& in, const std::string& name) {
  const proxy::Target* postgres = in.find_target(name);
  const proxy::TcpTarget* tcp = in.find_tcp_target(name);
  return (postgres != nullptr && postgres->id.is_nil()) || (tcp != nullptr && tcp->id.is_nil());
}

proxy::TcpTarget tcp_target_of(const control::TargetFacts& target, const proxy::Snapshot* before) {
  proxy::TcpTarget out{target.tcp, target.id, target.groups};
  const proxy::TcpTarget* known = before != nullptr ? before->find_tcp_target(out.name) : nullptr;
  if (known != nullptr) out.sessions = known->sessions;
  return out;
}

// Nothing: its TLS cannot be had.
std::optional<proxy::Target> pg_target_of(const control::TargetFacts& target, const proxy::Snapshot* before,
                                          const net::KernelTlsUse& kernel) {
  proxy::Target out{target.postgres, target.id, target.version, target.groups};
  const proxy::Target* known = before != nullptr ? before->find_target(out.name) : nullptr;
  if (known != nullptr) {
    out.sessions = known->sessions;
    out.warm = known->warm;
    out.leaving = known->leaving;
  }
  if (out.sslmode == model::SslMode::disable) return out;
  if (known != nullptr && known->id == out.id && known->version == out.version) {
    out.tls = known->tls;
    return out;
  }
  auto made = load_client_tls(out.tls_files, out.sslmode, kernel);
  if (!made) {
    log_error("a target of the store is left out", {{"target", out.name}, {"reason", made.error().message}});
    return std::nullopt;
  }
  out.tls = std::move(*made);
  return out;
}

}  // namespace

void drop_store_target(proxy::Snapshot& from, const std::string& name) {
  if (is_target_of_configuration(from, name)) return;
  from.targets.erase(name);
  from.tcp_targets.erase(name);
}

void put_store_target(proxy::Snapshot& to, const control::TargetFacts& target, const proxy::Snapshot* before,
                      const net::KernelTlsUse& kernel) {
  const std::string& name = target.is_tcp ? target.tcp.name : target.postgres.name;
  if (is_target_of_configuration(to, name)) return;
  drop_store_target(to, name);  // One of the other type may have had the name.
  if (target.is_tcp) to.tcp_targets.set(name, tcp_target_of(target, before));
  else if (auto made = pg_target_of(target, before, kernel)) to.targets.set(name, std::move(*made));
}

}  // namespace ringfence::app
