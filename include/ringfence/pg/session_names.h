// What the names of a session stand for, as the server has confirmed them: prepared statements and portals.
// Changed by the server's answers only; the model of what is on its way (ResponseQueue) foresees on top of
// it.
#pragma once

#include <string_view>

#include "ringfence/pg/name_table.h"
#include "ringfence/pg/session_objects.h"

namespace ringfence::pg {

class SessionNames {
 public:
  explicit SessionNames(ObjectPools& pools) : pools_(pools) {}
  SessionNames(const SessionNames&) = delete;
  SessionNames& operator=(const SessionNames&) = delete;
  ObjectPools& pools() { return pools_; }

  // Empty, or null: not known; of an unknown name (server_name.h) nothing is, and it is kept by nobody.
  Ref<Prepared> statement(std::string_view name) const;
  Ref<Portal> portal(std::string_view name) const;
  const Portal* find_portal(std::string_view name) const;

  // By the object's own name, which it takes from whatever had it.
  void set_statement(const Ref<Prepared>& prepared);
  void set_portal(const Ref<Portal>& portal);
  void forget_statement(std::string_view name);
  void forget_portal(std::string_view name);
  // Portals end with their transaction.
  void forget_portals();
  // What an SQL statement that has succeeded did to them. `made_at`: its stamp, see Prepared.
  void apply(const NameChange& change, uint64_t made_at);
  bool has_names() const { return statements_.size() + portals_.size() > 0; }

  // The types of its parameters, as the server describes them: big-endian OIDs.
  void set_types(Prepared& prepared, ByteView oids);

  // What the names keep, about: texts, parameters and the objects themselves. What several names keep counts
  // once.
  uint64_t kept_bytes() const { return kept_bytes_; }

 private:
  void forget_named_statements();
  void forget_named_portals();
  void keep(Prepared& prepared);
  void let_go(Prepared& prepared);
  void let_go(Portal& portal);

  ObjectPools& pools_;
  // The unnamed ones, the most common, stand apart.
  Ref<Prepared> unnamed_statement_;
  Ref<Portal> unnamed_portal_;
  NameTable<Prepared> statements_;
  NameTable<Portal> portals_;
  uint64_t kept_bytes_ = 0;
};

}  // namespace ringfence::pg
