#include "ringfence/pg/session_names.h"

namespace ringfence::pg {

namespace {
uint64_t kept_by(const Prepared& prepared) {
  return prepared.name.size() + prepared.statement.text.size() + prepared.statement.raw.size() + sizeof(Prepared);
}
}  // namespace

Ref<Prepared> SessionNames::statement(std::string_view name) const {
  if (name.empty()) return unnamed_statement_;
  auto found = statements_.find(name);
  return found == statements_.end() ? Ref<Prepared>() : found->second;
}

Ref<Portal> SessionNames::portal(std::string_view name) const {
  if (name.empty()) return unnamed_portal_;
  auto found = portals_.find(name);
  return found == portals_.end() ? Ref<Portal>() : found->second;
}

const Portal* SessionNames::find_portal(std::string_view name) const {
  if (name.empty()) return unnamed_portal_.get();
  auto found = portals_.find(name);
  return found == portals_.end() ? nullptr : found->second.get();
}

void SessionNames::set_statement(const Ref<Prepared>& prepared) {
  if (prepared->name.empty()) {
    unnamed_statement_ = prepared;
    return;
  }
  forget_statement(prepared->name);
  kept_bytes_ += kept_by(*prepared);
  statements_.emplace(prepared->name, prepared);
}

void SessionNames::set_portal(const Ref<Portal>& portal) {
  if (portal->name.empty()) unnamed_portal_ = portal;
  else portals_.insert_or_assign(portal->name, portal);
}

void SessionNames::forget_statement(std::string_view name) {
  if (name.empty()) {
    unnamed_statement_ = {};
    return;
  }
  auto found = statements_.find(name);
  if (found == statements_.end()) return;
  kept_bytes_ -= kept_by(*found->second);
  statements_.erase(found);
}

void SessionNames::forget_portal(std::string_view name) {
  if (name.empty()) {
    unnamed_portal_ = {};
    return;
  }
  if (auto found = portals_.find(name); found != portals_.end()) portals_.erase(found);
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
