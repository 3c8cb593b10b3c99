#include "warm_kind.h"

#include <array>

#include "ringfence/crypto/digest.h"
#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

Credential credential_of(const Target& target, std::optional<policy::Level> level) {
  return level ? target.credential_for(*level) : Credential{target.user, target.password};
}

std::string kind_of(const Target& target, const Credential& credential,
                    const std::vector<pg::StartupParameter>& parameters) {
  crypto::Sha256 digest;
  auto add = [&digest](std::string_view text) {
    // With its length, so that no two lists of texts run together to the same bytes.
    std::array<char, 8> length;
    ringfence::detail::store_be<uint64_t>(length.data(), text.size());
    digest.update(ByteView(length.data(), length.size()));
    digest.update(text);
  };
  auto add_number = [&add](uint64_t number) { add(std::to_string(number)); };
  add(target.name);
  add_number(target.hosts.size());
  for (const std::string& host : target.hosts) add(host);
  add_number(target.port);
  add(target.database);
  add(credential.user);
  add(credential.password.reveal());
  add_number(static_cast<uint64_t>(target.sslmode));
  add_number(static_cast<uint64_t>(target.channel_binding));
  add_number(reinterpret_cast<uintptr_t>(target.tls.get()));
  for (const pg::StartupParameter& parameter : parameters) {
    add(parameter.name);
    add(parameter.value);
  }
  return std::string(crypto::view_of(digest.finish()));
}

const Target* target_of(const Snapshot& snapshot, const WarmTicket& ticket) {
  const Target* target = snapshot.find_target(ticket.target);
  if (target == nullptr || !target->pool.is_on()) return nullptr;
  if (ticket.fits_generation == snapshot.generation) return target;
  if (kind_of(*target, credential_of(*target, ticket.level), ticket.parameters) != ticket.kind)
    return nullptr;
  ticket.fits_generation = snapshot.generation;
  return target;
}

uint64_t end_of(const WarmTicket& ticket) { return ticket.opened_ns + pool_lifetime_ms * 1'000'000; }

std::unique_ptr<WarmTicket> make_ticket(const Target& target, std::optional<policy::Level> level,
                                        std::vector<pg::StartupParameter> parameters, std::string kind,
                                        const ServerGreeting& greeting, uint64_t now_ns) {
  auto out = std::make_unique<WarmTicket>();
  out->target = target.name;
  out->level = level;
  out->parameters = std::move(parameters);
  out->kind = std::move(kind);
  out->tls = target.tls;
  out->settings = ReportedSettings(greeting.settings);
  out->opened_ns = now_ns;
  out->auth_method = greeting.auth_method;
  out->tls_version = greeting.tls_version;
  return out;
}

std::unique_ptr<ServerGreeting> greeting_of(const WarmTicket& ticket, std::string_view application_name) {
  auto out = std::make_unique<ServerGreeting>();
  out->settings = ticket.settings.now();
  for (auto& [name, value] : out->settings) {
    if (name == "application_name") value = application_name;
  }
  for (const auto& [name, value] : out->settings)
    pg::append_parameter_status(out->parameter_statuses, name, value);
  out->auth_method = ticket.auth_method;
  out->tls_version = ticket.tls_version;
  return out;
}

}  // namespace ringfence::proxy
