#include "ringfence/pg/session_names.h"

namespace ringfence::pg {

namespace {
uint64_t kept_by(const Prepared& prepared) {
  return prepared.name.size() + prepared.statement.text.size() + prepared.statement.raw.size() + sizeof(Prepared);
}
}  // namespace

Ref<Prepared> SessionNames::statement(std::string_view name) const {
  if (name.empty()) return unnamed_statement_;
  return Ref<Prepared>(statements_.find(name));
}

Ref<Portal> SessionNames::portal(std::string_view name) const {
  if (name.empty()) return unnamed_portal_;
  return Ref<Portal>(portals_.find(name));
}

const Portal* SessionNames::find_portal(std::string_view name) const {
  if (name.empty()) return unnamed_portal_.get();
  return portals_.find(name);
}

void SessionNames::set_statement(const Ref<Prepared>& prepared) {
  if (prepared->name.empty()) {
    unnamed_statement_ = prepared;
    return;
  }
  forget_statement(prepared->name);
  kept_bytes_ += kept_by(*prepared);
  statements_.add(prepared);
}

void SessionNames::set_portal(const Ref<Portal>& portal) {
  if (portal->name.empty()) {
    unnamed_portal_ = portal;
    return;
  }
  portals_.take(portal->name);
  portals_.add(portal);
}

void SessionNames::forget_statement(std::string_view name) {
  if (name.empty()) {
    unnamed_statement_ = {};
    return;
  }
  if (Ref<Prepared> forgotten = statements_.take(name)) kept_bytes_ -= kept_by(*forgotten);
}

void SessionNames::forget_portal(std::string_view name) {
  if (name.empty()) {
    unnamed_portal_ = {};
    return;
  }
  portals_.take(name);
}

void SessionNames::forget_portals() {
  unnamed_portal_ = {};
  portals_.clear();
}

void SessionNames::forget_named_statements() {
  statements_.clear();
  kept_bytes_ = 0;
}

void SessionNames::apply(const NameChange& change) {
  switch (change.kind) {
    case NameChange::Kind::none: return;
    case NameChange::Kind::prepare: set_statement(change.prepared); return;
    case NameChange::Kind::deallocate: forget_statement(change.prepared->name); return;
    case NameChange::Kind::deallocate_all: forget_named_statements(); return;
    case NameChange::Kind::declare: {
      Ref<Portal> portal = pools_.portals.make();
      portal->name = change.prepared->name;
      portal->statement = change.prepared;
      set_portal(portal);
      return;
    }
    case NameChange::Kind::close: forget_portal(change.prepared->name); return;
    case NameChange::Kind::close_all: portals_.clear(); return;
    case NameChange::Kind::discard_all:
      forget_named_statements();
      portals_.clear();
      return;
  }
}

}  // namespace ringfence::pg
