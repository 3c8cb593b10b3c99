// What is asked about privileges on a target's server.
#pragma once

#include <cstdint>
#include <string>

namespace ringfence::control {

struct PrivilegeQuestion {
  enum class Kind : uint8_t {
    role,      // What a role of the server may do.
    object,    // Who may do what with a table, view, sequence, function, schema or database.
    analysis,  // What of a role's privileges nobody uses, and which ones are dangerous.
    validity,  // Whether a role has a privilege on a table.
  };
  Kind kind = Kind::role;
  std::string name;       // Of the role, or of the object: "orders", "public.orders".
  std::string object;     // Of a validity question.
  std::string privilege;  // Likewise: "SELECT".
};

}  // namespace ringfence::control
