#include "audit/node_store.h"

#include "audit/acceptance.h"
#include "audit/start_check.h"
#include "ringfence/audit/trail.h"
#include "ringfence/store/connection.h"
#include "ringfence/store/migrate.h"

namespace ringfence::audit {

// 1380336975 is "RFNO": our advisory locks by node.
std::string node_lock(const std::string& parameter) {
  return "pg_try_advisory_lock(1380336975, hashtext(" + parameter + "))";
}

Error foreign_state(const std::string& node) {
  Error out;
  out.fault = Fault::denied;
  out.message =
      "another state directory writes as node '" + node +
      "' into this store: give this appliance a node name of its own (node in its configuration); or, if the "
      "other one is gone for good, let this one continue its trail: ringfence audit adopt --config FILE";
  return out;
}

Result<std::vector<Checkpoint>> prepare_store(const std::string& owner_dsn, const StoreClaim& claim) {
  auto owner = store::Connection::open(owner_dsn, "ringfence setup");
  if (!owner) return unexpected(std::move(owner.error()));
  if (auto migrated = store::migrate(**owner); !migrated) return unexpected(std::move(migrated.error()));
  auto rows = (*owner)->exec_params(
      "SELECT shard, position, next_seq, told, state_id FROM ringfence.audit_checkpoint WHERE node = $1",
      {claim.node});
  if (!rows) return unexpected(std::move(rows.error()));
  std::vector<Checkpoint> out;
  for (int i = 0; i < rows->size(); ++i) {
    if (!rows->is_null(i, 4) && rows->get(i, 4) != to_string(claim.state_id) && !claim.takes_over) {
      return unexpected(foreign_state(claim.node));
    }
    out.push_back({static_cast<uint32_t>(rows->integer(i, 0)), static_cast<uint64_t>(rows->integer(i, 1)),
                   static_cast<uint64_t>(rows->integer(i, 2)), static_cast<uint64_t>(rows->integer(i, 3))});
  }
  if (auto done = check_store(**owner, claim); !done) return unexpected(std::move(done.error()));
  auto known = (*owner)->exec_params(
      "INSERT INTO ringfence.audit_node (node, key_id, public_key) VALUES ($1, $2, $3::bytea) ON CONFLICT DO "
      "NOTHING",
      {claim.node, key_id_of(claim.public_key), store::Param::bytes(claim.public_key)});
  if (!known) return unexpected(std::move(known.error()));
  return out;
}

Result<void> adopt_node(const std::string& owner_dsn, const std::string& node,
                        const std::string& state_directory) {
  auto state_id = read_state_id(state_directory);
  if (!state_id) return unexpected(std::move(state_id.error()));
  auto owner = store::Connection::open(owner_dsn, "ringfence audit adopt");
  if (!owner) return unexpected(std::move(owner.error()));
  // Held until this connection ends.
  auto free = (*owner)->exec_params("SELECT " + node_lock("$1"), {node});
  if (!free) return unexpected(std::move(free.error()));
  if (free->get(0, 0) != "t") {
    return fail(Fault::conflict, "an appliance is writing as node '" + node + "' right now: stop it first");
  }
  if (auto migrated = store::migrate(**owner); !migrated) return unexpected(std::move(migrated.error()));
  auto rows = (*owner)->exec_params(
      "UPDATE ringfence.audit_checkpoint SET state_id = $2::uuid WHERE node = $1 AND shard = $3::int",
      {node, to_string(*state_id), std::to_string(writer_shard)});
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->affected() != 1) return fail(Fault::not_found, "the store knows no node '" + node + "'");
  auto code = store_code(**owner, node);
  if (!code) return unexpected(std::move(code.error()));
  return accept_store(state_directory, *code);
}

Result<void> accept_store(const std::string& state_directory, const std::string& code) {
  if (code.size() != 12 || code.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return fail(Fault::malformed, "the code is the 12 hexadecimal digits that the refused start named");
  }
  Acceptance acceptance;
  acceptance.code = code;
  return keep_acceptance(state_directory, acceptance);
}

}  // namespace ringfence::audit
