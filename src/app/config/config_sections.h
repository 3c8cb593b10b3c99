// The configuration's sections, each read into values: what is written there and cannot be read is told, what
// the values themselves show is left to the model.
#pragma once

#include <string>
#include <vector>

#include "config_places.h"
#include "config_reader.h"

namespace ringfence::app {

void read_audit(Section& root, AuditConfig& audit);
void read_store(Section& root, StoreConfig& store);
// A form that is none leaves `form` as it is.
void read_name_form(Section& section, model::NameForm& form);

// Listeners have the appliance's certificate where they name none.
void read_listeners(Section& root, Config& config);
void read_targets(Section& root, Config& config);

// A password that becomes a verifier once all else is well: that costs milliseconds.
struct AwaitedVerifier {
  size_t user = 0;  // Its place in the configuration.
  Secret password;
  Origin where;
};
std::vector<AwaitedVerifier> read_users(Section& root, std::vector<model::User>& users);

// What the values show, each by itself and all together.
void check_model(const Config& config, const std::vector<AwaitedVerifier>& awaited, Places& places);

}  // namespace ringfence::app
