#include "ringfence/pg/session_names.h"

#include "ringfence/pg/server_name.h"

namespace ringfence::pg {

namespace {

// The object, its places in a table, and small texts that are not counted one by one.
template <typename T>
constexpr uint64_t kept_at_least = sizeof(T) + 128;

uint64_t kept_by(const StatementText& statement) {
  return statement.text.size() + statement.raw().size() + statement.sha256().size() +
         statement.unredacted().size();
}
// Does not change while it is kept, but for the types.
uint64_t kept_by(const Prepared& prepared) {
  uint64_t bytes = kept_at_least<Prepared> + prepared.name.size() + kept_by(prepared.statement);
  bytes += prepared.types.size() * sizeof prepared.types[0];
  if (const Prepared* inner = prepared.change.prepared.get()) {
    bytes += kept_at_least<Prepared> + inner->name.size() + kept_by(inner->statement);
  }
  return bytes;
}
uint64_t kept_by(const Portal& portal) {
  return kept_at_least<Portal> + portal.name.size() + portal.statement_name.size() +
         portal.parameters.size() + portal.secret_parameters.size();
}
}  // namespace

Ref<Prepared> SessionNames::statement(std::string_view name) const {
  if (name.empty()) return unnamed_statement_;
  return Ref<Prepared>(statements_.find(pools_.name_key, name));
}

Ref<Portal> SessionNames::portal(std::string_view name) const {
  if (name.empty()) return unnamed_portal_;
  return Ref<Portal>(portals_.find(pools_.name_key, name));
}

const Portal* SessionNames::find_portal(std::string_view name) const {
  if (name.empty()) return unnamed_portal_.get();
  return portals_.find(pools_.name_key, name);
}

void SessionNames::set_statement(const Ref<Prepared>& prepared) {
  if (prepared->name.empty()) {
    unnamed_statement_ = prepared;
    return;
  }
  if (is_unknown_name(prepared->name)) return;
  forget_statement(prepared->name);
  statements_.add(pools_.name_key, prepared);
  keep(*prepared);
}

void SessionNames::set_portal(const Ref<Portal>& portal) {
  if (portal->name.empty()) {
    unnamed_portal_ = portal;
    return;
  }
  if (is_unknown_name(portal->name)) return;
  forget_portal(portal->name);
  portals_.add(pools_.name_key, portal);
  kept_bytes_ += kept_by(*portal);
  if (portal->statement) keep(*portal->statement);
}

void SessionNames::forget_statement(std::string_view name) {
  if (name.empty()) {
    unnamed_statement_ = {};
    return;
  }
  if (Ref<Prepared> forgotten = statements_.take(pools_.name_key, name)) let_go(*forgotten);
}

void SessionNames::forget_portal(std::string_view name) {
  if (name.empty()) {
    unnamed_portal_ = {};
    return;
  }
  if (Ref<Portal> forgotten = portals_.take(pools_.name_key, name)) let_go(*forgotten);
}

void SessionNames::forget_portals() {
  unnamed_portal_ = {};
  forget_named_portals();
}

void SessionNames::forget_named_statements() {
  statements_.clear([this](Prepared& prepared) { let_go(prepared); });
}

void SessionNames::forget_named_portals() {
  portals_.clear([this](Portal& portal) { let_go(portal); });
}

void SessionNames::keep(Prepared& prepared) {
  if (prepared.keepers++ == 0) kept_bytes_ += kept_by(prepared);
}

void SessionNames::let_go(Prepared& prepared) {
  if (--prepared.keepers == 0) kept_bytes_ -= kept_by(prepared);
}

void SessionNames::let_go(Portal& portal) {
  kept_bytes_ -= kept_by(portal);
  if (portal.statement) let_go(*portal.statement);
}

void SessionNames::set_types(Prepared& prepared, ByteView oids) {
  if (prepared.keepers > 0) kept_bytes_ -= kept_by(prepared);
  prepared.types.clear();
  for (size_t i = 0; i + 4 <= oids.size(); i += 4)
    prepared.types.push_back(ringfence::detail::load_be<uint32_t>(oids.data() + i));
  if (prepared.keepers > 0) kept_bytes_ += kept_by(prepared);
}

void SessionNames::apply(const NameChange& change, uint64_t made_at) {
  switch (change.kind) {
    case NameChange::Kind::none: return;
    case NameChange::Kind::prepare:
      change.prepared->made_at = made_at;
      set_statement(change.prepared);
      return;
    case NameChange::Kind::deallocate: forget_statement(change.prepared->name); return;
    case NameChange::Kind::deallocate_all: forget_named_statements(); return;
    case NameChange::Kind::declare: {
      Ref<Portal> portal = pools_.portals.make();
      portal->name = change.prepared->name;
      portal->statement = change.prepared;
      portal->made_at = made_at;
      set_portal(portal);
      return;
    }
    case NameChange::Kind::close: forget_portal(change.prepared->name); return;
    case NameChange::Kind::close_all: forget_named_portals(); return;
    case NameChange::Kind::discard_all:
      forget_named_statements();
      forget_named_portals();
      return;
  }
}

}  // namespace ringfence::pg
